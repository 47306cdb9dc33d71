"""Kokoro on a GPU: sound and word times are those of the network on the CPU, and Whisper reads it back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import numpy as np
import pytest

from src.config import Settings
from src.engines.base import Audio
from src.engines.kokoro import KokoroEngine
from src.engines.kokoro.torch_model import TorchModel
from src.engines.voices import VoiceRegistry
from src.weights.store import KokoroFiles, ModelStore

pytestmark = [pytest.mark.gpu, pytest.mark.models]

ROWS = [
    ("Good morning, all of you.", "af_heart"),
    ("The train leaves in a few minutes.", "bm_george"),
    ("Buenos días, ¿cómo estás?", "ef_dora"),
    ("The same, by two of them.", "af_heart(2)+af_bella(1)"),
]
T = TypeVar("T")


@pytest.fixture(scope="module")
def files(make_settings: Callable[..., Settings]) -> KokoroFiles:
    return ModelStore(make_settings().models_dir).kokoro()


def speak(files: KokoroFiles, device: str, use: Callable[[KokoroEngine], Awaitable[T]]) -> T:
    async def main() -> T:
        async with KokoroEngine(files.model, files.voices, threads=2, device=device) as engine:
            assert engine.info.device == device
            assert engine.info.compute_type == {"cuda": "float32", "cpu": "int8"}[device]
            return await use(engine)

    return asyncio.run(main())


def loudness(audio: Audio) -> Audio:
    """In dB, in bands of the spectrum and windows of 40 ms."""
    frames = audio[: len(audio) // 960 * 960].reshape(-1, 960) * np.hanning(960)
    bands = np.square(np.abs(np.fft.rfft(frames)))[:, 1:].reshape(len(frames), 24, 20).sum(2)
    return np.asarray(10 * np.log10(bands + 1e-4), np.float32)


def test_the_network_makes_on_the_gpu_what_it_makes_on_the_cpu(files: KokoroFiles) -> None:
    style = np.fromfile(files.voices["af_heart"], np.float32).reshape(-1, 1, 256)[20]
    symbols = [50, 83, 54, 156, 57, 135, 16, 62, 85, 157, 92, 68, 4, 50, 83, 54, 156, 57, 135, 16]
    made = {device: TorchModel(files.model, device).speak(symbols, style) for device in ("cpu", "cuda")}
    (ours, durations), (theirs, expected) = made["cuda"], made["cpu"]
    assert durations is not None and expected is not None
    np.testing.assert_array_equal(durations, expected)
    assert len(ours) == len(theirs)
    assert np.sqrt(np.square(ours).mean()) == pytest.approx(np.sqrt(np.square(theirs).mean()), rel=0.05)
    assert np.abs(loudness(ours) - loudness(theirs)).mean() < 2


def test_each_voice_speaks_and_says_when(files: KokoroFiles) -> None:
    async def use(engine: KokoroEngine) -> list[tuple[float, list[tuple[float, float]]]]:
        voices = VoiceRegistry(engine.voices)
        said = await asyncio.gather(
            *(engine.utter(text, voices.find(voice), voice, timed=True) for text, voice in ROWS)
        )
        assert all(np.isfinite(each.audio).all() and np.abs(each.audio).max() > 0.05 for each in said)
        return [(len(each.audio) / 24_000, list(each.words or ())) for each in said]

    on_gpu, on_cpu = speak(files, "cuda", use), speak(files, "cpu", use)
    for (text, _), (seconds, words), (expected, there) in zip(ROWS, on_gpu, on_cpu, strict=True):
        assert seconds == pytest.approx(expected, rel=0.08)
        assert len(words) == len(text.split())
        assert np.abs(np.array(words) - np.array(there)).mean() < 0.06


def test_a_crowd_each_gets_its_own_sound(files: KokoroFiles) -> None:
    async def use(engine: KokoroEngine) -> None:
        voices = VoiceRegistry(engine.voices)
        alone = [await engine.synthesize(text, voices.find(voice), "1") for text, voice in ROWS]
        crowd = await asyncio.gather(
            *(
                engine.synthesize(text, voices.find(voice), f"{turn}")
                for turn in range(16)
                for text, voice in ROWS
            )
        )
        for at, audio in enumerate(crowd):
            assert abs(len(audio) - len(alone[at % len(ROWS)])) <= 1024
        assert (engine.load.active, engine.load.waiting) == (0, 0)

    speak(files, "cuda", use)


def test_a_text_longer_than_the_model_takes_is_spoken_whole(files: KokoroFiles) -> None:
    text = "All of them went home, one after the other, and late. " * 20

    async def use(engine: KokoroEngine) -> None:
        said = await engine.utter(text, VoiceRegistry(engine.voices).find("af_heart"), "1", timed=True)
        assert len(said.audio) / 24_000 > 40
        words = said.words or ()
        assert len(words) == len(text.split())
        starts = [start for start, _ in words]
        assert starts == sorted(starts)

    speak(files, "cuda", use)
