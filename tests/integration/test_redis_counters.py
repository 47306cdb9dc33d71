"""Counters in Redis: servers on several machines count together, as workers on one machine do."""

import asyncio
import logging
import socket
import time

import pytest

from src.access.rate_limits import RateLimiter, parse_limits
from src.access.redis_counters import RedisCounters

pytest.importorskip("redis", reason="requirements-ray.txt is not installed")
pytest_plugins = ["tests.support.redis_server"]


def test_two_servers_count_together(redis_url: str) -> None:
    first = RateLimiter(parse_limits("3/minute"), None, redis_url)
    second = RateLimiter(parse_limits("3/minute"), None, redis_url)

    async def ask() -> list[bool]:
        return [
            (await server.acquire("together")).refused is not None
            for server in (first, second, first, second, first)
        ]

    try:
        assert asyncio.run(ask()) == [False, False, False, True, True]
    finally:
        first.close()
        second.close()


def test_audio_of_one_server_refuses_the_request_at_the_other(redis_url: str) -> None:
    first = RateLimiter(parse_limits("600s/minute"), None, redis_url)
    second = RateLimiter(parse_limits("600s/minute"), None, redis_url)
    first.consume_audio("listener", 700.2)
    first.close()  # it has counted by then
    try:
        status = asyncio.run(second.acquire("listener"))
    finally:
        second.close()
    assert status.refused is not None
    assert status.refused.unit == "audio seconds"
    assert 60 < status.refused.reset <= 120, "701 s at 600 s a minute take two minutes"


def test_a_window_is_as_many_windows_long_as_its_amounts_need(redis_url: str) -> None:
    counters = RedisCounters(redis_url)
    try:
        assert counters.consume("k", 10, 5, 10) == 5
        assert 0 < counters.get_expiry("k") - time.time() <= 10
        assert counters.consume("k", 10, 5, 10) == 10
        assert counters.get_expiry("k") - time.time() <= 10, "it is full, but not over"
        assert counters.consume("k", 10, 11, 10) == 21
        assert 20 < counters.get_expiry("k") - time.time() <= 30
    finally:
        counters.close()


def test_a_window_ends(redis_url: str) -> None:
    counters = RedisCounters(redis_url)
    try:
        counters.consume("short", 1, 5, 10)
        time.sleep(1.2)
        assert counters.get("short") == 0
        assert counters.consume("short", 1, 2, 10) == 2
    finally:
        counters.close()


def test_without_redis_nobody_is_refused_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    limiter = RateLimiter(parse_limits("1/day,1s/day"), None, "redis://127.0.0.1:1/0")
    try:
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                assert asyncio.run(limiter.acquire("k")).refused is None
            limiter.consume_audio("k", 5)
    finally:
        limiter.close()
    assert "RATE_LIMIT does not hold now" in caplog.text
    assert "5 s of audio are not counted" in caplog.text


def test_a_redis_that_hangs_delays_one_request_and_not_all_in_turn(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        limiter = RateLimiter(parse_limits("1/day"), None, f"redis://127.0.0.1:{silent.getsockname()[1]}/0")

        async def ask() -> float:
            began = time.monotonic()
            answers = await asyncio.gather(*(limiter.acquire("k") for _ in range(10)))
            assert not any(answer.refused for answer in answers)
            return time.monotonic() - began

        try:
            assert asyncio.run(ask()) < 5, "ten times a second"
        finally:
            limiter.close()
    assert caplog.text.count("RATE_LIMIT does not hold now") == 1


def test_redis_is_asked_again_after_a_pause(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.access.rate_limits._PAUSE_SECONDS", 0.2)
    limiter = RateLimiter(parse_limits("1/day"), None, redis_url)

    def down(*_: object) -> None:
        raise limiter._failures[0]("down")

    async def refused() -> bool:
        return (await limiter.acquire("returns")).refused is not None

    try:
        with monkeypatch.context() as broken:
            broken.setattr(limiter, "_acquire", down)
            assert not asyncio.run(refused())
        assert not asyncio.run(refused())
        assert not asyncio.run(refused()), "nothing is counted in the pause"
        time.sleep(0.3)
        assert [asyncio.run(refused()) for _ in range(2)] == [False, True]
    finally:
        limiter.close()
