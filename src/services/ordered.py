"""Work on many items at once whose results are wanted in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, TypeVar, cast

S = TypeVar("S")
T = TypeVar("T")


class _End:
    pass


_END: Final = _End()


async def _pull(source: AsyncIterator[S]) -> S | _End:
    return await anext(source, _END)


async def ordered(
    source: Iterator[S] | AsyncIterator[S],
    work: Callable[[S], Awaitable[T]],
    ahead: int,
    *,
    first_alone: bool = False,
) -> AsyncGenerator[T, None]:
    """Results of `work` on each item, in the order of the items.

    The next item is awaited while results come, so a slow source does not delay a result that is ready. An
    error of the source or of the work is raised as soon as it is known. Closing the generator cancels all
    that is under way and waits until it has ended; the source is not closed.

    Args:
        source: of the items.
        work: on one item.
        ahead: items in work at once, and results that wait to be taken, together.
        first_alone: take the second item only when the first result is there.
    """
    tasks: deque[asyncio.Task[T]] = deque()
    pulling: asyncio.Task[S | _End] | None = None
    ended = False
    room = 1 if first_alone else ahead

    async def do(item: S) -> T:
        return await work(item)

    try:
        while True:
            while pulling is None and not ended and len(tasks) < room:
                if isinstance(source, AsyncIterator):
                    pulling = asyncio.create_task(_pull(source))
                elif (item := next(source, _END)) is not _END:
                    tasks.append(asyncio.create_task(do(cast("S", item))))
                else:
                    ended = True
            awaited = {task for task in (pulling, tasks[0] if tasks else None) if task is not None}
            if not awaited:
                return
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if pulling is not None and pulling.done():
                item = pulling.result()
                pulling = None
                if item is _END:
                    ended = True
                else:
                    tasks.append(asyncio.create_task(do(cast("S", item))))
            if tasks and tasks[0].done():
                result = tasks.popleft().result()
                room = ahead
                yield result
    finally:
        left = [*tasks, *([pulling] if pulling is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
