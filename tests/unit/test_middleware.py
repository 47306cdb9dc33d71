"""Ids, the log line, unread bodies and the key, each on a tiny app behind a real socket."""

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from src.api.middleware import KeyCheck, RequestLog, UnreadBody
from src.api.policy import route_policies
from src.core.security import ApiKeys
from src.observability.telemetry import annotate
from tests.support.server import RunningServer, serve


async def hello(request: Request) -> PlainTextResponse:
    annotate(audio_seconds=1.5)
    return PlainTextResponse("hello")


async def size(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def broken(request: Request) -> PlainTextResponse:
    raise RuntimeError("a bug with a secret in it")


async def breaks_midway(request: Request) -> StreamingResponse:
    async def body() -> Any:
        yield "first"
        raise RuntimeError("midway")

    return StreamingResponse(body())


@contextmanager
def running() -> Iterator[RunningServer]:
    app = Starlette(
        routes=[
            Route("/hello", hello),
            Route("/size", size, methods=["POST"]),
            Route("/broken", broken),
            Route("/midway", breaks_midway),
            Route("/health/live", hello),
        ],
        middleware=[
            Middleware(RequestLog, policies=route_policies()),
            Middleware(UnreadBody),
            Middleware(KeyCheck, keys=ApiKeys([SecretStr("k")])),
        ],
    )
    with serve(app) as server:
        yield server


def test_every_answer_has_an_id_and_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    with running() as server, server.client("k") as client, caplog.at_level(logging.DEBUG, "voz.request"):
        given = client.get("/hello", headers={"X-Request-ID": "mine-1"})
        made = client.get("/hello")
        refused = client.get("/hello", headers={"X-Request-ID": "no spaces, please"})
    assert given.headers["x-request-id"] == "mine-1"
    assert len({made.headers["x-request-id"], refused.headers["x-request-id"], "mine-1"}) == 3
    lines = [record for record in caplog.records if record.name == "voz.request"]
    assert [(line.levelname, line.getMessage()) for line in lines] == [("INFO", "GET /hello 200")] * 3
    assert lines[0].__dict__["audio_seconds"] == 1.5
    assert lines[0].__dict__["ms"] >= 0
    assert lines[0].__dict__["key"].startswith("key-")


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("wrong", 401), ("", 401), ("k", 200)])
def test_the_key_opens(key: str | None, status: int) -> None:
    with running() as server, server.client(None) as client:
        answer = client.get("/hello", headers={} if key is None else {"X-API-Key": key})
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_an_unknown_path_forges_no_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    with running() as server, server.client("k") as client, caplog.at_level(logging.INFO, "voz.request"):
        assert client.get("/none%0AINFO%20all%20is%20well/" + "x" * 5000).status_code == 404
    [line] = [record for record in caplog.records if record.name == "voz.request"]
    assert "\n" not in line.getMessage()
    assert len(line.getMessage()) < 200


def test_public_routes_need_no_key() -> None:
    with running() as server, server.client(None) as client:
        assert client.get("/health/live").status_code == 200
        assert client.get("/healthy").status_code == 401


def test_a_bug_is_answered_without_its_text_and_logged_with_it(caplog: pytest.LogCaptureFixture) -> None:
    with running() as server, server.client("k") as client:
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "a bug with a secret in it" in caplog.text


def test_an_answer_that_breaks_midway_cannot_pass_for_whole() -> None:
    with running() as server, server.client("k") as client, pytest.raises(httpx.RemoteProtocolError):
        client.get("/midway")


@pytest.mark.slow
def test_a_stranger_s_large_upload_is_refused_before_it_is_sent() -> None:
    head = b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\n"
    with running() as server, socket.create_connection(server.url[7:].split(":"), timeout=20) as connection:  # type: ignore[arg-type]
        connection.sendall(head)
        received = b""
        while chunk := connection.recv(65536):  # ends only because the server closes the connection
            received += chunk
    status, _, body = received.partition(b"\r\n\r\n")
    assert b" 401 " in status.splitlines()[0]
    assert b"connection: close" in status.lower()
    assert json.loads(body)["status"] == 401


def test_a_refused_client_that_sends_on_still_gets_its_answer() -> None:
    with running() as server, server.client(None) as client:
        for _ in range(5):
            assert client.post("/size", content=b"x" * 3_000_000).status_code == 401


def test_a_read_body_keeps_the_connection() -> None:
    with running() as server, server.client("k") as client:
        answer = client.post("/size", content=b"x" * 100_000)
    assert answer.text == "100000"
    assert answer.headers.get("connection") != "close"
