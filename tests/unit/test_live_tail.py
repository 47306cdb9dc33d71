"""The end of an utterance that is read with the next one."""

import numpy as np
import pytest

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.services.live.tail import LONG, SHORT, SaidWord, tail_of


def loud(seconds: float) -> Audio:
    return np.ones(round(seconds * STT_SAMPLE_RATE), np.float32)


WORDS = [SaidWord(f" {at}.", (at,), float(at), 1.0) for at in range(1, 9)]


def test_a_tail_has_the_last_words_and_is_cut_where_it_is_quietest() -> None:
    audio = loud(9.0)
    audio[round(4.4 * STT_SAMPLE_RATE) : round(4.5 * STT_SAMPLE_RATE)] = 0.1
    tail = tail_of(audio, WORDS, "1. 2. 3. 4. 5. 6. 7. 8.", "a", 99, LONG)
    assert tail is not None
    assert (tail.text, tail.tokens, tail.end) == (" 5. 6. 7. 8.", (5, 6, 7, 8), 99)
    assert len(tail.audio) / STT_SAMPLE_RATE == pytest.approx(9.0 - 4.4, abs=0.05)
    short = tail_of(audio, WORDS, "1. 2. 3. 4. 5. 6. 7. 8.", "a", 99, SHORT)
    assert short is not None
    assert (short.text, short.tokens) == (" 7. 8.", (7, 8))
    assert short.until < tail.until


def test_a_short_utterance_is_its_own_tail() -> None:
    tail = tail_of(loud(3.0), WORDS[:2], "1. 2.", "a", 0, LONG)
    assert tail is not None
    assert (tail.text, len(tail.audio)) == (" 1. 2.", 3 * STT_SAMPLE_RATE)


@pytest.mark.parametrize(
    ("seconds", "words", "text"),
    [
        (9.0, WORDS, "1. 2. 3. 4. 5. 6. 7. eight."),
        (9.0, [], "nothing was read by updates"),
        (9.0, WORDS[:3], "1. 2. 3."),
        (9.0, [WORDS[0], WORDS[7]], "1. 8."),
        (9.0, [SaidWord(" cause.", (1,), 8.0, 1.0)], "because."),
    ],
    ids=[
        "it ends with other words",
        "no words",
        "none near the end",
        "a long silence between words",
        "a part of a word",
    ],
)
def test_there_is_no_tail(seconds: float, words: list[SaidWord], text: str) -> None:
    assert tail_of(loud(seconds), words, text, "a", 0, LONG) is None
