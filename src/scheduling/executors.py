"""Pools of threads, each with one purpose and one bound, so that a full one holds up nothing else.

`asyncio`'s own pool is left to what the standard library does in it (looking up names) and to start-up.
Threads are made when they are first needed. What waits is bounded by the requests that are admitted.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Final, ParamSpec, TypeVar

from src.processes.cores import usable_cores

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A pool for one purpose.

    Args:
        name: of the threads.
        count: the most of them; as many as there are cores, if None.
    """

    def __init__(self, name: str, count: int | None = None) -> None:
        self._name = name
        self._count = count

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._count or usable_cores(), thread_name_prefix=self._name)

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Have `function` called on a thread of this pool, in the caller's context, whoever is cancelled."""
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` on a thread of this pool and wait for it, as `asyncio.to_thread` does."""
        return await self.submit(function, *args, **kwargs)


SEGMENTATION: Final = Threads("segmentation")
"""Voice activity detection, a few seconds of audio at a time."""
TEXT: Final = Threads("text", 2)
"""Normalising and splitting text to be spoken."""
ENCODING: Final = Threads("encoding")
"""Encoding speech for the caller."""
STORAGE: Final = Threads("storage", 16)
"""Files of the local storage; a slow disk or a network's file system may hold many of these."""
FORMATTING: Final = Threads("formatting", 1)
"""Writing transcripts: the subtitles of two hours take half a second."""
METRICS: Final = Threads("metrics", 1)
"""Adding up the workers' metrics."""
