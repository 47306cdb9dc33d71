"""Makes glibc return freed memory to the system, so that a server's memory stays flat.

glibc gives each thread that allocates an arena of its own, up to eight per core, and other threads cannot use
what is freed in it. A server with models and thread pools grows by hundreds of MB of free memory. And an
arena returns only the memory at its end to the system.

Other C libraries have neither `mallopt` nor `malloc_trim`, nor this problem: there, nothing is done.
"""

import asyncio
import ctypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_M_ARENA_MAX = -8
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_ARENAS = 2
"""Maximum number of arenas: two cores seldom wait for each other. Large blocks do not come from arenas."""
_REUSED_BYTES = 32 << 20
"""Larger blocks come from the system; glibc takes no larger number. Twice as much unused memory is kept at
the end of an arena. Both are what glibc itself comes to in a process that frees such blocks: with less, the
intermediate results of an engine come from the system each time."""
_PAUSE = 10.0
"""Seconds between two calls of `malloc_trim`, each of which takes some milliseconds."""


def limit_malloc_arenas() -> None:
    """Limit the number of malloc arenas for all threads that are started from now on."""
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def reuse_freed_blocks() -> None:
    """Take blocks of a few MB from memory that was freed before, instead of from the system each time.

    The system gives a new block as empty pages, each of which costs a fault when it is first written. A row
    of 30 s on its way to another process is copied so often that this takes about 2 ms.
    """
    with suppress(AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _REUSED_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, 2 * _REUSED_BYTES)


@asynccontextmanager
async def trim_periodically(pause: float = _PAUSE) -> AsyncIterator[None]:
    """Return unused memory to the system every `pause` seconds while the block runs."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        yield
        return

    async def give_back() -> None:
        while True:
            await asyncio.sleep(pause)
            await asyncio.to_thread(trim, 0)

    task = asyncio.create_task(give_back(), name="trim-memory")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
