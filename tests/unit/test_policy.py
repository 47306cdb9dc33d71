"""Route policy, and every route of the application without a key, with a wrong one and with a right one."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import APIRouter, WebSocket
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from src.api.middleware import (
    AdmitBeforeBody,
    BodyLimit,
    HeadAsGet,
    KeyCheck,
    MultipartPreamble,
    OriginCheck,
    ProxyPrefix,
    RateLimit,
    RequestLog,
    RequestTrace,
    ShutdownGuard,
    SlowBody,
    UnreadBody,
)
from src.api.middleware.base import Guard
from src.api.policy import Authentication, ErrorShape, RoutePolicies, RoutePolicy, route_policies
from src.config import Settings
from src.errors import Overloaded
from src.main import create_app
from src.observability import metrics
from tests.support.faults_engines import open_engines
from tests.support.server import KEY, RunningServer, serve

GUARDS = [
    HeadAsGet,
    ProxyPrefix, RequestLog, RequestTrace, OriginCheck, UnreadBody, SlowBody, KeyCheck, BodyLimit,
    ShutdownGuard, RateLimit, AdmitBeforeBody, MultipartPreamble,
]  # fmt: skip

live = APIRouter()


@live.websocket("/live")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while (text := await websocket.receive_text()) != "end":
        if text == "full":
            raise Overloaded("all is taken")
        if text == "bug":
            raise RuntimeError("a secret")
        await websocket.send_text(text)
    await websocket.close()


@live.websocket("/full")
async def full(websocket: WebSocket) -> None:
    raise Overloaded("all is taken")


@contextmanager
def serving(settings: Settings) -> Iterator[RunningServer]:
    app = create_app(settings, open_engines)
    app.include_router(live)
    with serve(app) as running:
        yield running


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    with serving(make_settings()) as running:
        yield running


def address(server: RunningServer, path: str) -> str:
    return server.url.replace("http", "ws", 1) + path


def headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"X-API-Key": key}


async def denial(url: str, key: str | None) -> tuple[int, Any]:
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers=headers(key), proxy=None)
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"null")


def test_the_longest_path_decides() -> None:
    table = RoutePolicies(
        {
            "/a": RoutePolicy(body_limit=1),
            "/a/*": RoutePolicy(body_limit=2),
            "/a/b/*": RoutePolicy(body_limit=3),
            "/a/b/c": RoutePolicy(body_limit=4),
        },
        RoutePolicy(body_limit=5),
    )
    paths = {"/a": 1, "/a/": 1, "/a/x": 2, "/a/b": 2, "/a/b/x": 3, "/a/b/c": 4, "/ab": 5, "/": 5, "": 5}
    assert {path: table.at(path).body_limit for path in paths} == paths


@pytest.mark.parametrize("prefix", ["/voz", "/voz/deep"])
def test_the_prefix_of_a_proxy_is_no_part_of_the_path(prefix: str) -> None:
    table = route_policies()
    for path in ("/health/ready", "/stt", "/unknown"):
        assert table.of({"path": prefix + path, "root_path": prefix}) is table.at(path)
        assert table.of({"path": path, "root_path": prefix}) is table.at(path), "the proxy took it off"
    assert table.of({"path": "/vozhealth/ready", "root_path": "/voz"}).authentication is Authentication.KEY


def test_what_the_table_does_not_name_has_the_strictest_policy() -> None:
    policy = route_policies().at("/nowhere")
    assert policy == RoutePolicy()
    assert policy.authentication is Authentication.KEY
    assert policy.rate_limited


@pytest.mark.parametrize("kind", GUARDS)
def test_a_connection_of_an_unknown_kind_passes_no_middleware(kind: type[Guard]) -> None:
    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        pytest.fail("it came in")

    guard = kind.__new__(kind)
    Guard.__init__(guard, inside)

    async def nothing(*_: Any) -> Any:
        pytest.fail("nothing is to be said to it")

    with pytest.raises(RuntimeError, match="webtransport"):
        asyncio.run(guard({"type": "webtransport", "path": "/health/live"}, nothing, nothing))


def test_the_application_has_no_other_middleware(server: RunningServer) -> None:
    assert {one.cls for one in server.app.user_middleware} <= set(GUARDS)


def test_every_route_is_behind_a_key_unless_the_table_says_otherwise(server: RunningServer) -> None:
    public = {"/", "/web/x", "/docs", "/docs/assets/x", "/openapi.json", "/asyncapi.yaml"}
    public |= {"/health/live", "/health/ready", "/files/x"}
    seen = set()
    paths = {path.replace("{key:path}", "x") for path, _ in walk(server.app.routes)} | {"/nowhere"}
    assert len(paths) > 12
    with server.client(None) as client:
        for path in paths:
            for method in ("GET", "POST", "DELETE", "PROPFIND"):
                bare = client.request(method, path)
                wrong = client.request(method, path, headers=headers("wrong-key"))
                right = client.request(method, path, headers=headers(KEY))
                assert right.status_code != 401, path
                if path in public:
                    assert 401 not in (bare.status_code, wrong.status_code), path
                    seen.add(path)
                else:
                    assert (bare.status_code, wrong.status_code) == (401, 401), (method, path)
    assert seen == public


def test_every_websocket_is_behind_a_key(server: RunningServer) -> None:
    async def main() -> None:
        for path in ("/live", "/full", "/nowhere", "/stt", "/v1/realtime"):
            for key in (None, "wrong-key", ""):
                status, body = await denial(address(server, path), key)
                assert status == 401, path
                assert (
                    body["error"]["code"] == "invalid_api_key"
                    if path.startswith("/v1")
                    else body["request_id"]
                )
        async with connect(address(server, "/live"), additional_headers=headers(KEY), proxy=None) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"
            await socket.send("end")
        bearer = {"Authorization": f"Bearer {KEY}"}
        async with connect(address(server, "/v1/realtime"), additional_headers=bearer, proxy=None) as socket:
            assert json.loads(await socket.recv())["type"] == "session.created"
        # here the key may come in the first message, so only a wrong one is refused before
        status, _ = await denial(address(server, "/stt/live"), "wrong-key")
        assert status == 401
        for first in ("{}", '{"api_key": "wrong-key"}', "no JSON"):
            async with connect(address(server, "/stt/live"), proxy=None) as socket:
                await socket.send(first)
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
                assert socket.close_code == 1008

    asyncio.run(main())


def test_a_websocket_is_logged_counted_and_told_its_id(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> str:
        async with connect(address(server, "/live"), additional_headers=headers(KEY), proxy=None) as socket:
            await socket.send("end")
            await socket.wait_closed()
            assert socket.response is not None
            return str(socket.response.headers["x-request-id"])

    with caplog.at_level(logging.INFO, "voz.request"):
        request_id = asyncio.run(main())
        asyncio.run(denial(address(server, "/live?secret=word"), None))
        end = time.monotonic() + 10
        while "WEBSOCKET /live 401" not in caplog.text:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert "secret" not in caplog.text
    assert {record.levelname for record in caplog.records} == {"INFO"}
    lines = [record for record in caplog.records if record.name == "voz.request"]
    assert [line.getMessage() for line in lines] == ["WEBSOCKET /live 101", "WEBSOCKET /live 401"]
    assert lines[0].__dict__["request_id"] == request_id
    assert lines[0].__dict__["key"].startswith("key-")
    text = metrics.exposition().decode()
    assert 'voz_requests_total{key="none",method="WEBSOCKET",route="none",status="401"}' in text
    assert 'method="WEBSOCKET",route="/live",status="101"}' in text


def test_errors_of_a_websocket_have_their_codes(server: RunningServer) -> None:
    async def code(word: str) -> tuple[int, str]:
        async with connect(address(server, "/live"), additional_headers=headers(KEY), proxy=None) as socket:
            await socket.send(word)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            return closed.value.rcvd.code, closed.value.rcvd.reason

    async def main() -> None:
        assert await code("full") == (1013, "all is taken")
        found, reason = await code("bug")
        assert found == 1011
        assert "secret" not in reason
        status, body = await denial(address(server, "/full"), KEY)
        assert (status, body["type"]) == (503, "urn:voz:overloaded")

    asyncio.run(main())


def test_a_stopping_server_ends_its_websockets_and_takes_no_new_ones(
    make_settings: Callable[..., Settings],
) -> None:
    async def main(server: RunningServer) -> None:
        shutdown = server.app.state.services.shutdown
        url = address(server, "/live")
        async with connect(url, additional_headers=headers(KEY), proxy=None) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"
            shutdown.refusing = True
            status, body = await denial(url, KEY)
            assert (status, body["detail"]) == (503, "the server is stopping")
            await socket.send("still there")
            assert await socket.recv() == "still there"
            [task] = shutdown._requests
            shutdown._cut.add(task)
            task.get_loop().call_soon_threadsafe(task.cancel)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
        assert not shutdown._requests

    with serving(make_settings()) as server:
        asyncio.run(main(server))


def test_openai_s_clients_get_errors_in_their_shape(server: RunningServer) -> None:
    with server.client(None) as client:
        refused = client.get("/v1/models")
        missing = client.get("/v1/nowhere", headers={"Authorization": f"Bearer {KEY}"})
    assert route_policies().at("/v1/nowhere").errors is ErrorShape.OPENAI
    assert refused.status_code == 401
    assert refused.json()["error"]["type"] == "authentication_error"
    assert missing.status_code == 404
    assert missing.json() == {
        "error": {"message": "Not Found", "type": "invalid_request_error", "param": None, "code": "not_found"}
    }


def test_the_document_says_which_routes_need_a_key(server: RunningServer) -> None:
    with server.client(None) as client:
        document = client.get("/openapi.json").json()
    needs = {
        path: [next(iter(way)) for way in operation.get("security", [])]
        for path, operations in document["paths"].items()
        for operation in operations.values()
    }
    assert needs["/stt"] == needs["/tts"] == needs["/metrics"] == ["ApiKey"]
    assert needs["/health/ready"] == needs["/files/{key}"] == []
    assert set(document["components"]["securitySchemes"]) == {"ApiKey"}


def walk(routes: Any) -> Iterator[tuple[str, Any]]:
    for route in routes:
        if isinstance(route, Mount):
            yield route.path + "/x", route
        elif hasattr(route, "path"):
            yield route.path, route
        else:
            yield from walk(route.original_router.routes)
