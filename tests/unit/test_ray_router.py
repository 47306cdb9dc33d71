"""Rows go to the replica with the least work, in seconds."""

import asyncio
import importlib.util
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

if importlib.util.find_spec("ray") is None:
    pytest.skip("requirements-ray.txt is not installed", allow_module_level=True)

from src.cluster import replicas as serve_replicas
from src.cluster.replicas import ServeReplicas
from src.cluster.router import ShortestQueue, note_others
from src.engines.base import Load
from src.engines.remote import ReplicaStatus, RowCall

pytestmark = pytest.mark.anyio
NAMES = ("one", "two", "three")


def replica(name: str) -> Any:
    return SimpleNamespace(replica_id=SimpleNamespace(unique_id=name))


REPLICAS = [replica(name) for name in NAMES]


class Call:
    """A row on its way, as Ray hands it to a router."""

    def __init__(self, number: int, seconds: float) -> None:
        self.args = [RowCall("utter", (), "r", "me", seconds)]
        self.metadata = SimpleNamespace(internal_request_id=str(number))
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


def router() -> Any:
    made = ShortestQueue.__new__(ShortestQueue)  # Ray's own part needs a cluster
    made.initialize_state()
    return made


async def route(made: Any, call: Call) -> str:
    ranks = await made.choose_replicas(REPLICAS, call)
    assert sorted(rank[0].replica_id.unique_id for rank in ranks) == sorted(NAMES)
    name: str = ranks[0][0].replica_id.unique_id
    return name


async def test_long_rows_do_not_pile_up_on_one_replica() -> None:
    made = router()
    seconds: Counter[str] = Counter()
    lengths = [30.0] * 6 + [1.0] * 60
    for number, length in enumerate(lengths):
        seconds[await route(made, Call(number, length))] += round(length)
    assert max(seconds.values()) - min(seconds.values()) <= 30
    assert set(seconds) == set(NAMES)


async def test_rows_that_are_routed_at_once_choose_different_replicas() -> None:
    made = router()
    assert {await route(made, Call(number, 5)) for number in range(3)} == set(NAMES)


async def test_what_others_have_sent_counts() -> None:
    made = router()
    note_others({"one": 40.0, "two": 20.0}, set())
    try:
        assert [await route(made, Call(number, 10)) for number in range(2)] == ["three", "three"]
        assert await route(made, Call(2, 10)) in ("two", "three")
    finally:
        note_others({}, set(NAMES))


async def test_a_row_counts_for_the_replica_that_took_it_until_it_ends() -> None:
    made = router()
    call = Call(1, 30)
    first = await route(made, call)
    other = next(name for name in NAMES if name != first)
    made.on_request_routed(call, SimpleNamespace(unique_id=other), None)
    # the first choice was full: it has nothing to do now
    assert {await route(made, Call(number, 5)) for number in (2, 3)} == set(NAMES) - {other}
    made.on_request_completed(SimpleNamespace(unique_id=first), "1")
    assert made._seconds[other] == 30, "the first choice had refused it; it is at work elsewhere"
    for number in (1, 2, 3):
        made.on_request_completed(SimpleNamespace(unique_id=other), str(number))
    assert made._seconds == {} == made._sent


async def test_a_row_that_ends_before_ray_says_where_it_went_counts_no_more() -> None:
    made = router()
    call = Call(1, 30)
    taker = SimpleNamespace(unique_id=await route(made, call))
    made.on_request_completed(taker, "1")
    made.on_request_routed(call, taker, None)
    assert made._seconds == {} == made._sent


async def test_a_row_that_has_found_its_replica_is_not_counted_for_another() -> None:
    made = router()
    call = Call(1, 30)
    call.future.set_result(REPLICAS[0])
    await route(made, call)
    assert made._seconds == {}


async def test_a_caller_who_leaves_before_the_row_is_routed_counts_no_more() -> None:
    made = router()
    call = Call(1, 30)
    await route(made, call)
    call.future.cancel()
    await asyncio.sleep(0)
    assert made._seconds == {}


async def test_a_replica_that_misses_a_poll_does_not_pass_for_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve_replicas, "_MISSED", 3)
    busy = ReplicaStatus("one", Load(waiting=1, active=1, stalled_for=0.0), {"another process": 40.0})
    answers = [busy]

    class Polled(ServeReplicas):
        def __init__(self) -> None:
            self._missed = {}
            self.source = "me"

        async def _ask(self, method: str) -> list[Any]:
            return answers

    polled, made = Polled(), router()
    await polled.status()
    answers.clear()
    try:
        for poll in range(2):
            await polled.status()
            assert await route(made, Call(poll, 10)) != "one"
        await polled.status()
        assert await route(made, Call(3, 1)) == "one", "it is forgotten now"
    finally:
        note_others({}, set(NAMES))
