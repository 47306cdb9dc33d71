"""Where tokens of growing audio are said: one that looks elsewhere, and a decoder that begins again."""

import pytest

from src.engines.whisper.loop.decode_state import _repeated, _repeats
from src.engines.whisper.words import _without_strays


@pytest.mark.parametrize(
    ("positions", "again"),
    [
        ([10], False),
        ([10, 30, 55, 90], False),
        ([160, 175, 180, 320, 190], False),  # the first word of a sentence looked at the end of the audio
        ([160, 175, 180, 320, 190, 205], False),
        ([245, 250, 260, 20], True),
        ([10, 30, 55, 90, 120, 12], True),
        ([10, 30, 55, 90, 62], False),
    ],
)
def test_a_decoder_that_goes_back_to_what_it_read_repeats_itself(positions: list[int], again: bool) -> None:
    assert _repeats(positions) is again


@pytest.mark.parametrize(
    ("words", "positions", "again"),
    [
        ([" to", " come", " to", " come"], [10, 30, 12, 33], 2),
        ([" well", " to", " come", " to", " come"], [5, 10, 30, 20, 40], 2),
        ([" to", " come", " to", " come"], [10, 30, 40, 60], 0),  # it was said twice
        ([" to", " come", " to", " go"], [10, 30, 12, 33], 0),
        ([" 5", " 5", " 5"], [10, 14, 18], 0),
        ([" Miss", "iss", "iss"], [10, 14, 17], 0),  # syllables of one word
        ([" Miss", "iss", "iss"], [10, 18, 17], 0),
        ([" no", ".", "."], [10, 14, 13], 0),
        ([" -", " -"], [10, 9], 0),
    ],
)
def test_words_that_come_again_sooner_than_anyone_says_them_are_a_loop(
    words: list[str], positions: list[int], again: int
) -> None:
    known = sorted(set(words))
    tokens = [known.index(word) for word in words]
    assert _repeated(tokens, positions, lambda some: "".join(known[token] for token in some)) == again


@pytest.mark.parametrize(
    ("positions", "right"),
    [
        ([], []),
        ([10, 30, 55], [10, 30, 55]),
        ([320, 190, 205], [190, 190, 205]),
        ([180, 320, 190, 205], [180, 190, 190, 205]),
        ([245, 250, 20, 35], [245, 250, 20, 35]),  # it begins again: these are no strays
    ],
)
def test_a_token_that_looks_ahead_is_said_with_the_next_one(positions: list[int], right: list[int]) -> None:
    assert _without_strays(positions) == right
