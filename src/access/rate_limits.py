"""Rate limits of a key: requests, and seconds of audio.

RATE_LIMIT is written as `60/minute` (requests), `600s/minute` (seconds of audio), or both with a comma
between. The periods are those of the library `limits`: second, minute, hour, day, or `5 minutes`.

A window begins with the first request after the last window ended. The audio of a request is known only when
it is done, so it is counted then, and a key over its limit is refused at its next request. An amount larger
than the whole limit makes the window longer (1200 s of audio at `600s/minute`: two minutes), so that long
files do not get round the limit.

The counters are in an SQLite file in the folder that the workers of this server share. A single process keeps
them in memory. Servers on several machines keep them in Redis (RATE_LIMIT_STORAGE). Only one thread uses
them, so that a lock held by another worker, or a slow answer, never blocks the event loop.
"""

import asyncio
import logging
import math
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import limits
import limits.errors
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from src.access.redis_counters import RedisCounters
from src.errors import ConfigurationError, RateLimited

log = logging.getLogger(__name__)

_AUDIO = re.compile(r"(\d+)\s*s\s*(/|per\b)")
_LOCK_TIMEOUT = 5.0
_PAUSE_SECONDS = 5.0
"""Seconds for which Redis is not asked again after it failed. Else all requests would wait for it in turn."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of RATE_LIMIT."""

    requests: limits.RateLimitItem | None = None
    audio: limits.RateLimitItem | None = None
    """Limit on audio; its amount is in seconds."""


def parse_limits(text: str) -> Limits:
    """Parse RATE_LIMIT. An empty text means no limit.

    Raises:
        ValueError: the text does not have the form that this module's docstring gives.
    """
    found: dict[str, limits.RateLimitItem] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, plain = ("audio", _AUDIO.sub(r"\1\2", part)) if _AUDIO.match(part) else ("requests", part)
        try:
            item = limits.parse(plain)
        except ValueError:
            item = None
        if item is None or item.amount < 1 or kind in found:
            raise ValueError(
                "must be like 60/minute (requests), 600s/minute (seconds of audio), "
                "or both: 60/minute,600s/minute"
            )
        found[kind] = item
    return Limits(**found)


@dataclass(frozen=True, slots=True)
class Window:
    """The state of one limit of a key."""

    unit: str
    """`requests` or `audio seconds`."""
    limit: int
    length: int
    """Length of the window in seconds."""
    remaining: int
    reset: int
    """Whole seconds until the window ends."""


def over(window: Window) -> RateLimited:
    """The error for a window that is used up."""
    detail = f"this key may use {window.limit} {window.unit} in {window.length} s"
    return RateLimited(f"{detail}; more in {window.reset} s", retry_after=window.reset)


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """The state of a key's limits after a request was counted."""

    windows: tuple[Window, ...]
    refused: Window | None = None
    """The window that is used up, if the request is refused."""


class Counters(Storage):
    """A storage of the library `limits` in SQLite. Several processes may use one file.

    Args:
        path: the SQLite file; None keeps the counters in memory.
    """

    STORAGE_SCHEME: ClassVar[list[str] | None] = ["voz-sqlite"]  # type: ignore[misc]

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self._db = sqlite3.connect(
            path or ":memory:", timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        if path is not None:
            self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")  # it need not outlive the machine
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS counters"
            " (key TEXT PRIMARY KEY, value INTEGER, start REAL, expires REAL)"
        )

    @property
    def base_exceptions(self) -> type[Exception]:
        return sqlite3.Error

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return self._add(key, expiry, amount, None)

    def consume(self, key: str, expiry: int, amount: int, limit: int) -> int:
        """Add to a counter. If it exceeds `limit`, its window becomes as many windows long as it needs."""
        return self._add(key, expiry, amount, limit)

    def _add(self, key: str, expiry: int, amount: int, limit: int | None) -> int:
        with self._transaction():
            now = time.time()
            value, start, expires = self._row(key)
            if expires <= now:
                value, start, expires = 0, now, now + expiry
            value += amount
            if limit is not None:
                expires = start + expiry * max(1, math.ceil(value / limit))
            self._db.execute("REPLACE INTO counters VALUES (?, ?, ?, ?)", (key, value, start, expires))
        return value

    def get(self, key: str) -> int:
        value, _, expires = self._row(key)
        return value if expires > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """Unix time at which the counter's window ends; the present time if it has no window."""
        return max(self._row(key)[2], time.time())

    def check(self) -> bool:
        self._db.execute("SELECT 1")
        return True

    def reset(self) -> int:
        return self._db.execute("DELETE FROM counters").rowcount

    def clear(self, key: str) -> None:
        self._db.execute("DELETE FROM counters WHERE key = ?", (key,))

    def close(self) -> None:
        self._db.close()

    def _row(self, key: str) -> tuple[int, float, float]:
        found = self._db.execute("SELECT value, start, expires FROM counters WHERE key = ?", (key,))
        return found.fetchone() or (0, 0.0, 0.0)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


class _Paused(Exception):
    """Redis failed a moment ago and is not asked."""


class RateLimiter:
    """Counts what each key uses.

    If the counters fail (a full disk, Redis is down), requests are admitted without a limit, and an error is
    logged. Redis is then left alone for some seconds, because one thread asks for all requests.

    Args:
        allowed: the limits, the same for every key.
        folder: folder of the counters that the workers share; None for a single process.
        url: address of the Redis that has the counters instead; empty: none.

    Raises:
        ConfigurationError: there is a `url`, but the package `redis` is not installed.
    """

    def __init__(self, allowed: Limits, folder: Path | None, url: str = "") -> None:
        self._allowed = allowed
        self._shared = _in_redis(url) if url and allowed != Limits() else None
        self._failures = (sqlite3.Error,) if self._shared is None else self._shared.failures
        self._path = None if folder is None else folder / "rate_limits.sqlite"
        self._thread = ThreadPoolExecutor(1, "rate-limits")
        self._opened: Counters | RedisCounters | None = self._shared
        self._paused_until = 0.0

    @property
    def is_unlimited(self) -> bool:
        """Whether there are no limits."""
        return self._allowed == Limits()

    async def acquire(self, key_name: str) -> QuotaStatus:
        """Count a request of this key, unless it is over a limit."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._ask, self._acquire, key_name)
        except _Paused:
            return QuotaStatus(())
        except self._failures:
            log.exception("requests are not counted: RATE_LIMIT does not hold now")
            return QuotaStatus(())

    def consume_audio(self, key_name: str, audio_seconds: float) -> None:
        """Count audio, rounded up to a whole second, in the background and before any later `acquire`."""
        if self._allowed.audio is not None and audio_seconds > 0:
            self._thread.submit(self._consume_audio, key_name, self._allowed.audio, math.ceil(audio_seconds))

    async def check_audio(self, key_name: str) -> None:
        """Check that a key has seconds of audio left, after all that was counted before.

        Raises:
            RateLimited: it has none.
        """
        if self._allowed.audio is None:
            return
        loop = asyncio.get_running_loop()
        try:
            window = await loop.run_in_executor(
                self._thread, self._ask, self._audio, key_name, self._allowed.audio
            )
        except _Paused:
            return
        except self._failures:
            log.exception("audio is not counted: RATE_LIMIT does not hold now")
            return
        if window.remaining == 0:
            raise over(window)

    def close(self) -> None:
        """Finish counting and close the file. Blocks for some milliseconds, or until Redis times out."""
        self._thread.submit(self._close)
        self._thread.shutdown()

    # Everything below runs on the thread.

    def _ask(self, call: Callable[..., T], *arguments: object) -> T:
        """Call one of the functions below, unless Redis failed a moment ago.

        Raises:
            _Paused: it did, so nothing was called.
        """
        if time.monotonic() < self._paused_until:
            raise _Paused
        try:
            return call(*arguments)
        except self._failures:
            if self._shared is not None:
                self._paused_until = time.monotonic() + _PAUSE_SECONDS
            raise

    def _counters(self) -> Counters | RedisCounters:
        if self._opened is None:
            self._opened = Counters(self._path)
        return self._opened

    def _audio(self, key_name: str, item: limits.RateLimitItem) -> Window:
        return _window(self._counters(), "audio seconds", item, key_name)

    def _acquire(self, key_name: str) -> QuotaStatus:
        counters = self._counters()
        windows, refused = [], None
        if self._allowed.audio is not None:
            window = self._audio(key_name, self._allowed.audio)
            windows.append(window)
            refused = window if window.remaining == 0 else None
        if self._allowed.requests is not None:
            strategy = FixedWindowRateLimiter(counters)
            within = refused is not None or strategy.hit(self._allowed.requests, key_name)
            window = _window(counters, "requests", self._allowed.requests, key_name)
            windows.append(window)
            refused = refused if within else window
        return QuotaStatus(tuple(windows), refused)

    def _consume_audio(self, key_name: str, item: limits.RateLimitItem, seconds: int) -> None:
        try:
            self._ask(
                self._counters().consume, item.key_for(key_name), item.get_expiry(), seconds, item.amount
            )
        except _Paused:
            log.error("%d s of audio are not counted", seconds)
        except self._failures:
            log.exception("%d s of audio are not counted", seconds)

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()


def _in_redis(url: str) -> RedisCounters:
    try:
        return RedisCounters(url)
    except limits.errors.ConfigurationError:
        raise ConfigurationError(
            "RATE_LIMIT_STORAGE needs the package redis, which requirements-ray.txt pins"
        ) from None


def _window(counters: Storage, unit: str, item: limits.RateLimitItem, key_name: str) -> Window:
    ends, remaining = FixedWindowRateLimiter(counters).get_window_stats(item, key_name)
    reset = max(0, math.ceil(ends - time.time()))
    return Window(unit, item.amount, item.get_expiry(), remaining, reset)
