"""What Prometheus is told: by requests, batchers, storage, and by several workers at once."""

import asyncio
import logging
import multiprocessing
import pickle
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import StreamingResponse
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.middleware import Middleware

from src.api import errors
from src.api import metrics as api
from src.api.middleware import KeyCheck, RequestLog
from src.api.policy import Direction, RoutePolicies, RoutePolicy, route_policies
from src.api.sse import event_stream
from src.api.streaming import Stream, stream_response
from src.core.security import ApiKeys
from src.engines.base import EngineInfo, Load
from src.errors import EngineFailed, Overloaded, StorageUnavailable
from src.observability import metrics
from src.observability.metrics import BatchMetrics
from src.observability.telemetry import annotate
from src.scheduling.admission import AdmissionController
from src.scheduling.batcher import Batcher
from src.storage.local import LocalStorage
from src.storage.measured import MeasuredStorage
from tests.support import metrics_worker
from tests.support.server import RunningServer, serve


class Numbers:
    """Samples of an exposition by name and labels."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in families for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def now() -> Numbers:
    return Numbers(metrics.exposition().decode())


class Engine:
    info = EngineInfo("toy", "toy-1", "cpu", "int8", ("en",))
    load = Load(waiting=3, active=2, stalled_for=1.5)


def services() -> Any:
    names = ("stt_admission", "tts_admission", "jobs_admission", "live_admission")
    admissions = {name: AdmissionController(name, 7, 60) for name in names}
    models = SimpleNamespace(stt=Engine(), tts=Engine(), replica_metrics=dict)
    return SimpleNamespace(models=models, **admissions)


router = APIRouter(prefix="/tts")


@router.get("/{name}")
async def speak(name: str) -> str:
    if name == "full":
        raise Overloaded("full")
    if name == "broken":
        raise RuntimeError("a bug")
    annotate(audio_seconds=2.0, cached=name == "again")
    return name


@router.get("/breaks-off/{kind}")
async def break_off(request: Request, kind: str) -> StreamingResponse:
    failure = {"bug": RuntimeError("a bug"), "full": Overloaded("full")}.get(kind, EngineFailed("no voice"))

    async def events() -> AsyncGenerator[tuple[str, dict[str, str]], None]:
        yield "segment", {"text": "one"}
        raise failure

    async def audio() -> AsyncGenerator[bytes, None]:
        yield b"one"
        raise failure

    if kind == "events":
        return await event_stream(request, events())
    return await stream_response(request, audio(), _written)


async def _written(stream: Stream[bytes]) -> AsyncIterator[bytes]:
    async for item in stream:
        yield item


@contextmanager
def running(public: bool = False) -> Iterator[RunningServer]:
    policies = RoutePolicies(
        {
            "/tts/*": RoutePolicy(direction=Direction.OUT),
            "/metrics": route_policies(metrics_public=public).at("/metrics"),
        }
    )
    app = FastAPI(
        middleware=[
            Middleware(RequestLog, policies=policies),
            Middleware(KeyCheck, keys=ApiKeys([SecretStr("k")])),
        ]
    )
    errors.install(app)
    app.include_router(router)
    app.include_router(api.router)
    app.state.services = services()
    with serve(app) as server:
        yield server


def test_requests_are_counted_by_route_status_and_key() -> None:
    before = now()
    with running() as server, server.client("k") as client:
        for name in ("one", "two", "again", "full", "broken"):
            client.get(f"/tts/{name}")
        client.get("/tts/one", headers={"X-API-Key": "wrong"})
        client.request("PROPFIND", "/nowhere/at/all")
        after = Numbers(client.get("/metrics").text)

    def grown(name: str, **labels: str) -> float:
        return after(name, **labels) - before(name, **labels)

    assert grown("voz_requests_total", method="GET", route="/tts/{name}", status="200") == 3
    assert grown("voz_request_seconds_count", route="/tts/{name}", status="200") == 3
    assert grown("voz_requests_total", method="GET", route="none", status="401", key="none") == 1
    assert grown("voz_requests_total", method="other", route="none", status="404") == 1
    assert grown("voz_errors_total", route="/tts/{name}", type="overloaded") == 1
    assert grown("voz_errors_total", route="/tts/{name}", type="internal") == 1
    assert grown("voz_errors_total", type="unauthorized") == 1
    assert grown("voz_shed_requests_total", reason="overloaded") == 1
    assert grown("voz_audio_seconds_total", direction="out") == pytest.approx(6)
    assert grown("voz_real_time_factor_count", direction="out") == 2
    assert grown("voz_tts_cache_total", result="hit") == 1
    assert grown("voz_tts_cache_total", result="miss") == 2
    name = str(ApiKeys([SecretStr("k")]).name_of("k"))
    assert grown("voz_audio_seconds_total", key=name) == pytest.approx(6)
    assert grown("voz_requests_total", route="/tts/{name}", key=name) == 5
    assert not any("nowhere" in value for sample in after.samples for value in sample.labels.values())


@pytest.mark.parametrize(
    ("kind", "problem", "status"),
    [
        ("audio", "engine-failed", "500"),
        ("events", "engine-failed", "500"),
        ("bug", "internal", "500"),
        ("full", "overloaded", "503"),
    ],
)
def test_a_stream_that_breaks_off_is_no_success(
    kind: str, problem: str, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What was sent began with 200, but numbers and log say what it came to."""
    before = now()
    route = "/tts/breaks-off/{kind}"
    with (
        running() as server,
        server.client("k") as client,
        caplog.at_level(logging.INFO, "voz.request"),
        client.stream("GET", f"/tts/breaks-off/{kind}") as answer,
    ):
        assert answer.status_code == 200
        if kind == "events":
            assert f"urn:voz:{problem}" in answer.read().decode()
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()
    after = now()  # the server has stopped, so the request has been counted

    def grown(name: str, **labels: str) -> float:
        return after(name, **labels) - before(name, **labels)

    assert grown("voz_errors_total", route=route, type=problem) == 1
    assert grown("voz_requests_total", route=route, status=status) == 1
    assert grown("voz_requests_total", route=route, status="200") == 0
    [line] = [record for record in caplog.records if record.getMessage() == f"GET {route} 200"]
    facts = vars(line)
    assert (facts["broken_off"], facts["problem"]) == (True, problem)
    assert line.levelno == (logging.INFO if status == "503" else logging.ERROR)


def test_the_state_of_engines_gates_and_the_process_is_told() -> None:
    with running() as server, server.client("k") as client:
        answer = client.get("/metrics")
        numbers = Numbers(answer.text)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert numbers("voz_queue_rows", engine="toy", state="waiting") == 3
    assert numbers("voz_queue_rows", engine="toy", state="active") == 2
    assert numbers("voz_progress_age_seconds", engine="toy") == 1.5
    assert numbers("voz_stall_limit_seconds", engine="toy") == 60
    assert numbers("voz_engine_up", engine="toy") == 1
    assert numbers("voz_engine_info", task="stt", model="toy-1", device="cpu", compute_type="int8") == 1
    assert numbers("voz_gate_limit", gate="stt_admission") == 7
    assert numbers("voz_process_resident_bytes") > 10_000_000
    assert numbers("voz_process_open_descriptors") > 3


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic k"}, 401),
        ({"Authorization": "Bearer k"}, 200),
        ({"authorization": "bearer k"}, 200),
        ({"X-API-Key": "k"}, 200),
        ({"X-API-Key": "wrong", "Authorization": "Bearer k"}, 401),
    ],
)
def test_the_numbers_are_behind_a_key(headers: dict[str, str], status: int) -> None:
    with running() as server, server.client(None) as client:
        assert client.get("/metrics", headers=headers).status_code == status
        assert client.get("/tts/one", headers={"Authorization": "Bearer k"}).status_code == 401


def test_the_numbers_may_be_public() -> None:
    with running(public=True) as server, server.client(None) as client:
        assert client.get("/metrics").status_code == 200
        assert client.get("/tts/one").status_code == 401


class Doubler:
    def __init__(self) -> None:
        self._rows: dict[int, int] = {}
        self.may_step = threading.Event()
        self.may_step.set()

    def open(self) -> None: ...

    def admit(self, waiting: Sequence[int]) -> Sequence[int]:
        return range(len(waiting))

    def add(self, job_id: int, row: int) -> None:
        self._rows[job_id] = row

    def step(self) -> Iterable[tuple[int, int | Exception]]:
        self.may_step.wait(30)
        ended = [(job_id, 2 * row if row else EngineFailed("zero")) for job_id, row in self._rows.items()]
        self._rows.clear()
        return ended

    def remove(self, job_id: int) -> None:
        self._rows.pop(job_id)

    def clear(self) -> None:
        self._rows.clear()

    def close(self) -> None: ...


def test_batchers_tell_what_they_do() -> None:
    async def main() -> None:
        doubler = Doubler()
        async with Batcher(doubler, "doubler", observers=[BatchMetrics()]) as batcher:
            rows = [batcher.submit(row, request_id=str(row)) for row in (1, 2, 0)]
            assert (await asyncio.gather(*rows, return_exceptions=True))[:2] == [2, 4]
            batcher.retried()
            doubler.may_step.clear()
            left = asyncio.create_task(batcher.submit(1, request_id="0"))
            await asyncio.sleep(0)
            left.cancel()
            await asyncio.gather(left, return_exceptions=True)
            doubler.may_step.set()

    before = now()
    asyncio.run(main())
    after = now()
    outcomes = {
        outcome: after("voz_rows_total", engine="doubler", outcome=outcome)
        - before("voz_rows_total", engine="doubler", outcome=outcome)
        for outcome in ("done", "failed", "left")
    }
    assert after("voz_retried_rows_total", engine="doubler") >= 1
    assert outcomes == {"done": 2, "failed": 1, "left": 1}
    assert after("voz_queue_seconds_count", engine="doubler") >= 3
    assert after("voz_batch_rows_sum", engine="doubler") >= 3
    assert after("voz_engine_seconds_total", engine="doubler") > 0


def test_storage_is_timed_without_the_wait_for_audio(tmp_path: Path) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.4)
            yield b"x"

    async def main() -> None:
        async with LocalStorage(tmp_path) as local, MeasuredStorage(local) as storage:
            assert await storage.put("a.wav", slow(), "audio/wav") == 3
            assert await storage.get("a.wav") == b"xxx"
            assert (await storage.url("a.wav", 60)).startswith("/files/a.wav")
            await storage.check()
            await storage.delete("a.wav")

    before = now()
    asyncio.run(main())
    after = now()
    for operation in ("put", "get", "url", "check", "delete"):
        labels = {"storage": "local", "operation": operation, "outcome": "ok"}
        name = "voz_storage_seconds_count"
        assert after(name, **labels) - before(name, **labels) == 1
    put = {"operation": "put", "outcome": "ok"}
    spent = after("voz_storage_seconds_sum", **put) - before("voz_storage_seconds_sum", **put)
    assert 0 < spent < 1.2  # which is what was waited for the audio


def test_storage_fails_by_its_own_fault_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a folder should be")

    async def whole() -> AsyncIterator[bytes]:
        yield b"x"

    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise EngineFailed("no more audio")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    async def main() -> None:
        async with LocalStorage(tmp_path) as local, MeasuredStorage(local) as storage:
            with pytest.raises(StorageUnavailable):
                await storage.put("file/a.wav", whole(), "audio/wav")
            with pytest.raises(EngineFailed):
                await storage.put("b.wav", broken(), "audio/wav")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await storage.put("c.wav", endless(), "audio/wav")

    before = now()
    asyncio.run(main())
    after = now()
    put = {"storage": "local", "operation": "put"}
    grown = {
        outcome: after("voz_storage_seconds_count", **put, outcome=outcome)
        - before("voz_storage_seconds_count", **put, outcome=outcome)
        for outcome in ("ok", "failed", "left")
    }
    assert grown == {"ok": 0, "failed": 1, "left": 2}


def test_workers_are_added_up_and_the_dead_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    context = multiprocessing.get_context("spawn")
    workers = []
    for waiting in (2, 5):
        mine, theirs = context.Pipe()
        worker = context.Process(target=metrics_worker.work, args=(waiting, theirs))
        worker.start()
        workers.append((worker, mine))
        assert mine.recv() == "ready"

    def ask(index: int) -> Numbers:
        workers[index][1].send("tell")
        return Numbers(workers[index][1].recv())

    for both in (ask(0), ask(1)):
        assert both("voz_storage_seconds_count", operation="put") == 2
        assert both("voz_queue_rows", engine="whisper", state="waiting") == 7
        assert both("voz_retried_rows_total", engine="whisper") == 2
        assert both("voz_engine_up", engine="whisper") == 0, "one of the two does not move"
        pids = {
            sample.labels["pid"] for sample in both.samples if sample.name == "voz_process_resident_bytes"
        }
        assert pids == {str(worker.pid) for worker, _ in workers}
    workers[0][0].kill()
    workers[0][0].join()
    left = ask(1)
    assert left("voz_storage_seconds_count", operation="put") == 2
    assert left("voz_queue_rows", engine="whisper", state="waiting") == 5
    workers[1][1].send("end")
    workers[1][0].join()
    assert list(tmp_path.iterdir()) == []


def test_the_metrics_of_replicas_stand_beside_our_own() -> None:
    metrics.BatchMetrics().started("reader", 0.2)
    metrics.engine_state("reader", 3, 2, 0.0, 60.0, up=True)
    theirs = metrics.engine_families()
    assert {family.name for family in theirs} >= {"voz_queue_seconds", "voz_queue_rows", "voz_engine_up"}
    assert "voz_requests" not in {family.name for family in theirs}, "requests are not counted there"
    text = metrics.exposition(lambda: {"abc": pickle.loads(pickle.dumps(theirs)), "def": theirs}).decode()
    assert text.count("# TYPE voz_queue_rows gauge") == 1
    for replica in ("abc", "def"):
        assert f'voz_queue_rows{{engine="reader",replica="{replica}",state="waiting"}} 3.0' in text
        assert f'voz_queue_seconds_bucket{{engine="reader",le="0.25",replica="{replica}"}}' in text
    list(text_string_to_metric_families(text))
