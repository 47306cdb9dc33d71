"""Kokoro on its real weights, against the `kokoro-onnx` package."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pytest
from kokoro_onnx import Kokoro
from kokoro_onnx.config import DEFAULT_VOCAB

from src.config import Settings
from src.engines import cpu
from src.engines.base import Audio
from src.engines.kokoro import KokoroEngine
from src.engines.kokoro.phonemes import Phonemizer
from src.engines.voices import VoiceRegistry
from src.errors import EngineFailed, ModelUnavailable
from src.weights.store import KokoroFiles, ModelStore

pytestmark = pytest.mark.models

T = TypeVar("T")


@pytest.fixture(scope="module")
def files(make_settings: Callable[..., Settings]) -> KokoroFiles:
    return ModelStore(make_settings().models_dir).kokoro()


Use = Callable[[KokoroEngine], Coroutine[Any, Any, T]]


class Speak(Protocol):
    """What `use` makes of an engine."""

    def __call__(self, use: Use[T]) -> T: ...


@contextmanager
def opened(files: KokoroFiles, compute_type: str = "auto") -> Iterator[Speak]:
    engine = KokoroEngine(files.model, files.voices, threads=1, compute_type=compute_type)
    with asyncio.Runner() as runner:
        runner.run(engine.__aenter__())
        try:
            yield lambda use: runner.run(use(engine))
        finally:
            runner.run(engine.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def speak(files: KokoroFiles) -> Iterator[Speak]:
    """One engine for all tests: opening it takes seconds."""
    with opened(files) as engine:
        yield engine


async def say(engine: KokoroEngine, text: str, voice: str = "af_heart", request_id: str = "1") -> Audio:
    return await engine.synthesize(text, VoiceRegistry(engine.voices).find(voice), request_id)


def test_the_graphs_sound_is_that_of_kokoro_onnx(files: KokoroFiles, tmp_path: Path) -> None:
    names = ("af_heart", "bf_emma", "ef_dora")
    styles = {name: np.fromfile(files.voices[name], np.float32).reshape(-1, 1, 256) for name in names}
    np.savez(tmp_path / "voices.npz", **styles)  # type: ignore[arg-type]
    kokoro = Kokoro(str(files.model), str(tmp_path / "voices.npz"))

    async def use(engine: KokoroEngine) -> list[Audio]:
        assert engine.info.languages == ("en", "es")
        return [await say(engine, text, voice) for text, voice, _ in rows]

    rows = [("Good morning.", "af_heart", "en-us"), ("Yes.", "bf_emma", "en-gb"), ("Sí.", "ef_dora", "es")]
    with opened(files, "float32") as speak:
        made = speak(use)
    for ours, (text, voice, espeak) in zip(made, rows, strict=True):
        if espeak == "es":  # it knows only English symbols
            phonemes = Phonemizer("es-ES").phonemes(text, DEFAULT_VOCAB)
            theirs, _ = kokoro.create(phonemes, voice, is_phonemes=True)
        else:
            theirs, _ = kokoro.create(text, voice, lang=espeak)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, np.clip(theirs, -1, 1), rtol=0, atol=1e-3)


def test_a_word_of_ipa_is_spoken_as_these_phonemes(speak: Speak) -> None:
    phonemes = Phonemizer("en-US").phonemes("soup", DEFAULT_VOCAB)

    async def use(engine: KokoroEngine) -> None:
        voice = VoiceRegistry(engine.voices).find("af_heart")
        assert {"ʊ", "ˈ", "ɹ"} <= set(voice.phonemes)
        assert not {" ", ".", "("} & set(voice.phonemes)
        plain = await engine.utter("A hot soup.", voice, "1", timed=True)
        same = await engine.utter(f"A hot /{phonemes}/.", voice, "1", timed=True)
        np.testing.assert_array_equal(same.audio, plain.audio)
        assert same.words == plain.words
        assert len(plain.words or ()) == 3
        other = await engine.utter("A hot /sˈoʊp/.", voice, "1")
        assert not np.array_equal(other.audio, plain.audio)

    speak(use)


def test_a_text_longer_than_the_model_takes_is_spoken_whole(
    speak: Speak, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "All of them went home, and late."
    whole = speak(lambda engine: say(engine, text))
    monkeypatch.setattr("src.engines.kokoro.runner.MAX_PHONEMES", 20)

    parts = speak(lambda engine: say(engine, text))

    assert 0.8 * len(whole) < len(parts) < 2 * len(whole)


def test_rows_of_many_tasks_each_get_their_own_sound(speak: Speak) -> None:
    rows = [
        ("One.", "af_heart"), ("Uno.", "ef_dora"), ("Two.", "bm_george"),
        ("Dos.", "em_alex"), ("Two.", "af_heart"),
    ]  # fmt: skip

    async def use(engine: KokoroEngine) -> tuple[list[Audio], list[Audio]]:
        together = await asyncio.gather(*(say(engine, *row, request_id="".join(row)) for row in rows))
        return list(together), [await say(engine, *row, request_id="".join(row)) for row in rows]

    for batched, alone in zip(*speak(use), strict=True):
        np.testing.assert_array_equal(batched, alone)


def test_a_row_that_leaves_is_not_spoken_to_its_end(speak: Speak, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.engines.kokoro.runner.MAX_PHONEMES", 20)

    async def use(engine: KokoroEngine) -> None:
        leaving = asyncio.create_task(say(engine, "And so on and on. " * 300))
        staying = asyncio.create_task(say(engine, "Stay.", request_id="2"))
        await asyncio.sleep(0.1)
        leaving.cancel()
        assert len(await staying)
        assert engine.load.active == engine.load.waiting == 0

    speak(use)


def test_a_text_without_any_sound_fails_alone(speak: Speak) -> None:
    async def use(engine: KokoroEngine) -> None:
        with pytest.raises(EngineFailed, match="can be spoken"):
            await say(engine, "\n")
        assert len(await say(engine, "Yes."))

    speak(use)


def test_a_foreign_word_does_not_leave_its_language_in_the_sound(files: KokoroFiles) -> None:
    """espeak marks what it reads in another language: "(el)aθˈina(es)", whose letters are phonemes, too."""
    phonemes = Phonemizer("es-ES").phonemes("Viajo a Αθήνα", DEFAULT_VOCAB)

    assert "(" not in phonemes
    assert "aθˈina" in phonemes


def _open(files: KokoroFiles) -> None:
    with opened(files):
        pass


def test_files_that_are_no_kokoro_are_refused(files: KokoroFiles, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x00" * 1000)

    with pytest.raises(ModelUnavailable, match="is no Kokoro voice"):
        _open(KokoroFiles(files.model, {"af_heart": broken}))
    with pytest.raises(ModelUnavailable, match="cannot be opened as an ONNX model"):
        _open(KokoroFiles(broken, files.voices))
    with pytest.raises(ModelUnavailable, match="cannot speak with the voice ff_siwis"):
        _open(KokoroFiles(files.model, {"ff_siwis": broken}))


def test_weights_that_do_not_fit_the_network_of_the_gpu_are_run_on_the_cpu(
    files: KokoroFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # a weight has another name, as in another export; onnxruntime takes any name
    renamed = tmp_path / "renamed.onnx"
    renamed.write_bytes(files.model.read_bytes().replace(b"resblocks.0.alpha1.0", b"resblocks.0.alphaX.0"))

    async def main() -> str:
        async with KokoroEngine(renamed, files.voices, threads=1, device="cuda") as engine:
            assert len(await say(engine, "Yes."))
            return engine.info.device

    assert asyncio.run(main()) == "cpu"
    assert "1 of 457 weights are not in" in caplog.text
    if cpu.in_use("oneDNN") >= cpu.Level.AVX2:
        # oneDNN's generator wants the same names
        assert "onnxruntime runs all of Kokoro" in caplog.text
