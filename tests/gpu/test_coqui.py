"""Coqui's models on a GPU, with random weights: the sound is that of the CPU."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
import torch

from src.engines.base import Audio, Utterance
from src.engines.coqui import CoquiEngine
from src.engines.voices import VoiceRegistry
from src.weights.store import CoquiFiles
from tests.support import coqui

pytestmark = pytest.mark.gpu

ROWS = [
    ("Hello there, how are you?", "en"),
    ("Yes.", "en"),
    ("It was a bright cold day in April, and it rained.", "en"),
    ("Hola, buenos días.", "es"),
    ("El tren de las ocho ha llegado con retraso.", "es"),
]


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> list[CoquiFiles]:
    folder = tmp_path_factory.mktemp("coqui")
    english, spanish = coqui.english(folder / "en"), coqui.spanish(folder / "es")
    return [replace(english, language="en"), replace(spanish, language="es")]


def speak(voices: list[CoquiFiles], device: str, compute_type: str, copies: int = 1) -> list[Utterance]:
    """All rows at once."""

    async def main() -> list[Utterance]:
        async with CoquiEngine(voices, device, compute_type, threads=2) as engine:
            assert (engine.info.device, engine.info.compute_type) == (device, compute_type)
            known = VoiceRegistry(engine.voices)
            return list(
                await asyncio.gather(
                    *(
                        engine.utter(text, known.default(language), f"{text} {copy}", timed=True)
                        for copy in range(copies)
                        for text, language in ROWS
                    )
                )
            )

    return asyncio.run(main())


@pytest.fixture(scope="module")
def on_cpu(voices: list[CoquiFiles]) -> list[Utterance]:
    return speak(voices, "cpu", "float32")


def difference(ours: Audio, theirs: Audio) -> float:
    """Over the signal, in dB."""
    assert ours.dtype == np.float32
    assert len(ours) == len(theirs)
    return float(10 * np.log10(np.square(ours - theirs).sum() / np.square(theirs).sum()))


@pytest.mark.parametrize("copies", [1, 4])
def test_samples_and_words_are_those_of_the_cpu(
    voices: list[CoquiFiles], on_cpu: list[Utterance], copies: int
) -> None:
    """Copies make batches of 16 rows, of which some wait."""
    for ours, theirs in zip(speak(voices, "cuda", "float32", copies), on_cpu * copies, strict=True):
        assert difference(ours.audio, theirs.audio) < -40
        assert ours.words == theirs.words


@pytest.mark.parametrize("compute_type", ["float16", "bfloat16"])
def test_half_precision_says_the_same(
    voices: list[CoquiFiles], on_cpu: list[Utterance], compute_type: str
) -> None:
    if compute_type == "bfloat16" and not torch.cuda.is_bf16_supported():
        pytest.skip("this GPU has no bfloat16")
    for ours, theirs in zip(speak(voices, "cuda", compute_type), on_cpu, strict=True):
        assert np.isfinite(ours.audio).all()
        assert len(ours.audio) == pytest.approx(len(theirs.audio), rel=0.1)
        assert difference(ours.audio[: len(theirs.audio)], theirs.audio[: len(ours.audio)]) < -10
