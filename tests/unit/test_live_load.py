"""What live sessions cost, how many fit, and what happens when they lag. The clock is a number."""

import numpy as np
import pytest

from src.engines.base import Audio, EngineInfo, PartialTranscript, SttOptions
from src.errors import EngineFailed, Overloaded
from src.scheduling.live_admission import LiveAdmission
from src.scheduling.live_load import INTERVAL, MAX_INTERVAL, MAX_LAG, Cost, LiveLoad
from src.services.live.cost import update_seconds

CHEAP, DEAR = Cost(update=0.02, rest=0.01), Cost(update=0.2, rest=0.1)


def speak(load: LiveLoad, seconds: float, cost: Cost, *, took: float = 0.05, lag: float = 0.1) -> None:
    """A session of so many seconds in which somebody always speaks, with an update a second."""
    for now in range(round(seconds)):
        load.received(1.0)
        load.updated(cost.update, 1.0, took, INTERVAL, lag, float(now))
        load.completed(cost.rest)


def test_more_sessions_fit_where_they_cost_less() -> None:
    cheap, dear = LiveLoad(lambda: 2, CHEAP), LiveLoad(lambda: 2, DEAR)
    assert cheap.most_sessions > 4 * dear.most_sessions
    assert LiveLoad(lambda: 4, CHEAP).most_sessions >= 2 * cheap.most_sessions
    assert LiveLoad(lambda: 0.01, DEAR).most_sessions == 1, "one may always try"


def test_what_is_measured_replaces_what_was_assumed() -> None:
    load = LiveLoad(lambda: 2, CHEAP)
    before = load.most_sessions
    speak(load, 30, DEAR)
    between = load.most_sessions
    speak(load, 900, DEAR)
    assert before > between > load.most_sessions
    assert load.cost.update == pytest.approx(DEAR.update, rel=0.02)
    assert load.cost.rest == pytest.approx(DEAR.rest, rel=0.02)
    assert load.cost.share == pytest.approx(1.0, rel=0.02)


def test_silence_makes_sessions_cheaper() -> None:
    load = LiveLoad(lambda: 2, DEAR)
    before = load.most_sessions
    load.received(600.0)
    assert load.most_sessions > 4 * before


def test_hours_of_silence_do_not_make_sessions_free() -> None:
    load = LiveLoad(lambda: 2, DEAR)
    most = load.most_sessions
    for _ in range(30 * 3600):
        load.received(1.0)
    assert load.most_sessions < 10 * most
    assert load.cost.update == pytest.approx(DEAR.update)
    speak(load, 900, DEAR)
    assert load.most_sessions <= most, "and what is measured counts again"


def test_final_texts_alone_are_measured_too() -> None:
    load = LiveLoad(lambda: 2, CHEAP)
    for _ in range(3600):
        load.received(1.0)
        load.completed(DEAR.rest)
    assert load.cost.rest == pytest.approx(DEAR.rest, rel=0.02)


def test_the_interval_widens_with_those_who_speak_before_anything_lags() -> None:
    load = LiveLoad(lambda: 2, DEAR)
    load.sessions = 10
    intervals = []
    for load.speaking in range(1, 11):
        intervals.append(load.interval(INTERVAL))
    assert intervals[0] == INTERVAL
    assert intervals == sorted(intervals)
    assert intervals[-1] > 3 * INTERVAL
    used = sum(DEAR.update / intervals[-1] + DEAR.rest for _ in range(10))
    assert used < 2, "all of them together leave some of the engine"
    assert load.interval(5.0) == 5.0, "nobody is updated more often than he asks for"


def test_the_interval_has_an_end() -> None:
    load = LiveLoad(lambda: 1, DEAR)
    load.sessions = load.speaking = 100
    assert load.interval(INTERVAL) == MAX_INTERVAL


def test_other_work_widens_the_interval_and_its_end_narrows_it() -> None:
    load = LiveLoad(lambda: 8, CHEAP)
    load.sessions = load.speaking = 1
    speak(load, 20, CHEAP, took=1.0)
    wide = load.interval(INTERVAL)
    assert wide > 2 * INTERVAL
    load.refused()
    assert load.interval(INTERVAL) > wide
    speak(load, 200, CHEAP, took=0.05)
    assert load.interval(INTERVAL) == INTERVAL


def test_lag_is_a_mean_that_fades() -> None:
    load = LiveLoad(lambda: 2)
    for _ in range(40):
        load.updated(0.1, 1.0, 0.1, INTERVAL, 4.0, 100.0)
    assert load.lag(100.0) == pytest.approx(4.0, abs=0.1)
    assert load.strained(100.0)
    assert load.lag(130.0) < 0.3
    assert not load.strained(130.0)


def test_nobody_is_admitted_while_sessions_lag() -> None:
    now = 0.0
    load = LiveLoad(lambda: 8, CHEAP)
    admission = LiveAdmission(load, None, 60, clock=lambda: now)
    place = admission.admit()
    for _ in range(40):
        load.updated(0.1, 1.0, 0.1, INTERVAL, 2 * MAX_LAG, now)
    with pytest.raises(Overloaded, match="lag by") as refused:
        admission.admit()
    assert refused.value.retry_after > 0
    now = 60.0
    admission.admit().release()
    place.release()
    now = 0.0
    admission.admit().release()  # there is nobody who could lag


def test_as_many_are_admitted_as_fit() -> None:
    load = LiveLoad(lambda: 2, DEAR)
    admission = LiveAdmission(load, None, 60)
    places = [admission.admit() for _ in range(load.most_sessions)]
    with pytest.raises(Overloaded):
        admission.admit()
    for place in places:
        place.release()
    assert admission.limit == load.most_sessions
    assert LiveAdmission(load, 3, 60).limit == 3
    with pytest.raises(Overloaded):
        LiveAdmission(load, 0, 60).admit()


class Engine:
    info = EngineInfo("toy", "toy", "cpu", "float32", ("en",))

    def __init__(self, *costs: float) -> None:
        self._costs = iter(costs)

    async def transcribe_partial(
        self, audio: Audio, options: SttOptions, forced: object, request_id: str
    ) -> PartialTranscript:
        assert not np.any(audio)
        if (cost := next(self._costs)) < 0:
            raise EngineFailed("broken")
        return PartialTranscript((), "en", 1.0, cost)


@pytest.mark.anyio
async def test_the_start_value_is_measured() -> None:
    assert await update_seconds(Engine(0.3, 0.1)) == 0.1  # type: ignore[arg-type]
    assert await update_seconds(Engine(0.0, 0.0)) == Cost().update  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_an_engine_that_fails_does_not_keep_the_server_from_starting() -> None:
    assert await update_seconds(Engine(-1)) == Cost().update  # type: ignore[arg-type]
