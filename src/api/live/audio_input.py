"""Converts the binary messages of a live session to what engines take."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from src.api.live.pcm import PcmStream
from src.engines.base import Audio
from src.services.decoding.stream import StreamDecoding


class AudioInput(Protocol):
    """One stream of audio, in pieces of any length. An async context manager."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def push(self, data: bytes) -> AsyncIterator[Audio]:
        """The audio that is whole now, in blocks, float32 of shape (n,) at 16 kHz."""

    def finish(self) -> AsyncIterator[Audio]:
        """The rest, at the end of the stream."""


class RawInput:
    """Samples without a container."""

    def __init__(self, stream: PcmStream) -> None:
        self._stream = stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def push(self, data: bytes) -> AsyncIterator[Audio]:
        yield self._stream.push(data)

    async def finish(self) -> AsyncIterator[Audio]:
        yield np.zeros(0, np.float32)


class ContainerInput:
    """A recording while it is made, as browsers send it. A process of its own decodes it.

    Args:
        opening: starts that process.
    """

    def __init__(self, opening: AbstractAsyncContextManager[StreamDecoding]) -> None:
        self._opening = opening
        self._decoding: StreamDecoding

    async def __aenter__(self) -> Self:
        self._decoding = await self._opening.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opening.__aexit__(kind, error, trace)

    def push(self, data: bytes) -> AsyncIterator[Audio]:
        return self._decoding.push(data)

    def finish(self) -> AsyncIterator[Audio]:
        return self._decoding.finish()
