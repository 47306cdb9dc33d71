"""The application of the other fault tests, with a watchdog on its event loop.

The watchdog wakes every few milliseconds and notes how much CPU time the loop's thread has used since it
last woke. A loop that is free uses no more than that between two wakings, however busy the machine is; one
that a request holds uses all the time that it is held.
"""

import asyncio
import time

from fastapi import Request

from tests.support.faults_app import app

_PAUSE = 0.002
_longest = 0.0


async def _watch() -> None:
    global _longest  # noqa: PLW0603
    before = time.thread_time()
    while True:
        await asyncio.sleep(_PAUSE)
        now = time.thread_time()
        _longest = max(_longest, now - before)
        before = now


@app.get("/longest")
async def longest(request: Request) -> float:
    """Seconds for which the loop was held since this was last asked; the first call starts the watchdog."""
    global _longest
    if not hasattr(app.state, "watchdog"):
        app.state.watchdog = asyncio.create_task(_watch())
    await asyncio.sleep(2 * _PAUSE)  # until it has seen what was before
    found, _longest = _longest, 0.0
    return found


@app.get("/hold")
async def hold() -> None:
    """Holds the loop for longer than any request may."""
    end = time.thread_time() + 0.1
    while time.thread_time() < end:
        pass
