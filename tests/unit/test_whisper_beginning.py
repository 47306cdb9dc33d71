"""A text that begins with words that were told, and goes on as another reading does."""

import pytest

from src.engines.whisper.loop.beginning import Word, with_beginning


def words(text: str) -> list[Word]:
    """Words, of which each has one token that stands for it alone; marks are words of their own."""
    return [(f" {one}", (sum(one.encode()) * 100 + len(one),)) for one in text.split()]


@pytest.mark.parametrize(
    ("told", "found", "expected"),
    [
        ("the town", "the tone is here .", "the town is here ."),
        ("an identified caller", "unidentified caller is calling", "an identified caller is calling"),
        ("please hold", "please , hole the line", "please hold the line"),
        ("I am", "hello , I am here", "I am here"),
        ("and so it", "so it goes", "and so it goes"),
        ("one two three", "one four two three five", "one two three five"),
        ("yes", "no", "yes"),
        ("one two", "one", "one two"),
        ("goes on and", "says", "goes on and"),
    ],
)
def test_it_has_the_words_that_were_told_and_what_follows_them(told: str, found: str, expected: str) -> None:
    tokens = tuple(token for _, one in words(expected) for token in one)
    assert with_beginning(words(told), words(found)) == tokens


@pytest.mark.parametrize("told", ["", "so", "so it", "So, it", "so it goes ."])
def test_a_text_that_begins_with_what_was_told_needs_no_other_one(told: str) -> None:
    assert with_beginning(words(told), words("So , it goes .")) is None
