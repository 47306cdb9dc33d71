"""Where words stand in phonemes, and in sound."""

import numpy as np
import pytest

from src.engines.base import Audio
from src.engines.word_spans import spans_of_words, without_pauses

SAMPLE_RATE = 24_000


def test_words_that_espeak_runs_together_are_parted() -> None:
    whole, words = "ðə kˈæt ʌvðə hˈaʊs.", ["ðə", "kˈæt", "ˈʌv", "ðˈə", "hˈaʊs"]
    spans = spans_of_words(whole, words, " .")
    assert [whole[start:end] for start, end in spans] == ["ðə", "kˈæt", "ʌv", "ðə", "hˈaʊs"]


def sound(*parts: tuple[float, float]) -> Audio:
    """Noise, in parts of so many seconds and such an amplitude."""
    drawn = np.random.default_rng(1)
    return np.concatenate(
        [level * drawn.uniform(-1, 1, round(seconds * SAMPLE_RATE)) for seconds, level in parts]
    ).astype(np.float32)


def test_a_word_does_not_last_into_the_pauses_beside_it() -> None:
    audio = sound((0.1, 0.0002), (0.4, 0.5), (0.3, 0.0001), (0.5, 0.3), (0.2, 0.0))
    spans = without_pauses([(0.0, 0.65), (0.7, 1.5)], audio, SAMPLE_RATE)
    assert spans[0] == pytest.approx((0.1, 0.5), abs=0.015)
    assert spans[1] == pytest.approx((0.8, 1.3), abs=0.015)


def test_the_closure_of_a_plosive_belongs_to_its_word() -> None:
    audio = sound((0.4, 0.5), (0.06, 0.0), (0.5, 0.3))
    spans = ((0.0, 0.4), (0.41, 0.96))
    assert without_pauses(spans, audio, SAMPLE_RATE) == spans


def test_a_pause_inside_a_word_stays_in_it() -> None:
    audio = sound((0.4, 0.5), (0.3, 0.0), (0.4, 0.3))
    assert without_pauses([(0.0, 1.1)], audio, SAMPLE_RATE) == ((0.0, 1.1),)


@pytest.mark.parametrize("audio", [sound((0.5, 0.0)), sound((0.005, 0.5)), np.zeros(0, np.float32)])
def test_silence_and_next_to_no_sound_change_nothing(audio: Audio) -> None:
    assert without_pauses([(0.0, 0.3)], audio, SAMPLE_RATE) == ((0.0, 0.3),)
