"""Admission control: how many requests may be in flight, and how long a refused one should wait.

The limit counts requests, not seconds of audio: the length of an upload is known only once it is decoded,
and what its container claims cannot be trusted. A long file cannot starve the others, because it keeps
only a few rows in the batcher at a time, and requests take turns there.

Uploads also share the disk that they are spooled to. `UploadSpace` bounds their total size.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from src.errors import DeadlineExceeded, Overloaded

_SMOOTHING = 0.2
"""Weight of the newest interval in the running average of time between two finished requests."""
_UPLOAD_RETRY_SECONDS = 10.0


def default_limit(device: str, threads: int, replicas: int = 1) -> int:
    """Requests that an engine may hold at once, on `replicas` GPUs or `threads` CPU threads altogether.

    A CPU core finishes about one short request per second. With 16 requests per core, the last one waits some
    tens of seconds, well below REQUEST_TIMEOUT. For a GPU, 256 requests give about the same wait.
    """
    return 256 * replicas if device == "cuda" else 16 * threads


class WorkTime:
    """The time limit of the work of one request."""

    def __init__(self, deadline: asyncio.Timeout) -> None:
        self._deadline = deadline

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock while the block runs, e.g. while the caller of a stream does not read on."""
        when = self._deadline.when()
        if when is None or self._deadline.expired():
            yield
            return
        loop = asyncio.get_running_loop()
        remaining = when - loop.time()
        self._deadline.reschedule(None)
        try:
            yield
        finally:
            if not self._deadline.expired():
                self._deadline.reschedule(loop.time() + remaining)


class Place:
    """One request in flight. `AdmissionController.admit` makes it; `release` gives it back."""

    def __init__(self, controller: "AdmissionController") -> None:
        self._controller = controller
        self._released = False

    def release(self) -> None:
        """Give the place back. Further calls do nothing."""
        if not self._released:
            self._released = True
            self._controller._end()

    @asynccontextmanager
    async def work_time(self) -> AsyncIterator[WorkTime]:
        """Bound the block to the time limit of a request (REQUEST_TIMEOUT).

        Raises:
            DeadlineExceeded: the block took longer; what it was doing is cancelled.
        """
        timeout = self._controller.timeout
        try:
            async with asyncio.timeout(timeout) as deadline:
                yield WorkTime(deadline)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise DeadlineExceeded(
                f"the request took longer than {timeout:g} s", retry_after=self._controller.estimate()
            ) from None


class AdmissionController:
    """Admits at most `limit` requests at a time.

    Args:
        name: the kind of requests, for error messages.
        limit: maximum number of requests in flight; a function where it changes while the server runs.
        timeout: seconds that the work of one request may take.
    """

    def __init__(self, name: str, limit: int | Callable[[], int], timeout: float) -> None:
        self.name = name
        self._limit = limit
        self.timeout = timeout
        self.in_flight = 0
        self._interval = 1.0
        self._last_end: float | None = None

    @property
    def limit(self) -> int:
        """Maximum number of requests in flight."""
        return self._limit if isinstance(self._limit, int) else self._limit()

    def admit(self) -> Place:
        """Take a place; the caller must release it.

        Raises:
            Overloaded: all places are taken; `retry_after` estimates when one should be free.
        """
        if self.in_flight >= self.limit:
            raise Overloaded(
                f"{self.in_flight} {self.name} requests are in work or waiting, "
                "which is all this server takes",
                retry_after=self.estimate(),
            )
        if self.in_flight == 0:
            self._last_end = time.monotonic()  # idle time says nothing about the pace
        self.in_flight += 1
        return Place(self)

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[WorkTime]:
        """Hold a place for the length of the block, and bound the block's time.

        Raises:
            Overloaded: as `admit` raises it.
            DeadlineExceeded: as `Place.work_time` raises it.
        """
        place = self.admit()
        try:
            async with place.work_time() as work:
                yield work
        finally:
            place.release()

    def estimate(self) -> int:
        """Estimated seconds until the requests in flight are done, at the recent pace; a whole number."""
        return max(1, math.ceil(min(self._interval * self.in_flight, self.timeout)))

    def _end(self) -> None:
        now = time.monotonic()
        if self._last_end is not None:
            self._interval += _SMOOTHING * (now - self._last_end - self._interval)
        self._last_end = now
        self.in_flight -= 1


class UploadSpace:
    """Bounds the total size of the uploads in flight, so that they cannot fill the disk.

    Args:
        total: maximum size of all uploads in bytes. A larger upload is admitted only if it is the only one.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.reserved = 0
        self._uploads = 0

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Hold `size` bytes while the block runs.

        Raises:
            Overloaded: the uploads in flight leave too little.
        """
        if self._uploads and self.reserved + size > self.total:
            raise Overloaded(
                f"{self._uploads} uploads fill the space for uploads", retry_after=_UPLOAD_RETRY_SECONDS
            )
        self._uploads += 1
        self.reserved += size
        try:
            yield
        finally:
            self._uploads -= 1
            self.reserved -= size
