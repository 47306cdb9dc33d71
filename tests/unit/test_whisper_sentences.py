"""Texts without timestamps: where they are cut into segments."""

import pytest

from src.engines.whisper.sentences import sentences
from src.engines.whisper.words import TimedWord


def timed(*said: tuple[str, float, float]) -> list[TimedWord]:
    """Words of one token each: text, start and end in seconds."""
    return [TimedWord(text, 1, start, end, 1.0) for text, start, end in said]


def cut(words: list[TimedWord], duration: float = 30.0) -> list[tuple[str, float, float]]:
    """Text, start and end of each segment."""
    found = sentences(range(len(words)), words, duration)
    assert [token for span in found for token in span.tokens] == list(range(len(words)))
    return [("".join(words[token].text for token in span.tokens), span.start, span.end) for span in found]


def test_a_sentence_is_a_segment() -> None:
    words = timed((" It", 0.2, 0.5), (" rains.", 0.5, 1.4), (" We", 1.7, 2.0), (" stay?", 2.0, 3.1))
    assert cut(words) == [(" It rains.", 0.2, 1.4), (" We stay?", 1.7, 3.1)]


def test_an_abbreviation_and_a_short_sentence_end_none() -> None:
    words = timed((" No.", 0.0, 0.4), (" Ask", 0.7, 1.1), (" Sr.", 1.1, 1.5), (" Mora.", 1.54, 2.0))
    assert cut(words) == [(" No. Ask Sr. Mora.", 0.0, 2.0)]


def test_a_pause_ends_a_segment_without_a_mark() -> None:
    words = timed((" one", 0.0, 0.3), (" two", 1.4, 1.8))
    assert cut(words) == [(" one", 0.0, 0.3), (" two", 1.4, 1.8)]


def test_a_segment_ends_when_its_mark_does() -> None:
    words = timed((" It", 0.0, 0.4), (" rains.", 0.4, 1.1), (" We", 1.7, 2.0))
    words[1].end_of_mark = 1.6
    assert cut(words)[0] == (" It rains.", 0.0, 1.6)


@pytest.mark.parametrize(("mark", "at"), [("", 9), (",", 6)], ids=["longest gap", "mark"])
def test_a_long_sentence_is_cut_where_its_words_are_furthest_apart(mark: str, at: int) -> None:
    ends = {8: 8.6}
    words = timed(*((f" {index}", float(index), ends.get(index, index + 0.9)) for index in range(15)))
    words[5].text += mark
    first, second = cut(words)
    assert second[1] == at
    assert first[2] == words[at - 1].end


def test_without_times_the_text_is_one_segment() -> None:
    [span] = sentences([1, 2, 3], [], 12.0)
    assert (span.start, span.end, span.tokens) == (0.0, 12.0, (1, 2, 3))


def test_times_end_with_the_row() -> None:
    [(_, start, end)] = cut(timed((" late", 12.2, 12.9)), 12.0)
    assert (start, end) == (12.0, 12.0)
