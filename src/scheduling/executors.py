"""Thread pools, one for each purpose, so that a busy pool does not delay other work.

`asyncio`'s own pool is left to the standard library (name resolution) and to start-up. Threads are started
when they are first needed. Admission bounds the number of waiting calls.
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
    """A thread pool for one purpose.

    Args:
        name: prefix of the threads' names.
        count: maximum number of threads; the number of cores if None.
    """

    def __init__(self, name: str, count: int | None = None) -> None:
        self._name = name
        self._count = count

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._count or usable_cores(), thread_name_prefix=self._name)

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Call `function` on a thread of this pool, in the caller's context, which it may outlive."""
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
"""File operations of the local storage. A slow disk or network file system may block many threads."""
FORMATTING: Final = Threads("formatting", 1)
"""Writing transcripts: the subtitles of two hours take half a second."""
METRICS: Final = Threads("metrics", 1)
"""Adding up the workers' metrics."""
