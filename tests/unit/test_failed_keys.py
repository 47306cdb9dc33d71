"""Whoever guesses keys is slowed down; whoever has one is not locked out by others."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from limits import parse
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from src.access import failed_keys
from src.access.failed_keys import FailedKeys
from src.api.middleware import KeyCheck, RequestLog, UnreadBody
from src.api.policy import route_policies
from src.core.security import ApiKeys
from tests.support.server import RunningServer, serve


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


@contextmanager
def running(limit: str) -> Iterator[RunningServer]:
    app = Starlette(
        routes=[Route("/hello", hello), Route("/health/live", hello)],
        middleware=[
            Middleware(RequestLog, policies=route_policies()),
            Middleware(UnreadBody),
            Middleware(
                KeyCheck,
                keys=ApiKeys([SecretStr("right"), SecretStr("other")]),
                failed=FailedKeys(parse(limit)),
            ),
        ],
    )
    with serve(app) as server:
        yield server


def statuses(server: RunningServer, *keys: str | None, forwarded: str | None = None) -> list[int]:
    with server.client(None) as client:
        found = []
        for key in keys:
            headers = {"X-API-Key": key} if key is not None else {}
            if forwarded:
                headers["X-Forwarded-For"] = forwarded
            found.append(client.get("/hello", headers=headers).status_code)
    return found


def test_after_some_wrong_keys_even_a_right_one_is_not_looked_at() -> None:
    with running("3/minute") as server:
        assert statuses(server, *["wrong"] * 4, "right") == [401, 401, 401, 429, 429]
        with server.client(None) as client:
            refused = client.get("/hello", headers={"X-API-Key": "wrong"})
            assert client.get("/health/live").status_code == 200
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["type"] == "urn:voz:rate-limited"


def test_a_key_that_was_right_here_before_stays_welcome() -> None:
    with running("3/minute") as server:
        assert statuses(server, "right", *["wrong"] * 4, "right", "other") == [
            200, 401, 401, 401, 429, 200, 429,
        ]  # fmt: skip


def test_a_missing_key_is_no_guess() -> None:
    with running("1/minute") as server:
        assert statuses(server, *[None] * 5, "right") == [401] * 5 + [200]


@pytest.mark.slow
def test_it_ends_with_the_window() -> None:
    with running("1 per 4 seconds") as server:
        assert statuses(server, "wrong", "wrong") == [401, 429]
        time.sleep(4.1)
        assert statuses(server, "right") == [200]


def test_behind_a_proxy_the_address_is_the_caller_s() -> None:
    assert uvicorn.Config("x").proxy_headers
    with running("2/minute") as server:
        assert statuses(server, *["wrong"] * 3, forwarded="203.0.113.7") == [401, 401, 429]
        assert statuses(server, "right", forwarded="203.0.113.8") == [200]


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("", "", True),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(one: str, two: str, same: bool) -> None:
    failed = FailedKeys(parse("1/minute"))
    assert failed.wait(one, None) == 0
    assert (failed.wait(two, None) > 0) is same


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_keys, "_MAX_ADDRESSES", 50)
    failed = FailedKeys(parse("2/minute"))
    for number in range(500):
        failed.wait(f"10.0.{number // 250}.{number % 250}", None)
        failed.wait(f"10.1.{number // 250}.{number % 250}", "a key")
    assert failed._counters is not None
    assert len(failed._counters.storage) <= 50
    assert len(failed._welcome) <= 50


def test_nothing_is_counted_without_a_limit() -> None:
    failed = FailedKeys(None)
    assert [failed.wait("203.0.113.7", None) for _ in range(100)] == [0] * 100
