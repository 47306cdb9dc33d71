"""Several Coqui models are as many voices, each known by its content."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.config import Settings
from src.core.loader import open_models
from src.engines.base import Audio, Voice
from src.engines.coqui import CoquiEngine
from src.engines.voices import VoiceRegistry
from src.errors import InvalidInput
from src.weights.store import CoquiFiles, ModelStore


def test_two_models_of_a_language_are_two_voices(
    coqui_files: dict[str, CoquiFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    # three times a second, for what is of no concern here
    monkeypatch.setattr("src.engines.coqui.runner.MultiVoiceRunner._warm_up", lambda *_: None)
    english, spanish = coqui_files["en"], replace(coqui_files["es"], language="es")

    async def main() -> tuple[tuple[Voice, ...], list[Audio]]:
        async with CoquiEngine([english, replace(spanish, name=english.name), english]) as engine:
            voices = VoiceRegistry(engine.voices)
            assert voices.default("en").id == english.name
            with pytest.raises(InvalidInput, match="cannot be blended"):
                voices.find(f"{english.name}+{english.name}-3")
            names = (english.name, f"{english.name}-3")
            spoken = await asyncio.gather(
                *(engine.synthesize("Yes.", voices.find(name), name) for name in names)
            )
            return engine.voices, list(spoken)

    voices, (one, other) = asyncio.run(main())
    assert [(voice.id, voice.language, voice.sample_rate) for voice in voices] == [
        (english.name, "en", 22_050),
        (f"{english.name}-2", "es", 24_000),
        (f"{english.name}-3", "en", 22_050),
    ]
    prints = [voice.fingerprint for voice in voices]
    assert prints[0] == prints[2] != prints[1]
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def files(coqui_files: dict[str, CoquiFiles], tmp_path_factory: pytest.TempPathFactory) -> CoquiFiles:
    """A copy of the English voice, whose files may be changed."""
    return _copied(coqui_files["en"], tmp_path_factory.mktemp("coqui") / "model")


def _copied(voice: CoquiFiles, folder: Path) -> CoquiFiles:
    """The same files, written anew."""
    shutil.copytree(voice.checkpoint.parent, folder, copy_function=shutil.copy)
    return ModelStore(folder.parent / "models").coqui(str(folder))


def _as_if_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.engines.coqui.runner.MultiVoiceRunner.sample_rate", lambda *_: 22_050)
    monkeypatch.setattr("src.engines.coqui.runner.MultiVoiceRunner.phonemes", lambda *_: "")


@pytest.mark.parametrize("part", ["checkpoint", "config", "vocoder_checkpoint", "vocoder_config"])
def test_a_file_that_changes_makes_another_voice_for_the_cache(
    files: CoquiFiles, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _as_if_open(monkeypatch)

    def known() -> str:
        (voice,) = CoquiEngine([files]).voices
        return voice.fingerprint

    before = known()
    assert known() == before
    file: Path = getattr(files, part)
    os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns + 1_000_000_000))
    assert known() != before


def test_a_model_of_the_same_name_elsewhere_is_another_voice_for_the_cache(
    files: CoquiFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _as_if_open(monkeypatch)
    trained_again = _copied(files, tmp_path / "model")
    assert files.name == trained_again.name
    one, other = (CoquiEngine([each]).voices[0] for each in (files, trained_again))
    assert one.fingerprint != other.fingerprint


@pytest.mark.models
def test_both_engines_speak_side_by_side(
    make_settings: Callable[..., Settings], models_dir: Path, coqui_files: dict[str, CoquiFiles]
) -> None:
    english, spanish = coqui_files["en"], coqui_files["es"]
    settings = make_settings(
        tts_engine="both",
        tts_model_en=str(english.checkpoint.parent),
        tts_model_es=str(spanish.checkpoint.parent),
        models_dir=models_dir,
    )

    async def main() -> None:
        async with open_models(settings, transcribes=False) as models:
            voices = VoiceRegistry(models.tts.voices)
            assert models.tts.info.engine == "coqui, kokoro"
            assert [voices.default(language).id for language in voices.languages] == ["en", "es"]
            for name, rate in (("en", 22_050), ("es", 24_000), ("bf_emma", 24_000), ("em_alex", 24_000)):
                voice = voices.find(name)
                assert voice.sample_rate == rate
                assert len(await models.tts.synthesize("No.", voice, name)) > 0

    asyncio.run(main())
