"""The text before a chunk, and the chunks that are read with it."""

import pytest

from src.services.transcription.preceding import LAG, ChunkText, Context, PrecedingText


def texts(count: int) -> PrecedingText:
    """So many chunks of 10 s, each with ten letters."""
    found = PrecedingText()
    for number in range(count):
        found.add(ChunkText(f"{number:010}", 10.0, -0.3))
    return found


def test_it_ends_where_no_chunk_is_in_work() -> None:
    found = texts(40)
    assert found.of(0) is None
    assert found.of(LAG) is None
    assert found.of(LAG + 2) == Context(f"{0:010} {1:010}", 1.0)
    assert texts(4).of(LAG + 2) == found.of(LAG + 2)  # however many are read already


def test_a_doubtful_text_is_none() -> None:
    found = PrecedingText()
    found.add(ChunkText("", 10.0, -0.3))
    assert found.of(LAG + 1) is None
    found.add(ChunkText("what is sure", 6.0, -0.3))
    assert found.of(LAG + 2) == Context("what is sure", 2.0)


def test_only_the_last_letters_count() -> None:
    found = PrecedingText()
    for number in range(40):
        found.add(ChunkText(f"{number:0400}", 30.0, -0.3))
    before = found.of(40)
    assert before is not None
    assert len(before.text) == 1_500
    assert before.text.endswith(f" {39 - LAG:0400}")


def test_text_that_was_read_surely_is_none() -> None:
    found = PrecedingText()
    found.add(ChunkText("a" * 100, 10.0, -0.05))
    assert found.of(LAG + 1) is None
    found.add(ChunkText("b" * 200, 10.0, -0.3))
    assert found.of(LAG + 2) is not None


@pytest.mark.parametrize(
    ("letters", "seconds", "short"), [(160, 10.0, False), (159, 10.0, True), (0, 10.0, True), (0, 4.0, False)]
)
def test_a_text_with_fewer_letters_a_second_leaves_words_out(
    letters: int, seconds: float, short: bool
) -> None:
    assert Context("before", 20.0).is_short("x" * letters, seconds) is short
