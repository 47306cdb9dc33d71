"""Work stops when its caller leaves: for plain handlers and for streams, over a real socket."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from src.api import errors
from src.api.disconnect import while_connected
from src.api.middleware import RequestLog
from src.api.policy import route_policies
from src.api.sse import event_stream
from src.api.streaming import Stream, stream_response
from src.errors import EngineFailed
from src.scheduling.admission import AdmissionController
from tests.support.server import serve


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait (bounded) for something that happens soon."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, f"never saw: {what}"
        time.sleep(0.01)


class Work:
    """Holds a place for as long as it goes on."""

    def __init__(self) -> None:
        self.admission = AdmissionController("test", 10, timeout=60)
        self.ended = 0

    async def plain(self) -> str:
        async with self.admission.enter():
            try:
                await asyncio.sleep(60)
            finally:
                self.ended += 1
        return "never"

    async def stream(self) -> AsyncGenerator[bytes, None]:
        async with self.admission.enter():
            try:
                while True:
                    yield b"x" * 100
                    await asyncio.sleep(0.01)
            finally:
                self.ended += 1


async def write(stream: Stream[bytes]) -> AsyncIterator[bytes]:
    async for item in stream:
        yield item


def make_app(work: Work) -> FastAPI:
    app = FastAPI()
    app.add_middleware(RequestLog, policies=route_policies())
    errors.install(app)

    @app.get("/plain")
    async def plain(request: Request) -> str:
        return await while_connected(request, work.plain())

    @app.get("/stream")
    async def stream(request: Request) -> StreamingResponse:
        return await stream_response(request, work.stream(), write)

    @app.get("/fails-first")
    async def fails_first(request: Request) -> StreamingResponse:
        async def source() -> AsyncGenerator[bytes, None]:
            raise EngineFailed("sentence 1 could not be spoken")
            yield b""

        return await stream_response(request, source(), write)

    @app.get("/events")
    async def events(request: Request) -> StreamingResponse:
        async def source() -> AsyncGenerator[tuple[str, dict[str, str]], None]:
            yield "segment", {"text": "one"}
            raise EngineFailed("the engine failed")

        return await event_stream(request, source())

    return app


def test_a_client_that_leaves_a_stream_frees_its_place() -> None:
    work = Work()
    with serve(make_app(work)) as server, server.client(timeout=10) as client:
        for round_ in range(1, 6):
            with client.stream("GET", "/stream") as answer:
                assert next(answer.iter_bytes())
            until(lambda: work.admission.in_flight == 0, "the place came back")
            assert work.ended == round_


def test_a_client_that_gives_up_waiting_frees_its_place() -> None:
    work = Work()
    with serve(make_app(work)) as server, server.client(timeout=0.2) as client:
        for round_ in range(1, 6):
            with pytest.raises(httpx.ReadTimeout):
                client.get("/plain")
            # on a busy machine the client may leave before its work has begun
            until(lambda count=round_: work.ended == count, "the work ended")  # type: ignore[misc]
            until(lambda: work.admission.in_flight == 0, "the place came back")


def test_a_stream_that_fails_at_once_has_its_own_status() -> None:
    with serve(make_app(Work())) as server, server.client() as client:
        answer = client.get("/fails-first")
    assert answer.status_code == 500
    assert answer.json()["detail"] == "sentence 1 could not be spoken"


def test_events_that_break_off_end_with_an_error_event() -> None:
    with serve(make_app(Work())) as server, server.client() as client:
        body = client.get("/events").text
    first, last, rest = body.split("\n\n")
    assert first == 'event: segment\ndata: {"text": "one"}'
    assert last.startswith("event: error\ndata: {")
    assert '"status":500' in last.replace(" ", "")
    assert rest == ""


def test_a_stream_whose_body_never_begins_is_closed() -> None:
    async def main() -> None:
        work = Work()
        stream = Stream(work.stream())
        await stream.arrives()
        assert work.admission.in_flight == 1
        await stream.close()
        assert (work.admission.in_flight, work.ended) == (0, 1)

    asyncio.run(main())


def test_a_time_out_of_the_work_is_no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither before the first item, which has a timeout of its own, nor between two."""
    monkeypatch.setattr("src.api.sse.HEARTBEAT_SECONDS", 0.2)
    app = FastAPI()
    app.add_middleware(RequestLog, policies=route_policies())
    errors.install(app)

    @app.get("/times-out/{after}")
    async def times_out(request: Request, after: int) -> StreamingResponse:
        async def source() -> AsyncGenerator[tuple[str, dict[str, str]], None]:
            for number in range(after):
                yield "segment", {"text": str(number)}
            raise TimeoutError("storage did not answer")

        return await event_stream(request, source())

    with serve(app) as server, server.client(timeout=5) as client:
        first = client.get("/times-out/0")
        assert first.status_code == 500
        assert first.json()["type"] == "urn:voz:internal"
        later = client.get("/times-out/1").text
    assert later.count("event: segment") == 1
    assert later.count("event: error") == 1
    assert not any(line.startswith(":") for line in later.splitlines()), "a heartbeat"


def test_a_heartbeat_keeps_a_silent_stream_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.api.sse.HEARTBEAT_SECONDS", 0.05)
    app = FastAPI()
    app.add_middleware(RequestLog, policies=route_policies())

    @app.get("/slow")
    async def slow(request: Request) -> StreamingResponse:
        async def source() -> AsyncGenerator[tuple[str, dict[str, str]], None]:
            await asyncio.sleep(0.3)
            yield "done", {"text": "whole"}

        return await event_stream(request, source())

    with serve(app) as server, server.client() as client:
        body = client.get("/slow").text
    assert body.count(": ping\n\n") >= 2
    assert body.endswith('event: done\ndata: {"text": "whole"}\n\n')
