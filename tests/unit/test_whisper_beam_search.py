"""A beam search that begins with one hypothesis, on log-probabilities made by hand."""

import numpy as np
import pytest

from src.engines.kernels import Rows
from src.engines.whisper.loop.logit_filter import Candidates
from src.engines.whisper.loop.search import BeamSearch, Rival

END, TIME = 8, 9
SURE = {1: 0.9, 2: 0.05, 3: 0.03, 4: 0.01, 5: 0.005, 6: 0.005}
DOUBTFUL = {1: 0.5, 2: 0.4, 3: 0.05, 4: 0.03, 5: 0.01, 6: 0.01}
DOUBTFUL_TIME = {TIME: 0.5, TIME + 1: 0.49, 1: 0.01}
ENDING = {END: 0.99, 1: 0.01}


class Filter:
    """Finds the candidates as `LogitFilter` does, for a vocabulary of twelve tokens."""

    def top_k(self, logprobs: Rows, k: int) -> Candidates:
        order = np.argsort(-logprobs, axis=1, kind="stable")[:, :k]
        return Candidates(np.take_along_axis(logprobs, order, 1).tolist(), order.tolist())


def search(*, opens_late: bool) -> BeamSearch:
    return BeamSearch(Filter(), 3, 20, END, opens_late=opens_late)  # type: ignore[arg-type]


def advance(one: BeamSearch, shares: dict[int, float]) -> list[int]:
    line = np.full(12, 1e-6, np.float32)
    line[list(shares)] = list(shares.values())
    return one.advance(np.log(np.repeat(line[None], len(one.texts), 0)))


@pytest.mark.parametrize("opens_late", [True, False])
def test_the_first_doubtful_word_opens_it(opens_late: bool) -> None:
    one = search(opens_late=opens_late)
    assert advance(one, SURE) == ([0] if opens_late else [0, 0, 0])
    assert advance(one, SURE) == ([0] if opens_late else [0, 0, 1])
    assert one.is_narrow is opens_late
    assert len(advance(one, DOUBTFUL)) == 3
    assert not one.is_narrow
    assert len(advance(one, SURE)) == 3  # it stays open


def test_the_hypotheses_of_a_late_beam_continue_the_first_one() -> None:
    one = search(opens_late=True)
    advance(one, SURE)
    assert advance(one, DOUBTFUL) == [0, 0, 0]
    assert one.texts == [[1, 1], [1, 2], [1, 3]]


def test_a_doubtful_time_does_not_open_it() -> None:
    one = search(opens_late=True)
    advance(one, SURE)
    assert advance(one, DOUBTFUL_TIME) == [0]
    assert one.is_narrow


def test_a_doubtful_begin_opens_it() -> None:
    one = search(opens_late=True)
    assert len(advance(one, {TIME: 0.6, TIME + 1: 0.35, 1: 0.05})) == 3
    assert not one.is_narrow


def test_a_sure_text_ends_with_its_first_hypothesis() -> None:
    one = search(opens_late=True)
    advance(one, SURE)
    assert advance(one, ENDING) == []
    assert one.result.tokens == [1]
    assert one.result.logprob == pytest.approx(np.log(0.9) + np.log(0.99), abs=1e-4)
    assert one.is_narrow


def test_an_end_in_doubt_is_taken_where_it_is_the_likeliest() -> None:
    one = search(opens_late=True)
    advance(one, SURE)
    assert advance(one, {END: 0.55, 1: 0.45}) == []
    assert one.result.tokens == [1]


@pytest.mark.parametrize(("goes_on", "result"), [(0.29, [1, 3, 4, 5]), (0.2, [1])], ids=["nearly", "less"])
def test_a_text_that_breaks_off_gives_way_to_one_that_goes_on_and_is_as_likely(
    goes_on: float, result: list[int]
) -> None:
    one = BeamSearch(Filter(), 2, 20, END)  # type: ignore[arg-type]
    advance(one, {1: 0.9, 2: 1e-5})
    advance(one, {END: 0.5, 3: 0.49})
    advance(one, {4: goes_on})
    advance(one, {5: goes_on})
    assert advance(one, ENDING) == []
    assert one.result.tokens == result


def test_a_text_that_cannot_be_likelier_than_its_rival_ends() -> None:
    rival = Rival(logprob=-0.5, tokens=3)
    one = BeamSearch(Filter(), 3, 20, END, rival=rival)  # type: ignore[arg-type]
    advance(one, DOUBTFUL)
    assert len(advance(one, {1: 0.2, 2: 0.2, 3: 0.2})) == 3  # -2.3 may still become -0.58 of four
    assert advance(one, SURE) == []
    assert one.result.logprob / (len(one.result.tokens) + 1) < rival.logprob


@pytest.mark.parametrize(("rival", "goes_on"), [(-0.3, False), (-0.9, True)])
def test_a_text_that_may_be_likelier_than_its_rival_is_searched_to_its_end(
    rival: float, goes_on: bool
) -> None:
    one = BeamSearch(Filter(), 3, 20, END, rival=Rival(rival, 4))  # type: ignore[arg-type]
    steps = 1
    while steps < 6 and advance(one, DOUBTFUL):
        steps += 1
    assert (steps == 6) is goes_on
    if goes_on:
        assert len(one.texts[0]) == 5


def test_a_text_longer_than_expected_is_measured_by_its_own_length() -> None:
    assert not Rival(-0.5, 4).is_out_of_reach(-2.4, 3)
    assert Rival(-0.5, 4).is_out_of_reach(-2.6, 3)
    assert not Rival(-0.5, 4).is_out_of_reach(-5.4, 9)
    assert Rival(-0.5, 4).is_out_of_reach(-5.6, 9)
