"""Spoken words find back to what was written."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.services.text import to_speech
from src.services.text.written import origins
from src.services.word_times import times_of


def words(text: str, language: str) -> list[tuple[str, str]]:
    """Each written word with the spoken words that it has wholly or in part."""
    found = []
    for piece in to_speech(text, language, timed=True):
        spoken = piece.text.split()
        for word in piece.written:
            last = max(int(word.start) + 1, -int(-word.end // 1))
            found.append((word.text, " ".join(spoken[int(word.start) : last]).strip(".,?!¿¡")))
    return found


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "Dr.=Doctor Smith=Smith paid=paid $5.=five_dollars"),
        ("es", "El=El Sr.=señor Gil=Gil pagó=pagó 5=cinco €.=euros"),
        ("en", "Open=Open abc.com=abc_dot_com it's=it's “good”=good 😀=grinning_face"),
        ("en", "$5=five million=million_dollars on=on May=May 5,=fifth 2024=twenty_twenty-four"),
        ("es", "¿Vale?=Vale Pesa=Pesa 3=tres kg.=kilos"),
        ("en", "**very**=very [good](https://voz.com)=good &amp;=and café=cafe"),
    ],
)
def test_words_are_as_they_were_written(language: str, expected: str) -> None:
    pairs = [(written, said.replace("_", " ")) for written, said in (p.split("=") for p in expected.split())]
    text = " ".join(written for written, _ in pairs)
    assert words(text, language) == pairs


def test_each_word_of_many_sentences_is_there_once_and_in_order() -> None:
    text = " ".join(f"In {1900 + n} Mr. Lee sold {n} cars for ${n}.50, wasn't it?" for n in range(60))
    written = [word.text for piece in to_speech(text, "en", timed=True) for word in piece.written]
    assert written == text.split()


def test_a_long_text_takes_a_second_at_most() -> None:
    text = "On May 5, 2024 we paid $5 for 12 km — see www.voz.com. " * 90
    start = time.thread_time()
    to_speech(text, "en")
    plain = time.thread_time() - start
    start = time.thread_time()
    to_speech(text, "en", timed=True)
    assert time.thread_time() - start < 3 * plain + 1.0


@given(st.text(max_size=80))
def test_any_text_has_words_in_order(text: str) -> None:
    try:
        pieces = to_speech(text, "es", timed=True)
    except ValueError:
        return
    except Exception as error:
        assert type(error).__name__ == "InvalidInput"
        return
    written = [word.text for piece in pieces for word in piece.written]
    remaining = iter(text.split())
    assert all(word in remaining for word in written)
    for piece in pieces:
        count = len(piece.text.split())
        assert all(0 <= word.start <= word.end <= count for word in piece.written)


def test_origins_of_what_is_not_changed_are_its_own() -> None:
    assert [list(each) for each in origins("a b", "a b")] == [[0], [1], [2]]
    assert list(origins("one two three four", "one 2 three four")[4]) == [4, 5, 6]


def test_times_end_with_the_word_and_not_with_the_pause_behind_it_and_follow_the_speed() -> None:
    [piece] = to_speech("It cost $5.", "en", timed=True)
    spans = [(0.1, 0.2), (0.3, 0.5), (0.8, 1.0), (1.0, 1.4)]
    slow = times_of(piece, spans, begin=2.0, speed=1.0)
    assert [(word.word, word.start, word.end) for word in slow] == [
        ("It", 2.1, 2.2), ("cost", 2.3, 2.5), ("$5.", 2.8, 3.4),
    ]  # fmt: skip
    fast = times_of(piece, spans, begin=1.0, speed=2.0)
    assert [(word.start, word.end) for word in fast] == [(1.05, 1.1), (1.15, 1.25), (1.4, 1.7)]
