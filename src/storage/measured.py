"""A storage that measures the time of every operation."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from types import TracebackType
from typing import Self

from src.observability.metrics import storage_used
from src.observability.tracing import Attributes, record
from src.storage.base import Storage


class MeasuredStorage:
    """Measures the operations of `storage` for metrics and traces. It does not open or close `storage`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.name = storage.name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def put(self, key: str, chunks: AsyncIterator[bytes], content_type: str) -> int:
        """See `Storage.put`. The measured time excludes the wait for `chunks`."""
        stopwatch = _Pauses(chunks)
        with self._timed("put", stopwatch):
            return await self._storage.put(key, stopwatch, content_type)

    async def get(self, key: str) -> bytes | None:
        with self._timed("get"):
            return await self._storage.get(key)

    async def read(self, key: str) -> AsyncGenerator[bytes, None]:
        # not timed: its reader decides how long it takes
        async with aclosing(self._storage.read(key)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def exists(self, key: str) -> bool:
        with self._timed("exists"):
            return await self._storage.exists(key)

    async def delete(self, key: str) -> None:
        with self._timed("delete"):
            await self._storage.delete(key)

    async def url(self, key: str, expires: int) -> str:
        with self._timed("url"):
            return await self._storage.url(key, expires)

    async def check(self) -> None:
        with self._timed("check"):
            await self._storage.check()

    @contextmanager
    def _timed(self, operation: str, pauses: "_Pauses | None" = None) -> Iterator[None]:
        started = time.monotonic()
        outcome = "failed"
        try:
            yield
            outcome = "ok"
        except BaseException as error:
            # not an error of the storage: the caller left, or the audio failed
            if isinstance(error, asyncio.CancelledError) or (pauses and pauses.broke_off):
                outcome = "left"
            raise
        finally:
            seconds = time.monotonic() - started - (pauses.seconds if pauses else 0)
            storage_used(self.name, operation, outcome, seconds)
            told: Attributes = {"voz.storage": self.name, "voz.seconds_without_waiting": seconds}
            record(f"storage {operation}", started, None, told, failed=outcome == "failed")


class _Pauses:
    """Passes chunks on, and measures the time spent waiting for them."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.seconds = 0.0
        self.broke_off = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        started = time.monotonic()
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except BaseException:
            self.broke_off = True
            raise
        finally:
            self.seconds += time.monotonic() - started
