"""Rows go to the replica with the least work, in seconds."""

import asyncio
import importlib.util
import pickle
from collections import Counter
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

if importlib.util.find_spec("ray") is None:
    pytest.skip("requirements-ray.txt is not installed", allow_module_level=True)

from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata
from ray.serve.config import RequestRouterConfig

from src.cluster import known
from src.cluster import replicas as serve_replicas
from src.cluster.replicas import ServeReplicas
from src.cluster.router import ShortestQueue
from src.engines.base import Load
from src.engines.remote import ReplicaLost, ReplicaStatus, RowCall
from src.errors import EngineFailed
from tests.support.eventually import eventually

pytestmark = pytest.mark.anyio
NAMES = ("one", "two", "three")


def replica(name: str) -> Any:
    return SimpleNamespace(replica_id=SimpleNamespace(unique_id=name))


REPLICAS = [replica(name) for name in NAMES]


class Call:
    """A row on its way, as Ray hands it to a router."""

    def __init__(self, number: int, seconds: float) -> None:
        self.args = [RowCall("utter", (), "r", "me", seconds)]
        self.metadata = SimpleNamespace(internal_request_id=str(number), request_id=f"request-{number}")
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
    known.note_status({"one": 40.0, "two": 20.0}, set(), set())
    try:
        assert [await route(made, Call(number, 10)) for number in range(2)] == ["three", "three"]
        assert await route(made, Call(2, 10)) in ("two", "three")
    finally:
        known.note_status({}, set(NAMES), set())


async def test_many_processes_do_not_send_their_rows_to_the_same_of_many_replicas() -> None:
    names = [f"replica-{number}" for number in range(100)]
    many = [replica(name) for name in names]
    busy = dict.fromkeys(names[2:50], 10.0) | dict.fromkeys(names[50:], 40.0)
    known.note_status(busy, set(), {"replica-1"})
    chosen: Counter[str] = Counter()
    try:
        for process in range(200):
            ranks = await router().choose_replicas(many, Call(process, 5))
            ranked = [rank[0].replica_id.unique_id for rank in ranks]
            assert len(set(ranked)) == 16 and "replica-1" not in ranked
            chosen[ranked[0]] += 1
    finally:
        known.note_status({}, set(names), set())
    assert chosen["replica-0"] < 40, "it has nothing to do, as all of them know"
    assert sum(chosen[name] for name in names[50:]) < 100, "of two replicas, the one with less to do"


async def test_what_others_have_sent_counts_in_the_router_that_ray_makes() -> None:
    """Ray sends the class by value: its methods have variables of their own."""
    config = RequestRouterConfig(request_router_class="src.cluster.router:ShortestQueue")
    received = pickle.loads(config.get_serialized_request_router_cls())
    made: Any = received.__new__(received)
    made.initialize_state()
    known.note_status({"one": 40.0, "two": 20.0}, set(), {"three"})
    try:
        call = Call(1, 10)
        assert await route(made, call) == "two"
        assert known.replica_of("request-1") == "two"
        made.on_request_completed(SimpleNamespace(unique_id="two"), "1")
        assert known.replica_of("request-1") is None
    finally:
        known.note_status({}, set(NAMES), set())


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


class Handle:
    """A handle of Ray whose replicas answer when they are told to."""

    deployment_name = "SpeechToText"

    def __init__(self) -> None:
        self.answers: list[ReplicaStatus] = []
        self.waiting: list[asyncio.Future[Any]] = []
        self.by_grpc: list[bool] = []
        self.cancelled = 0

    def options(self, *, _by_reference: bool = True, **_: Any) -> Any:
        return SimpleNamespace(remote=partial(self.remote, not _by_reference))

    def remote(self, by_grpc: bool, row: RowCall) -> Any:
        self.by_grpc.append(by_grpc)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        handle, number = self, len(self.waiting)

        class Response:
            request_id = f"request-{number}"

            def __await__(self) -> Any:
                return answer.__await__()

            def cancel(self) -> None:
                handle.cancelled += 1

        return Response()


class Polled(ServeReplicas):
    """Replicas whose status is what the handle says."""

    async def _results(self, method: str) -> Any:
        async def get_async(answer: Any) -> Any:
            return answer

        handle: Any = self._handle
        return [SimpleNamespace(get_async=partial(get_async, answer)) for answer in handle.answers]


@pytest.fixture
def polled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(serve_replicas, "_SILENT_SECONDS", 0.05)
    monkeypatch.setitem(known._running, "SpeechToText", frozenset(NAMES))
    handle: Any = Handle()
    yield Polled(handle)
    known.note_status({}, set(NAMES), set())


async def test_short_rows_go_by_grpc_and_long_ones_by_ray_s_own_calls(polled: Any) -> None:
    rows = [polled.call(RowCall("transcribe", (), "r", "me", seconds)) for seconds in (0.5, 30.5, 31.1, 60.0)]
    asked = [asyncio.create_task(row) for row in rows]
    await asyncio.sleep(0)
    assert polled._handle.by_grpc == [True, True, False, False]
    for answer in polled._handle.waiting:
        answer.set_result("text")
    assert await asyncio.gather(*asked) == ["text"] * 4


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (AioRpcError(StatusCode.CANCELLED, Metadata(), Metadata(), "it stops"), ReplicaLost),
        (ValueError("of the engine, as gRPC brings it"), EngineFailed),
    ],
    ids=["the connection", "the engine"],
)
async def test_what_breaks_a_row_that_went_by_grpc(
    polled: Any, raised: Exception, seen: type[Exception]
) -> None:
    row = asyncio.create_task(polled.call(RowCall("transcribe", (), "r", "me", 1.0)))
    await asyncio.sleep(0)
    polled._handle.waiting[0].set_exception(raised)
    with pytest.raises(seen):
        await row


async def test_an_answer_too_large_for_grpc_comes_by_ray_s_own_call(polled: Any) -> None:
    row = asyncio.create_task(polled.call(RowCall("utter", (), "r", "me", 1.0)))
    await asyncio.sleep(0)
    polled._handle.waiting[0].set_exception(
        AioRpcError(StatusCode.RESOURCE_EXHAUSTED, Metadata(), Metadata(), "larger than max (5 vs. 4)")
    )
    await eventually(lambda: len(polled._handle.waiting) == 2)
    assert polled._handle.by_grpc == [True, False]
    polled._handle.waiting[1].set_result("speech")
    assert await row == "speech"


def busy(name: str, seconds: float) -> ReplicaStatus:
    return ReplicaStatus(name, Load(waiting=1, active=1, stalled_for=0.0), {"another process": seconds})


async def sent_to_one(polled: Any) -> "asyncio.Task[Any]":
    """A row that the router has sent to the first replica."""
    row = asyncio.create_task(polled.call(RowCall("utter", (), "r", "me", 5)))
    await asyncio.sleep(0)
    router()._count(Call(1, 5), "one", 5)
    return row


async def polled_after_silence(polled: Any, times: int) -> None:
    """Poll when a replica that has not answered since is silent for longer than it may be."""
    await asyncio.sleep(0.06)
    for _ in range(times):
        await polled.status()
    await asyncio.sleep(0)


async def test_a_replica_that_misses_a_poll_does_not_pass_for_idle(
    polled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = router()
    polled._handle.answers = [busy("one", 40.0)]
    await polled.status()
    polled._handle.answers = []
    for poll in range(2):
        await polled.status()
        assert await route(made, Call(poll, 10)) != "one"
    monkeypatch.setitem(known._running, "SpeechToText", frozenset({"two", "three"}))
    await polled.status()
    assert await route(made, Call(3, 1)) == "one", "it is forgotten now"


async def test_rows_of_a_replica_that_hangs_are_given_up_and_it_gets_no_more(polled: Any) -> None:
    made, handle = router(), polled._handle
    handle.answers = [busy("one", 0.0), busy("two", 500.0)]
    await polled.status()
    rows = [asyncio.create_task(polled.call(RowCall("utter", (), "r", "me", 5))) for _ in range(3)]
    patient = asyncio.create_task(polled.call(RowCall("utter", (), "r", "me", 5), patient=True))
    await asyncio.sleep(0)
    for number, name in ((1, "one"), (2, "two"), (3, "three"), (4, "one")):
        made._count(Call(number, 5), name, 5)
    handle.answers = [busy("two", 500.0)]
    await polled_after_silence(polled, 3)
    assert not rows[0].done(), "three polls may be a pause of this process"
    await polled.status()
    with pytest.raises(ReplicaLost, match="no sign of life"):
        await rows[0]
    assert handle.cancelled == 1, "it may still be alive, and should not work on for nobody"
    # the second answers; the third has never answered, and is only starting
    assert not rows[1].done() and not rows[2].done() and not patient.done()
    for number in range(5, 20):
        assert await route(made, Call(number, 1)) != "one"
    handle.answers = [busy("one", 0.0), busy("two", 500.0)]
    await polled.status()
    made._seconds.clear()
    assert await route(made, Call(20, 1)) in ("one", "three"), "it is back"
    for answer in handle.waiting:
        if not answer.done():
            answer.set_result("done")
    assert await asyncio.gather(*rows[1:], patient) == ["done"] * 3
    assert polled._limits == {}


async def test_no_replica_is_given_up_while_none_answers(polled: Any) -> None:
    handle = polled._handle
    handle.answers = [busy("one", 0.0)]
    await polled.status()
    row = await sent_to_one(polled)
    handle.answers = []
    await polled_after_silence(polled, 6)
    assert not row.done()
    handle.waiting[0].set_result("done")
    assert await row == "done"


async def test_a_row_that_a_stopping_replica_finishes_is_not_given_up(
    polled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = polled._handle
    handle.answers = [busy("one", 0.0), busy("two", 0.0)]
    await polled.status()
    row = await sent_to_one(polled)
    # Ray sends it no more rows, and no questions either
    monkeypatch.setitem(known._running, "SpeechToText", frozenset({"two"}))
    handle.answers = [busy("two", 0.0)]
    await polled_after_silence(polled, 6)
    assert not row.done()
    handle.waiting[0].set_result("done")
    assert await row == "done"
