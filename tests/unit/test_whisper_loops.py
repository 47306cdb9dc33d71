"""What a decoder that goes round in a loop wrote beyond what fits into the time, in any script."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from src.engines.whisper.loop.logit_filter import LogitFilter
from src.engines.whisper.loop.search import BeamSearch, Sampling
from src.engines.whisper.loops import is_endless, without_excess
from src.engines.whisper.quality_check import too_fast
from src.engines.whisper.row import Alignment

TIMES = 1000
WORDS = {1: " Hello.", 2: " Good", 3: "-bye.", 4: " Thank", 5: " you.", 6: "你好"}


def text_of(tokens: Sequence[int]) -> str:
    return "".join(WORDS[token] for token in tokens if token < TIMES)


def cut(tokens: Sequence[int], seconds: float, alignment: Alignment | None = None) -> tuple[int, ...]:
    return without_excess(tuple(tokens), alignment, seconds, TIMES, text_of)[0]


@pytest.mark.parametrize("phrase", [[2, 3], [6], [2, 3, 4, 5]])
@pytest.mark.parametrize("seconds", [2.0, 5.0, 13.0])
def test_only_rounds_that_fit_are_left(phrase: list[int], seconds: float) -> None:
    left = cut(phrase * 200, seconds)
    assert not too_fast(text_of(left), seconds)
    assert too_fast(text_of([*left, *phrase]), seconds)
    assert len(left) % len(phrase) == 0


def test_what_stands_before_and_after_the_loop_stays() -> None:
    tokens = [TIMES, 1, TIMES + 50, *[TIMES + 50, 2, 3, TIMES + 60] * 60, TIMES + 60, 4, 5, TIMES + 100]
    left = cut(tokens, 3.0)
    said = [token for token in left if token < TIMES]
    assert said[0] == 1
    assert said[-2:] == [4, 5]
    assert 4 <= said.count(2) < 20
    assert left[-1] == TIMES + 100


def test_what_can_have_been_said_stays() -> None:
    assert cut([2, 3] * 15, 13.0) == (2, 3) * 15
    assert cut([1, 4, 5] * 3, 1.0) == (1, 4, 5) * 3  # too fast, but not a loop


def test_the_alignment_loses_the_same_tokens() -> None:
    tokens = [1, *[2, 3] * 60, 4]
    alignment = Alignment(
        tuple((index, index * 2) for index in range(len(tokens) + 1)),
        tuple(index / 200 for index in range(122)),
    )
    left, aligned = without_excess(tuple(tokens), alignment, 3.0, TIMES, text_of)
    assert aligned is not None
    assert len(aligned.probabilities) == len(left)
    assert aligned.probabilities[-1] == 121 / 200
    assert [token for token, _ in aligned.pairs] == list(range(len(left) + 1))
    assert aligned.pairs[-2] == (len(left) - 1, 242)


def test_a_loop_that_nobody_can_say_is_seen_while_it_is_written() -> None:
    assert not is_endless([2, 3] * 26, 3.0, TIMES)  # 52 tokens of 54
    assert is_endless([2, 3] * 27, 3.0, TIMES)
    assert is_endless([1, 4, 5, *[6] * 54], 3.0, TIMES)
    assert is_endless([*[TIMES + 1, 2, 3, TIMES + 2] * 27], 3.0, TIMES)
    assert not is_endless([*[2, 3] * 27, 4], 3.0, TIMES)
    assert not is_endless(list(range(500)), 3.0, TIMES)


END, SIZE = 7, 1664


class _FirstTokens(LogitFilter):
    """Finds the likeliest tokens, and asks no vocabulary what is allowed."""

    def __init__(self) -> None:
        """There is nothing to keep."""


def _written(search: BeamSearch | Sampling, token: int) -> tuple[int, float]:
    """Steps until a search ends that is offered one token again and again, and the length of its text."""
    logprobs = np.full((1, SIZE), -20.0, np.float32)
    logprobs[0, token] = 0.0
    steps = 1
    while search.advance(np.repeat(logprobs, len(search.texts), 0)):
        steps += 1
    return steps, len(search.result.tokens)


def test_a_search_ends_as_soon_as_its_text_is_endless() -> None:
    endless = partial(is_endless, duration=3.0, first_timestamp=TIMES)
    assert _written(BeamSearch(_FirstTokens(), 5, 200, END), 2)[0] == 200
    assert _written(BeamSearch(_FirstTokens(), 5, 200, END, endless), 2) == (55, 55)
    assert _written(Sampling(0.2, 5, 200, END), 2)[0] == 200
    assert _written(Sampling(0.2, 5, 200, END, endless), 2) == (55, 55)
