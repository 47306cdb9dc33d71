"""Limits a key: how they are written, how they are counted, and what callers are told."""

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from src.access.rate_limits import Counters, RateLimiter, parse_limits
from src.api.middleware import KeyCheck, RateLimit, RequestLog, UnreadBody
from src.api.policy import route_policies
from src.api.usage import metered
from src.core.security import ApiKeys
from src.errors import EngineFailed
from src.services.usage import Usage
from tests.support import rate_limited
from tests.support.server import RunningServer, serve


async def speech(request: Request) -> PlainTextResponse:
    with metered(request) as meter:
        meter.add(Usage(audio_seconds=float(request.query_params.get("seconds", 0))))
        if "fails" in request.query_params:
            raise EngineFailed("no")
    return PlainTextResponse("done")


@contextmanager
def running(limit: str, folder: Path | None = None) -> Iterator[RunningServer]:
    app = Starlette(
        routes=[Route("/tts", speech), Route("/metrics", speech), Route("/health/live", speech)],
        middleware=[
            Middleware(RequestLog, policies=route_policies()),
            Middleware(UnreadBody),
            Middleware(KeyCheck, keys=ApiKeys([SecretStr("k"), SecretStr("other")])),
            Middleware(RateLimit, limiter=RateLimiter(parse_limits(limit), folder)),
        ],
    )
    with serve(app) as server:
        yield server


@pytest.mark.parametrize(
    ("text", "requests", "audio"),
    [
        ("", None, None),
        ("60/minute", (60, 60), None),
        ("600s/minute", None, (600, 60)),
        (" 5/second , 3600 s/hour ", (5, 1), (3600, 3600)),
        ("600s per 5 minutes", None, (600, 300)),
    ],
)
def test_limits_are_read(text: str, requests: tuple[int, int] | None, audio: tuple[int, int] | None) -> None:
    found = parse_limits(text)
    for item, wanted in ((found.requests, requests), (found.audio, audio)):
        assert (item and (item.amount, item.get_expiry())) == wanted


@pytest.mark.parametrize(
    "text", ["60", "minute", "0/minute", "-1/minute", "1/minute,2/minute", "60/fortnight"]
)
def test_limits_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="60/minute"):
        parse_limits(text)


def test_a_key_over_its_requests_is_refused_and_the_other_is_not() -> None:
    with running("2/minute") as server, server.client("k") as client, server.client("other") as other:
        answers = [client.get("/tts") for _ in range(3)]
        beside = other.get("/tts")
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {"2"}
    assert answers[0].headers["ratelimit-policy"] == '2;w=60;comment="requests"'
    refused = answers[2]
    assert refused.json()["type"] == "urn:voz:rate-limited"
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (beside.status_code, beside.headers["ratelimit-remaining"]) == (200, "1")


def test_audio_is_counted_when_it_is_known_and_refuses_the_next_request() -> None:
    with running("10s/minute") as server, server.client("k") as client:
        first = client.get("/tts?seconds=4.2")
        second = client.get("/tts?seconds=0")
        third = client.get("/tts?seconds=21&fails")
        refused = client.get("/tts")
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 500]
    assert [answer.headers["ratelimit-remaining"] for answer in (first, second)] == ["10", "5"]
    assert refused.status_code == 429
    assert 120 < int(refused.headers["retry-after"]) <= 180  # 26 s at 10 s a minute: three minutes


def test_the_nearest_of_two_limits_is_told() -> None:
    with running("100/minute,10s/minute") as server, server.client("k") as client:
        fresh = client.get("/tts?seconds=9")
        later = client.get("/tts")
    assert (fresh.headers["ratelimit-limit"], fresh.headers["ratelimit-remaining"]) == ("100", "99")
    assert (later.headers["ratelimit-limit"], later.headers["ratelimit-remaining"]) == ("10", "1")


def test_public_routes_and_metrics_are_not_limited() -> None:
    with running("1/minute") as server, server.client("k") as client:
        assert client.get("/tts").status_code == 200
        for path in ("/health/live", "/metrics"):
            answers = [client.get(path) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200] * 3
            assert "ratelimit-limit" not in answers[0].headers


def test_no_limit_gives_no_headers() -> None:
    with running("") as server, server.client("k") as client:
        assert not [name for name in client.get("/tts").headers if name.startswith("ratelimit")]


def test_two_servers_on_one_folder_count_together(tmp_path: Path) -> None:
    with (
        running("3/minute,10s/minute", tmp_path) as one,
        running("3/minute,10s/minute", tmp_path) as two,
        one.client("k") as first,
        two.client("k") as second,
    ):
        assert first.get("/tts?seconds=1").headers["ratelimit-remaining"] == "2"
        assert second.get("/tts").headers["ratelimit-remaining"] == "1"
        assert first.get("/tts").status_code == 200
        assert second.get("/tts").status_code == 429


def test_counters_that_fail_refuse_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running("1/minute,1s/minute", tmp_path / "missing") as server, server.client("k") as client:
        assert [client.get("/tts?seconds=2").status_code for _ in range(3)] == [200] * 3
    assert "RATE_LIMIT does not hold" in caplog.text
    assert "2 s of audio are not counted" in caplog.text


def test_processes_that_count_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=rate_limited.hit, args=(tmp_path, 100)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    counters = Counters(tmp_path / "rate_limits.sqlite")
    item = parse_limits("1000000/day").requests
    assert item is not None
    assert counters.get(item.key_for("k")) == 300
    counters.close()


def test_a_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.time", lambda: now)
    counters = Counters(None)
    assert [counters.incr("a", 60) for _ in range(3)] == [1, 2, 3]
    assert (counters.get("a"), counters.get_expiry("a")) == (3, 1060)
    now = 1060.0
    assert counters.get("a") == 0
    assert counters.incr("a", 60) == 1
    assert counters.consume("b", 60, 150, limit=60) == 150
    assert counters.get_expiry("b") == 1060 + 180
    assert counters.check()
    counters.clear("a")
    assert counters.get("a") == 0
    assert counters.reset() == 1
    counters.close()


def test_without_a_limit_nothing_is_counted_and_no_thread_is_asked(tmp_path: Path) -> None:
    with running("", tmp_path) as server, server.client("k") as client:
        answer = client.get("/tts")
        threads = {thread.name.rpartition("_")[0] for thread in threading.enumerate()}
    assert answer.status_code == 200
    assert "ratelimit-limit" not in answer.headers
    assert "rate-limits" not in threads
    assert list(tmp_path.iterdir()) == []
