"""How many requests may be in the house at once, and how long a refused one should wait.

The bound counts requests, not seconds of audio: the length of an upload is known only once it is decoded,
and what its container claims is not to be trusted. A long file cannot starve the others, because it keeps
only a few rows in the batcher at a time and lanes take turns there.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from src.core.errors import DeadlineExceeded, Overloaded

_SMOOTHING = 0.2
"""Weight of the newest interval in the running average of time between two finished requests."""


def default_limit(device: str, threads: int) -> int:
    """Requests that an engine may hold at once.

    A core of a CPU finishes about one short request a second, so 16 for each means that the last in line
    waits some tens of seconds: bearable, and well inside REQUEST_TIMEOUT. A GPU does the same for 256.
    """
    return 256 if device == "cuda" else 16 * threads


class Gate:
    """Admits at most `limit` requests at a time, each for at most `timeout` seconds."""

    def __init__(self, name: str, limit: int, timeout: float) -> None:
        self.name = name
        self.limit = limit
        self.timeout = timeout
        self.held = 0
        self._interval = 1.0
        self._last_end: float | None = None

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Hold a place for the length of the `async with` block.

        Raises:
            Overloaded: the house is full; `retry_after` is when a place should be free.
            DeadlineExceeded: the block took longer than `timeout`; whatever it was doing is cancelled.
        """
        if self.held >= self.limit:
            raise Overloaded(
                f"{self.held} {self.name} requests are in work or waiting, which is all this server takes",
                retry_after=self.estimate(),
            )
        self._begin()
        try:
            async with asyncio.timeout(self.timeout) as deadline:
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
            raise DeadlineExceeded(
                f"the request took longer than {self.timeout:g} s", retry_after=self.estimate()
            ) from None
        finally:
            self._end()

    def estimate(self) -> int:
        """Whole seconds in which what is in the house now should be done, from the pace of late."""
        return max(1, math.ceil(min(self._interval * self.held, self.timeout)))

    def _begin(self) -> None:
        if self.held == 0:
            self._last_end = time.monotonic()  # idle time says nothing about the pace
        self.held += 1

    def _end(self) -> None:
        now = time.monotonic()
        if self._last_end is not None:
            self._interval += _SMOOTHING * (now - self._last_end - self._interval)
        self._last_end = now
        self.held -= 1
