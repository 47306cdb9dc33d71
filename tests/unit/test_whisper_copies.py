"""Copies of one sound, one behind the other, in recorded speech; and what a row that has them may say."""

from pathlib import Path

import numpy as np
import pytest

from src.engines.base import Audio
from src.engines.whisper.copies import find_copies
from src.engines.whisper.features import Features
from src.engines.whisper.quality_check import QualityIssue, says_each
from src.engines.whisper.row import Decoded, Mel, WhisperRow
from src.engines.whisper.row_policy import Action, RowPolicy
from tests.support.speech import clip, music, noise, seconds, silence, typing


def mel(audio: Audio) -> Mel:
    return Features(Path("nothing"), 80)(audio)


def copies(spectrogram: Mel) -> int:
    found = find_copies(spectrogram)
    return 1 if found is None else found.count


def played(times: int, gap: float, name: str = "en-extended") -> Audio:
    """A recording so many times, in a chunk as the segmenter cuts it."""
    part = np.concatenate([clip(name), silence(gap)])
    return np.concatenate([silence(0.5), np.tile(part, times), silence(0.7)])


@pytest.mark.parametrize("name", ["en-extended", "es-expelled"])
@pytest.mark.parametrize("gap", [0.0, 0.333, 0.9])
@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_copies_are_counted(name: str, gap: float, times: int) -> None:
    assert copies(mel(played(times, gap, name))) == times


def test_copies_of_a_word_are_counted() -> None:
    word = clip("en-extended")[: round(0.6 * 16_000)]
    assert copies(mel(np.tile(np.concatenate([word, silence(0.1)]), 9))) == 9


def test_many_copies_without_a_pause_are_counted_whatever_their_length() -> None:
    """It is no whole number of frames, and what is left over adds up to one copy more."""
    phrase = clip("en-extended")[round(0.6 * 16_000) :][: round(1.0045 * 16_000)]
    assert copies(mel(np.tile(phrase, 20))) == 20


def beep() -> Audio:
    time = np.arange(round(0.6 * 16_000)) / 16_000
    return np.asarray(0.3 * np.sin(2 * np.pi * 1000 * time), np.float32)


WORDS = clip("en-extended")[: round(1.2 * 16_000)]


@pytest.mark.parametrize(
    "audio",
    [
        np.concatenate([clip("en-agent"), clip("en-extended")]),
        np.concatenate([beep(), silence(0.1), clip("en-extended"), silence(0.1), beep()]),
        np.concatenate([WORDS, silence(0.2), clip("es-expelled"), silence(0.2), WORDS]),
        clip("es-agent"),
        clip("en-busy"),
        noise(8),
        music(8),
        typing(8),
        silence(5),
        silence(0.05),
        np.zeros(0, np.float32),
    ],
    ids=["two", "beeps", "ends", "es", "busy", "noise", "music", "typing", "silence", "short", "nothing"],
)
def test_what_does_not_repeat_itself_is_one(audio: Audio) -> None:
    assert copies(mel(audio)) == 1


@pytest.mark.parametrize("gap", [0.0, 0.9])
def test_each_copy_has_its_beginning(gap: float) -> None:
    found = find_copies(mel(played(4, gap)))
    assert found is not None
    length = seconds(clip("en-extended")) + gap
    assert np.diff(found.starts) == pytest.approx([length] * 3, abs=0.011)
    assert 0.5 <= found.start < 0.75


@pytest.mark.parametrize(
    ("text", "times", "each"),
    [
        ("", 2, True),
        ("Yes.", 2, False),
        ("Yes. Yes, yes!", 3, True),
        ("Yes. Yes.", 3, False),
        ("No, no. No, no.", 2, True),
        ("Call me back.", 3, False),
    ],
)
def test_a_text_says_each_copy_if_it_consists_of_the_same_words(text: str, times: int, each: bool) -> None:
    assert says_each(text, times) is each


SENTENCE = "The conference has been extended."


@pytest.mark.parametrize(
    ("times", "said", "issue"),
    [
        (2, 2, None),
        (5, 5, None),
        (1, 2, QualityIssue.REPETITION),
        (2, 5, QualityIssue.COMPRESSION),  # a loop, though the sound repeats itself
        (5, 9, QualityIssue.COMPRESSION),
    ],
)
def test_a_text_may_repeat_itself_as_often_as_its_sound(
    times: int, said: int, issue: QualityIssue | None
) -> None:
    audio = played(times, 0.2)
    policy = RowPolicy(WhisperRow(mel(audio), seconds(audio), 1500, "en"), multilingual=True)
    policy.text_decoded(Decoded((1,), " ".join([SENTENCE] * said), seconds(audio), -0.2, 0.01))
    assert policy.attempts[0].issue is issue
    assert (policy.action is Action.DONE) is (issue is None)
