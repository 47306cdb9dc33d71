"""The speech of one upload: decoded in a process of its own, segmented on a thread, as it is asked for."""

import time
from collections import deque
from contextlib import AsyncExitStack
from types import TracebackType
from typing import BinaryIO, Self

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.observability.telemetry import note
from src.observability.tracing import record
from src.scheduling.executors import SEGMENTATION
from src.services.chunks import Chunk, Chunker
from src.services.decoding.decoding import Decoding
from src.services.decoding.pool import Decoders


class SpeechReader:
    """Chunks of one file. An async context manager: leaving it ends the decoder.

    Args:
        decoders: one of which is taken.
        file: seekable; it is not closed.
        max_seconds: more audio than this is refused.
    """

    def __init__(self, decoders: Decoders, file: BinaryIO, max_seconds: float) -> None:
        self._decoders = decoders
        self._file = file
        self._max_seconds = max_seconds
        self._held = AsyncExitStack()
        self._decoding: Decoding
        self._chunker = Chunker()
        self._ready: deque[Chunk] = deque()
        self._ended = False
        self._samples = 0

    async def __aenter__(self) -> Self:
        self._decoding = await self._held.enter_async_context(
            self._decoders.decode(self._file, self._max_seconds)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        note(audio_seconds=round(self.duration, 2))
        await self._held.aclose()

    @property
    def duration(self) -> float:
        """Seconds read so far."""
        return self._samples / STT_SAMPLE_RATE

    async def next(self) -> Chunk | None:
        """The next chunk; None at the end.

        Raises:
            NotAudio, TooLarge, OSError, Overloaded: as `Decoding.read` does.
        """
        began = time.monotonic()
        failed = True
        try:
            while not self._ready and not self._ended:
                blocks = await self._decoding.read()
                self._ended = not blocks
                self._ready.extend(await SEGMENTATION.run(self._segment, blocks))
            failed = False
        finally:
            record("decode", began, failed=failed)
        return self._ready.popleft() if self._ready else None

    async def some(self, count: int) -> list[Chunk]:
        """The next `count` chunks, or as many as there are."""
        found: list[Chunk] = []
        while len(found) < count and (chunk := await self.next()) is not None:
            found.append(chunk)
        return found

    def _segment(self, blocks: list[Audio]) -> list[Chunk]:
        if not blocks:
            return list(self._chunker.finish())
        self._samples += sum(map(len, blocks))
        return [chunk for block in blocks for chunk in self._chunker.push(block)]
