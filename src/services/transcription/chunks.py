"""The speech of one recording, segmented on a thread as it is asked for."""

import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Self

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.observability.tracing import record
from src.scheduling.executors import SEGMENTATION
from src.services.transcription.segmenter import Chunk, SpeechSegmenter
from src.services.usage import Usage, UsageMeter


class ChunkReader:
    """An async iterator over the chunks of one recording.

    Args:
        blocks: 16 kHz mono audio, in blocks of any length: a file's, or those of a recording that is still
            going on. Not closed.
        meter: told the seconds that are read.
    """

    def __init__(self, blocks: AsyncIterator[Audio], meter: UsageMeter) -> None:
        self._blocks = blocks
        self._meter = meter
        self._segmenter = SpeechSegmenter()
        self._ready: deque[Chunk] = deque()
        self._ended = False
        self._samples = 0

    @property
    def duration(self) -> float:
        """Seconds read so far."""
        return self._samples / STT_SAMPLE_RATE

    @property
    def pending(self) -> Chunk | None:
        """The speech after the last chunk, as far as it has been read; None if there is none."""
        return self._segmenter.pending()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        """The next chunk.

        Raises:
            StopAsyncIteration: the recording has ended.
            Exception: whatever the source raises.
        """
        if not await self.peek(1):
            raise StopAsyncIteration
        return self._ready.popleft()

    async def peek(self, count: int) -> list[Chunk]:
        """The next `count` chunks, or as many as there are; they stay to be read."""
        if len(self._ready) < count and not self._ended:
            began = time.monotonic()
            failed = True
            try:
                while len(self._ready) < count and not self._ended:
                    await self._read()
                failed = False
            finally:
                record("decode", began, failed=failed)
        return [self._ready[index] for index in range(min(count, len(self._ready)))]

    async def _read(self) -> None:
        block = await anext(self._blocks, None)
        if block is None:
            self._ended = True
            self._ready.extend(await SEGMENTATION.run(lambda: list(self._segmenter.finish())))
            return
        self._samples += len(block)
        self._meter.add(Usage(audio_seconds=len(block) / STT_SAMPLE_RATE))
        self._ready.extend(await SEGMENTATION.run(lambda: list(self._segmenter.push(block))))
