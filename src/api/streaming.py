"""Streamed responses. All resources are released when the caller disconnects."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Generic, Self, TypeVar, cast

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from src.api.disconnect import while_connected

T = TypeVar("T")


class _EndOfStream:
    pass


class Stream(Generic[T]):
    """Runs an async generator in one task of its own, one item ahead of its reader.

    A generator with a deadline (`asyncio.timeout`) must always be resumed by the same task. But the handler
    reads the first item, and the response reads the rest.
    """

    def __init__(self, source: AsyncGenerator[T, None]) -> None:
        self._source = source
        self._items: asyncio.Queue[T | _EndOfStream | Exception] = asyncio.Queue(maxsize=1)
        self._peeked: T | _EndOfStream | Exception | None = None
        self._task = asyncio.create_task(self._produce())

    async def _produce(self) -> None:
        try:
            async for item in self._source:
                await self._items.put(item)
        except Exception as error:
            await self._items.put(error)
        else:
            await self._items.put(_EndOfStream())
        finally:
            await self._source.aclose()

    async def arrives(self, seconds: float | None = None) -> bool:
        """Wait for the next item, the end or an error; False if none comes within `seconds`.

        It never raises an error of the work, so a `TimeoutError` of the work is not mistaken for this one.
        """
        if self._peeked is None:
            try:
                async with asyncio.timeout(seconds):
                    self._peeked = await self._items.get()
            except TimeoutError:
                return False
        return True

    def raise_error(self) -> None:
        """Raise the error that came in place of the next item, if one did."""
        if isinstance(self._peeked, Exception):
            raise self._peeked

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        await self.arrives()
        item, self._peeked = cast("T | _EndOfStream | Exception", self._peeked), None
        if isinstance(item, _EndOfStream):
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        return item

    async def close(self) -> None:
        """Stop the work, and wait until it has released its resources."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class _Closing(StreamingResponse):
    """A streamed response that always closes its stream, even if the body was never begun."""

    def __init__(self, stream: Stream[Any], body: AsyncIterator[bytes], **kwargs: Any) -> None:
        super().__init__(body, **kwargs)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stream.close()


async def stream_response(
    request: Request,
    source: AsyncGenerator[T, None],
    write: Callable[[Stream[T]], AsyncIterator[bytes]],
    first_within: float | None = None,
    **kwargs: Any,
) -> StreamingResponse:
    """A response whose body is `write(stream of source)`.

    The first item is awaited before the response begins, so that an early failure gets its own status.
    `first_within` is the maximum number of seconds to wait for it.
    """
    stream = Stream(source)
    try:
        await while_connected(request, stream.arrives(first_within))
        stream.raise_error()
    except BaseException:
        await stream.close()
        raise
    return _Closing(stream, write(stream), **kwargs)
