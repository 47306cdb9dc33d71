"""Whisper on a GPU: texts, words and languages are those of the CPU, alone and in a crowd."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config import Settings
from src.engines.base import SttOptions, Transcript
from src.engines.whisper import WhisperEngine
from src.weights.store import ModelStore
from tests.support.speech import clip, music, noise, seconds, silence
from tests.support.speech_text import word_error_rate

pytestmark = [pytest.mark.gpu, pytest.mark.models]

SAID = {
    "en-agent": "That agent is already logged on. Please enter your agent number followed by the pound key.",
    "en-extended": "The conference has been extended.",
    "es-agent": "Ese agente ya ha sido autenticado. Por favor ingrese su número de agente seguido por la "
    "tecla de número.",
    "es-expelled": "Ha sido expulsado por el sistema de esta conferencia.",
}


class Opened:
    """An engine that stays open, and the loop that it lives in."""

    def __init__(self, runner: asyncio.Runner, engine: WhisperEngine) -> None:
        self._runner, self.engine = runner, engine

    def run(self, *calls: Any) -> list[Any]:
        """The results of calls that run side by side."""

        async def together() -> list[Any]:
            return list(await asyncio.gather(*calls))

        return self._runner.run(together())

    def read(self, *names: str, **options: Any) -> list[Transcript]:
        given = SttOptions(**options)
        return self.run(
            *(self.engine.transcribe(clip(name), given, str(at)) for at, name in enumerate(names))
        )


def opened(folder: Path, device: str, compute_type: str) -> Iterator[Opened]:
    engine = WhisperEngine(folder, name="base", device=device, compute_type=compute_type, threads=2)
    with asyncio.Runner() as runner:
        runner.run(engine.__aenter__())
        yield Opened(runner, engine)
        runner.run(engine.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def folder(make_settings: Callable[..., Settings]) -> Path:
    return ModelStore(make_settings().models_dir).whisper("base").folder


@pytest.fixture(scope="module", params=["float16", "int8_float16", "float32"])
def gpu(folder: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    yield from opened(folder, "cuda", request.param)


@pytest.fixture(scope="module")
def cpu(folder: Path) -> Iterator[Opened]:
    yield from opened(folder, "cpu", "float32")


def text(transcript: Transcript) -> str:
    return "".join(segment.text for segment in transcript.segments).strip()


def test_clips_of_two_languages_are_read_in_one_batch(gpu: Opened) -> None:
    names = [*SAID] * 8
    found = gpu.read(*names)
    assert [each.language for each in found] == [name[:2] for name in names]
    errors = [word_error_rate(SAID[name], text(each)) for name, each in zip(names, found, strict=True)]
    assert sum(errors) / len(errors) < 0.05
    assert gpu.engine.stats.row_steps > 2 * gpu.engine.stats.steps, "no batch was formed"


def test_words_are_where_the_cpu_finds_them(gpu: Opened, cpu: Opened) -> None:
    theirs = cpu.read(*SAID, word_timestamps=True)
    for ours, expected in zip(gpu.read(*SAID, word_timestamps=True), theirs, strict=True):
        pairs = [
            [(word.word, word.start, word.end) for part in each.segments for word in part.words or ()]
            for each in (ours, expected)
        ]
        assert [word for word, _, _ in pairs[0]] == [word for word, _, _ in pairs[1]]
        moved = [abs(a[1] - b[1]) + abs(a[2] - b[2]) for a, b in zip(*pairs, strict=True)]
        assert sum(moved) / len(moved) < 0.1


def test_languages_are_as_likely_as_on_the_cpu(gpu: Opened, cpu: Opened) -> None:
    for name in SAID:
        guesses = [each.run(each.engine.detect_language(clip(name), (), "1"))[0] for each in (gpu, cpu)]
        assert guesses[0][0].language == guesses[1][0].language == name[:2]
        assert guesses[0][0].probability == pytest.approx(guesses[1][0].probability, abs=0.05)


def test_a_text_that_grows_goes_on_after_what_is_certain(gpu: Opened, cpu: Opened) -> None:
    audio = clip("en-agent")
    options = SttOptions(language="en")
    for part in (3.5, seconds(audio)):
        growing = audio[: round(part * 16_000)]
        both = [each.run(each.engine.transcribe_partial(growing, options, (), "1"))[0] for each in (gpu, cpu)]
        # the end of audio that still grows is guessed, and may be guessed otherwise
        early = [[word.text for word in each.words if word.end < part - 1] for each in both]
        shorter = min(map(len, early))
        assert shorter > 2
        assert early[0][:shorter] == early[1][:shorter]
    whole = both[0].words
    assert word_error_rate(SAID["en-agent"], "".join(word.text for word in whole)) < 0.1
    certain = [token for word in whole[:5] for token in word.tokens]
    after, beside = gpu.run(
        gpu.engine.transcribe_partial(audio, options, certain, "1"),
        gpu.engine.transcribe_partial(audio, options, certain, "2"),
    )
    assert [word.text for word in after.words] == [word.text for word in whole[5:]]
    assert [word.text for word in beside.words] == [word.text for word in after.words]
    ends = [word.end for word in after.words]
    assert ends == sorted(ends) and ends[-1] <= seconds(audio) + 0.1


def test_long_rows_and_short_ones_are_read_side_by_side(gpu: Opened) -> None:
    long = np.concatenate([clip("en-agent"), silence(1), clip("en-busy"), silence(1), clip("en-extended")])
    long = np.concatenate([long, silence(1), clip("en-agent")])[: 30 * 16_000]
    calls = [gpu.engine.transcribe(long, SttOptions(), f"long {turn}") for turn in range(12)]
    calls += [gpu.engine.transcribe(clip("en-extended"), SttOptions(), f"short {turn}") for turn in range(24)]
    found = [text(each) for each in gpu.run(*calls)]
    assert all("order it was received" in each for each in found[:12])
    assert set(found[12:]) == {SAID["en-extended"]}


def test_nothing_is_read_in_silence_noise_and_music_and_no_row_is_left(gpu: Opened) -> None:
    sounds = [silence(3), noise(8), music(6), noise(25)]
    found = gpu.run(
        *(
            gpu.engine.transcribe(each, SttOptions(word_timestamps=True), str(at))
            for at, each in enumerate(sounds)
        )
    )
    for sound, each in zip(sounds, found, strict=True):
        assert all(segment.end <= seconds(sound) + 0.01 for segment in each.segments)
        assert len(text(each)) < 200
    assert (gpu.engine.load.waiting, gpu.engine.load.active) == (0, 0)
