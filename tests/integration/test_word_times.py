"""When words are said: Kokoro's durations against a forced alignment, Coqui's attention as it was wired."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from src.config import Settings
from src.engines.base import Utterance
from src.engines.coqui import CoquiEngine
from src.engines.kokoro import KokoroEngine
from src.engines.kokoro.durations import with_durations
from src.engines.voices import VoiceRegistry
from src.weights.store import CoquiFiles, ModelStore
from tests.support import coqui

pytestmark = pytest.mark.models

SENTENCES = {
    "en": [
        "The water in the kettle is hot, so we can have our tea in the garden.",
        "The mixture is two parts of sugar and three of flour, no more.",
    ],
    "es": [
        "El perro duerme tranquilo junto a la ventana.",
        "No lo puedo creer, dijo mi hermana, pero es verdad.",
    ],
}


def test_kokoros_words_are_where_a_forced_alignment_finds_them(
    make_settings: Callable[..., Settings],
) -> None:
    from benchmarks.hmm_aligner import HmmAligner  # SciPy takes seconds to import

    files = ModelStore(make_settings().models_dir).kokoro()

    async def main() -> None:
        async with KokoroEngine(files.model, files.voices, threads=1) as kokoro:
            for language, texts in SENTENCES.items():
                voice = VoiceRegistry(kokoro.voices).default(language)
                aligner = HmmAligner(language)
                differences = []
                for text in texts:
                    row = await kokoro.utter(text, voice, "1", timed=True)
                    assert row.words is not None
                    assert_in_order(row, voice.sample_rate)
                    aligned = aligner.align(row.audio, voice.sample_rate, text.split())
                    differences.append(np.array(row.words) - aligned)
                # fifty sentences have 19 ms (benchmarks/word_times.py)
                assert np.abs(np.concatenate(differences)).mean(axis=0).max() <= 0.03
                untimed = await kokoro.utter(texts[-1], voice, "1")
                assert untimed.words is None
                np.testing.assert_array_equal(row.audio, untimed.audio)

    asyncio.run(main())


def assert_in_order(row: Utterance, sample_rate: int) -> None:
    edges = np.array(row.words).ravel()
    assert (np.diff(edges) >= 0).all()
    assert edges[0] >= 0
    assert edges[-1] <= len(row.audio) / sample_rate + 1e-6


def test_coquis_attention_tells_when_each_word_is_said(coqui_files: dict[str, CoquiFiles]) -> None:
    """The tests' models dwell on each character for a known number of steps."""
    files = coqui_files["en"]
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


def test_a_graph_without_durations_is_left_as_it_is() -> None:
    assert with_durations(b"no such tensor") == b"no such tensor"
