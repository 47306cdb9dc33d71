"""What glibc keeps of memory that was freed: as little as it can, so that a server's memory stays flat.

Each thread that allocates gets an arena of its own, up to eight a core, and what is freed in one is of no use
to the others: a server of models and thread pools grows by hundreds of MB in which nothing is. And an arena
gives back to the system only what lies at its end.

Other C libraries have neither `mallopt` nor `malloc_trim`, nor this trouble: there, nothing is done.
"""

import asyncio
import ctypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_M_ARENA_MAX = -8
_ARENAS = 2
"""Enough that two cores seldom wait for each other; the large blocks of models are not from arenas anyway."""
_PAUSE = 10.0
"""Seconds between two times that unused memory goes back, which takes some milliseconds beside the work."""


def limit_malloc_arenas() -> None:
    """Let all threads that are yet to come allocate from few arenas."""
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


@asynccontextmanager
async def trim_periodically(pause: float = _PAUSE) -> AsyncIterator[None]:
    """Give unused memory back to the system every `pause` seconds while the block lasts."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        yield
        return

    async def give_back() -> None:
        while True:
            await asyncio.sleep(pause)
            await asyncio.to_thread(trim, 0)

    task = asyncio.create_task(give_back())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
