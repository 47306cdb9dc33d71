"""Graceful shutdown, from SIGTERM to the end of the process.

uvicorn alone closes its socket at the signal and then waits for ever, so that a new request could not even
get a 503. Here, uvicorn gets the signal last:

1. `/health/ready` answers 503, and every answer closes its connection.
2. If other workers take over (gunicorn's HUP), this worker serves until one of them is ready. Then it takes
   no new connections. Otherwise it keeps listening, and new work gets 503 with Retry-After.
3. Requests in flight have SHUTDOWN_TIMEOUT to end. The rest are cancelled. They get 503 if their response has
   not begun. Otherwise the connection is cut, so that a partial response cannot pass for a whole one.
4. uvicorn closes the lifespan, and with it engines and storage. The process ends with exit code 0.

If an engine has died (`api/engine_watch.py`), the same happens without a signal and without waiting for
another worker. A process without gunicorn then ends with exit code 3, and its supervisor starts a new one.

uvicorn handles a second Ctrl-C itself: it stops at once.
"""

import asyncio
import contextvars
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, cast

from uvicorn import Server

from src.errors import Overloaded
from src.processes.readiness import another_is_ready, marked_ready, parent_listens
from src.processes.workers import is_gunicorn, is_worker

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
_TICK = 0.05
_TAKEOVER_SECONDS = 600.0
"""Maximum number of seconds that an old worker keeps serving. New models may have to be fetched first."""
_SETTLE_SECONDS = 0.5
"""Seconds before readiness marks are read: old workers stop one by one, and their marks vanish with them."""
_RELEASE_SECONDS = 5.0
"""Seconds in which cancelled requests must release their resources."""


class GracefulShutdown:
    """The state of the shutdown, and the requests in flight.

    Args:
        timeout: seconds (SHUTDOWN_TIMEOUT) in which requests in flight may end by themselves.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._begun = False
        self._requests: set[asyncio.Task[Any]] = set()
        self._cut: set[asyncio.Task[Any]] = set()
        self._running: asyncio.Task[None] | None = None
        self._mark: Path | None = None
        self._handler: Any = None
        self._failed = False
        self.refusing = False
        """Whether new work gets 503, because no other worker can do it."""

    @property
    def begun(self) -> bool:
        """Whether the server is stopping. It is not ready any more."""
        return self._begun

    @asynccontextmanager
    async def on_signals(self) -> AsyncIterator[None]:
        """Shut down gracefully on SIGTERM and Ctrl-C while the block runs, before uvicorn handles them.

        The block should include all of the start-up: the signal may come while the models are loaded.
        Only the main thread can handle signals. In another thread this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()  # else that of whichever request the signal interrupts
        before: dict[int, Any] = {
            number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)
        }

        def on_signal(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGINT and self._begun:
                before[number](number, frame)
            else:
                # gunicorn repeats SIGTERM every second: only the first one counts
                loop.call_soon_threadsafe(self._begin, before[number], number, context=context)

        for number in before:
            signal.signal(number, on_signal)
        self._handler = before[signal.SIGTERM]
        try:
            yield
        finally:
            self._handler = None
            for number, handler in before.items():
                signal.signal(number, handler)
            if self._running is not None:
                await self._running
            server = getattr(before[signal.SIGTERM], "__self__", None)
            if self._failed and isinstance(server, Server) and not is_gunicorn():
                # gunicorn replaces a worker whatever its exit code is. uvicorn alone ends with exit code 3 if
                # its server is not `started` when all is closed, and a supervisor wants to see a failure.
                server.started = False

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Mark this worker as ready while the block runs, so that old workers may stop."""
        if self._begun:
            yield
            return
        with marked_ready() as self._mark:
            yield

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count the current task as a request in flight while the block runs."""
        task = cast(asyncio.Task[Any], asyncio.current_task())
        self._requests.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._cut:
                raise
            task.uncancel()
            raise Overloaded("the server is stopping", RETRY_SECONDS) from None
        finally:
            self._requests.discard(task)
            self._cut.discard(task)

    def announce(self) -> None:
        """Say that this process is about to stop: `/health/ready` answers 503, and every answer closes its
        connection. Work is still taken. For a process that another part of it stops, without a signal.
        """
        self._begun = True

    def fail(self) -> None:
        """Stop as at SIGTERM, but with an exit code that says that this process failed.

        It does nothing where the server does not own the process (`on_signals` is not in the main thread).
        """
        if self._handler is not None:
            self._failed = True
            self._begin(self._handler, signal.SIGTERM)

    def _begin(self, handler: Any, number: int) -> None:
        if not self._begun:
            self._begun = True
            if self._mark is not None:
                self._mark.unlink(missing_ok=True)
            self._running = asyncio.create_task(self._run(handler, number))

    async def _run(self, handler: Any, number: int) -> None:
        server = getattr(handler, "__self__", None)
        server = server if isinstance(server, Server) else None
        log.info("stopping: %d requests in flight", len(self._requests))
        if server is not None and not server.started:
            _stop(server, handler, number, _RELEASE_SECONDS)
        elif not self._failed and await self._taken_over(server):
            _stop(server, handler, number, self._timeout + 2 * _RELEASE_SECONDS)  # requests in flight go on
            await self._finish()
        else:
            self.refusing = True
            await self._finish()
            _stop(server, handler, number, _RELEASE_SECONDS)

    async def _taken_over(self, server: Server | None) -> bool:
        """Whether another worker takes over. If one does, this returns when it is ready."""
        if is_gunicorn() and _taken_over(server):
            await asyncio.sleep(_SETTLE_SECONDS)
        loop = asyncio.get_running_loop()
        limit = loop.time() + _TAKEOVER_SECONDS
        while _taken_over(server):
            if not is_gunicorn() or another_is_ready() or loop.time() > limit:
                return True
            await asyncio.sleep(_TICK)
        return False

    async def _finish(self) -> None:
        if self._requests:
            await _ended(self._requests, self._timeout)
        if self._requests:
            log.warning("%d requests took longer than SHUTDOWN_TIMEOUT: cancelled", len(self._requests))
            self._cut |= self._requests
            for task in self._cut:
                task.cancel()
            await _ended(self._requests, _RELEASE_SECONDS)


def _taken_over(server: Server | None) -> bool:
    if server is None:
        return is_worker()
    return parent_listens([socket.fileno() for one in server.servers for socket in one.sockets])


def _stop(server: Server | None, handler: Any, number: int, seconds: float) -> None:
    if server is None:
        signal.signal(number, handler)
        signal.raise_signal(number)
    else:
        server.config.timeout_graceful_shutdown = server.config.timeout_graceful_shutdown or round(seconds)
        # not through its handler: that would raise the signal again at the end, and the process die of it
        server.should_exit = True


async def _ended(tasks: set[asyncio.Task[Any]], seconds: float) -> None:
    """Return when the set is empty, or after `seconds`. Tasks may be added to it meanwhile."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while tasks and loop.time() < end:
        await asyncio.wait(tasks, timeout=end - loop.time())
