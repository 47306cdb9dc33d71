"""Kokoro on its real weights, against the `kokoro-onnx` package."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime
import pytest
from kokoro_onnx import Kokoro

from src.config import Settings
from src.core.errors import EngineFailed, ModelUnavailable
from src.core.model_store import KokoroFiles, ModelStore
from src.engines.base import Audio
from src.engines.kokoro import KokoroEngine

pytestmark = pytest.mark.models

ENGLISH = "Good morning, all of you."
SPANISH = "Buenos días, ¿cómo estás?"

T = TypeVar("T")


@pytest.fixture(scope="module")
def files(make_settings: Callable[..., Settings]) -> KokoroFiles:
    return ModelStore(make_settings().models_dir).kokoro()


def speak(files: KokoroFiles, use: Callable[[KokoroEngine], Awaitable[T]]) -> T:
    async def main() -> T:
        async with KokoroEngine(files.model, files.voices, threads=1) as engine:
            return await use(engine)

    return asyncio.run(main())


def test_sound_is_that_of_kokoro_onnx(files: KokoroFiles, tmp_path: Path) -> None:
    en, es = (np.fromfile(files.voices[name], np.float32).reshape(-1, 1, 256) for name in ("en", "es"))
    np.savez(tmp_path / "voices.npz", en=en, es=es)
    kokoro = Kokoro(str(files.model), str(tmp_path / "voices.npz"))

    async def use(engine: KokoroEngine) -> list[Audio]:
        assert engine.sample_rate("en") == engine.sample_rate("es") == 24_000
        assert engine.info.languages == ("en", "es")
        assert engine.model("es").endswith(files.voices["es"].stem)
        return [
            await engine.synthesize(ENGLISH, "en", request_id="1"),
            await engine.synthesize(SPANISH, "es", request_id="1"),
        ]

    english, spanish = speak(files, use)

    for ours, (text, voice, espeak) in zip(
        (english, spanish), ((ENGLISH, "en", "en-us"), (SPANISH, "es", "es")), strict=True
    ):
        theirs, _ = kokoro.create(text, voice, lang=espeak)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, np.clip(theirs, -1, 1), rtol=0, atol=1e-3)


def test_a_text_longer_than_the_model_takes_is_spoken_whole(
    files: KokoroFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "All of them went home, one after the other, and late."
    whole = speak(files, lambda engine: engine.synthesize(text, "en", request_id="1"))
    monkeypatch.setattr("src.engines.kokoro._MOST_PHONEMES", 20)

    parts = speak(files, lambda engine: engine.synthesize(text, "en", request_id="1"))

    assert 0.8 * len(whole) < len(parts) < 2 * len(whole)


def test_rows_of_many_tasks_each_get_their_own_sound(files: KokoroFiles) -> None:
    rows = [("One.", "en"), ("Uno.", "es"), ("Two and three.", "en"), ("Dos y tres.", "es")]

    async def use(engine: KokoroEngine) -> tuple[list[Audio], list[Audio]]:
        together = await asyncio.gather(*(engine.synthesize(*row, request_id=row[0]) for row in rows))
        return list(together), [await engine.synthesize(*row, request_id=row[0]) for row in rows]

    for company, alone in zip(*speak(files, use), strict=True):
        np.testing.assert_array_equal(company, alone)


def test_a_row_that_leaves_is_not_spoken_to_its_end(
    files: KokoroFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.engines.kokoro._MOST_PHONEMES", 20)

    async def use(engine: KokoroEngine) -> None:
        leaving = asyncio.create_task(engine.synthesize("And so on and on. " * 300, "en", request_id="1"))
        staying = asyncio.create_task(engine.synthesize("Stay.", "en", request_id="2"))
        await asyncio.sleep(0.1)
        leaving.cancel()
        assert len(await staying)
        assert engine.load.active == engine.load.waiting == 0

    speak(files, use)


def test_a_text_without_any_sound_fails_alone(files: KokoroFiles) -> None:
    async def use(engine: KokoroEngine) -> None:
        with pytest.raises(EngineFailed, match="can be spoken"):
            await engine.synthesize("\n", "en", request_id="1")
        assert len(await engine.synthesize("Yes.", "en", request_id="1"))

    speak(files, use)


def test_a_foreign_word_does_not_leave_its_language_in_the_sound(files: KokoroFiles) -> None:
    """espeak marks what it reads in another language: "(el)aθˈina(es)", whose letters are phonemes, too."""
    from src.engines.kokoro import _phonemizer

    (phonemes,) = _phonemizer("es").phonemize(["Viajo a Αθήνα"])

    assert "(" not in phonemes
    assert "aθˈina" in phonemes


def test_files_that_are_no_kokoro_are_refused(files: KokoroFiles, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x00" * 1000)

    with pytest.raises(ModelUnavailable, match="is no Kokoro voice"):
        speak(KokoroFiles(files.model, {"en": broken}), lambda engine: asyncio.sleep(0))
    with pytest.raises(ModelUnavailable, match="cannot be opened as an ONNX model"):
        speak(KokoroFiles(broken, files.voices), lambda engine: asyncio.sleep(0))
    with pytest.raises(ModelUnavailable, match="cannot speak fr"):
        speak(KokoroFiles(files.model, {"fr": broken}), lambda engine: asyncio.sleep(0))


def test_the_device_is_the_one_that_the_session_runs_on(
    files: KokoroFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a GPU is offered, and then its libraries cannot be had: onnxruntime warns at most, and takes the CPU
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )

    async def main() -> str:
        async with KokoroEngine(files.model, files.voices, threads=1, device="cuda") as engine:
            return engine.info.device

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert asyncio.run(main()) == "cpu"
