"""What stands behind compose's profile `proxy`: a real Caddy with the project's configuration."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from tests.support.caddy import caddy_before
from tests.support.server import serve

GAP = 1.0


async def stream(_: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            yield f"{number}\n".encode()
            await anyio.sleep(GAP)

    return StreamingResponse(parts())


async def headers(request: Request) -> JSONResponse:
    return JSONResponse(dict(request.headers))


async def size(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(sum([len(part) async for part in request.stream()])))


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    routes = [Route("/stream", stream), Route("/headers", headers), Route("/size", size, methods=["POST"])]
    with (
        serve(Starlette(routes=[*routes, WebSocketRoute("/echo", echo)])) as server,
        caddy_before(server.url, tmp_path_factory.mktemp("caddy")) as address,
    ):
        yield address


def test_answers_are_not_held_back(proxy: str) -> None:
    with httpx.stream("GET", f"{proxy}/stream") as answer:
        times = [(line, time.monotonic()) for line in answer.iter_lines()]
    assert [line for line, _ in times] == ["0", "1", "2"]
    assert times[-1][1] - times[0][1] > GAP / 2, "they came one by one"


def test_the_server_learns_who_calls(proxy: str) -> None:
    seen = httpx.get(f"{proxy}/headers", headers={"X-Forwarded-For": "203.0.113.9"}).json()
    assert seen["x-forwarded-for"] == "127.0.0.1", "a caller cannot claim to be another"
    assert seen["x-forwarded-proto"] == "http"
    assert seen["host"] == proxy.removeprefix("http://")


def test_a_large_upload_passes(proxy: str) -> None:
    assert httpx.post(f"{proxy}/size", content=b"a" * 30_000_000, timeout=60).text == "30000000"


def test_live_sockets_pass(proxy: str) -> None:
    with connect(proxy.replace("http", "ws") + "/echo") as socket:
        socket.send("hello")
        assert socket.recv() == "hello"


def test_a_server_that_is_about_to_start_is_waited_for(tmp_path: Path) -> None:
    with serve(Starlette(routes=[Route("/headers", headers)])) as server:
        url = server.url
    with caddy_before(url, tmp_path) as address:
        begun = time.monotonic()
        assert httpx.get(f"{address}/headers", timeout=60).status_code == 502
        assert time.monotonic() - begun > 4, "it asked again and again"
