"""When words are said: Kokoro's durations against Whisper's alignment, Coqui's attention as it was wired."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from src.config import Settings
from src.engines.base import SttOptions, Utterance, Word, WordSpan
from src.engines.coqui import CoquiEngine
from src.engines.kokoro import KokoroEngine
from src.engines.kokoro.durations import with_durations
from src.engines.voices import VoiceRegistry
from src.engines.whisper import WhisperEngine
from src.engines.word_spans import spans_of_words
from src.weights.store import ModelStore
from tests.support import coqui

pytestmark = pytest.mark.models

SENTENCES = {
    "en": "The water in the kettle is hot, so we can have our tea in the garden.",
    "es": "El perro duerme tranquilo junto a la ventana.",
}


def test_kokoros_durations_are_where_whisper_hears_the_words(make_settings: Callable[..., Settings]) -> None:
    store = ModelStore(make_settings().models_dir)
    files, folder = store.kokoro(), store.whisper("base").folder

    async def main() -> None:
        async with (
            KokoroEngine(files.model, files.voices, threads=1) as kokoro,
            WhisperEngine(folder, name="base", device="cpu", compute_type="int8", threads=1) as whisper,
        ):
            for language, text in SENTENCES.items():
                voice = VoiceRegistry(kokoro.voices).default(language)
                row = await kokoro.utter(text, voice, "1", timed=True)
                untimed = await kokoro.utter(text, voice, "1")
                assert untimed.words is None
                np.testing.assert_array_equal(row.audio, untimed.audio)
                assert row.words is not None
                assert len(row.words) == len(text.split())
                assert_in_order(row, voice.sample_rate)
                at = np.arange(int(len(row.audio) * 16_000 / voice.sample_rate)) * voice.sample_rate / 16_000
                audio = np.interp(at, np.arange(len(row.audio)), row.audio).astype(np.float32)
                options = SttOptions(language=language, word_timestamps=True)
                read = (await whisper.transcribe(audio, options, "1")).segments
                recognized = [word for segment in read for word in segment.words or ()]
                assert typical_error(text, row.words, recognized) <= 0.08

    asyncio.run(main())


def typical_error(text: str, spans: tuple[WordSpan, ...], recognized: list[Word]) -> float:
    """Median difference of the starts, in seconds.

    Whisper's small models give a pause to a word beside it, so single words differ by a third of a second.
    The first word is left out: it gets the silence before it.
    """
    words = [word.word.strip().lower().strip(".,") for word in recognized]
    assert words == [word.lower().strip(".,") for word in text.split()]
    found = zip(spans[1:], recognized[1:], strict=True)
    return float(np.median([abs(start - word.start) for (start, _), word in found]))


def assert_in_order(row: Utterance, sample_rate: int) -> None:
    edges = np.array(row.words).ravel()
    assert (np.diff(edges) >= 0).all()
    assert edges[0] >= 0
    assert edges[-1] <= len(row.audio) / sample_rate + 1e-6


def test_coquis_attention_tells_when_each_word_is_said(tmp_path: Path) -> None:
    """The tests' models dwell on each character for a known number of steps."""
    files = coqui.english(tmp_path)
    text = "Hello there, how are you?"

    async def main() -> Utterance:
        async with CoquiEngine([files]) as engine:
            [voice] = engine.voices
            alone = await engine.utter(text, voice, "1", timed=True)
            rows = await asyncio.gather(
                engine.utter("It was a bright cold day in April.", voice, "2", timed=True),
                engine.utter(text, voice, "3", timed=True),
            )
            assert rows[1].words == alone.words
            assert (await engine.utter(text, voice, "4")).words is None
            assert_in_order(rows[0], voice.sample_rate)
            return alone

    row = asyncio.run(main())
    assert row.words is not None
    character = coqui.STEPS_PER_CHARACTER * 2 * 256 / 22_050
    begins = [text.index(word) for word in text.split()]
    for (start, end), begin, word in zip(row.words, begins, text.split(), strict=True):
        assert start == pytest.approx(begin * character, abs=1.5 * character)
        assert end - start == pytest.approx(len(word.strip(",?")) * character, abs=1.5 * character)


def test_words_that_espeak_runs_together_are_parted() -> None:
    whole, words = "ðə kˈæt ʌvðə hˈaʊs.", ["ðə", "kˈæt", "ˈʌv", "ðˈə", "hˈaʊs"]
    spans = spans_of_words(whole, words, " .")
    assert [whole[start:end] for start, end in spans] == ["ðə", "kˈæt", "ʌv", "ðə", "hˈaʊs"]


def test_a_graph_without_durations_is_left_as_it_is() -> None:
    assert with_durations(b"no such tensor") == b"no such tensor"
