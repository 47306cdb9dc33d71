"""A watchdog on the event loop of an application.

The watchdog wakes every few milliseconds and measures how much CPU time the loop's thread has used since it
last woke. A free loop uses little between two wake-ups, however busy the machine is. A loop that a request
blocks uses CPU time for as long as it is blocked.
"""

import asyncio
import time

from fastapi import FastAPI

_PAUSE = 0.002


class Watchdog:
    """Adds the routes `/longest` and `/hold` to an application."""

    def __init__(self, app: FastAPI) -> None:
        self._longest = 0.0
        self._task: asyncio.Task[None] | None = None
        app.get("/longest")(self.longest)
        app.get("/hold")(self.hold)

    async def longest(self) -> float:
        """Longest time in seconds that the loop was blocked since the last call. The first call starts it."""
        self._task = self._task or asyncio.create_task(self._watch())
        await asyncio.sleep(2 * _PAUSE)  # until what was before is measured
        found, self._longest = self._longest, 0.0
        return found

    async def hold(self) -> None:
        """Block the loop for longer than any request may."""
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass

    async def _watch(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(_PAUSE)
            now = time.thread_time()
            self._longest = max(self._longest, now - before)
            before = now
