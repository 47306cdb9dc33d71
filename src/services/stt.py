"""Speech to text: audio source -> segmenter -> ordered rows -> transcript, in bounded memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field, replace
from itertools import count
from typing import BinaryIO

from src.engines.base import Audio, LanguageGuess, PartialTranscript, Segment, SpeechToText, SttOptions
from src.errors import InvalidInput
from src.observability.telemetry import current_request_id
from src.processes.cores import usable_cores
from src.scheduling.live_load import LiveLoad
from src.services.audio.stream import Container
from src.services.decoding.decoding import Decoding
from src.services.decoding.pool import Decoders
from src.services.decoding.stream import StreamDecoding
from src.services.ordered import ordered
from src.services.transcription.builder import TranscriptBuilder
from src.services.transcription.chunks import ChunkReader
from src.services.transcription.finished import FinishedChunk, FinishedChunks, finished
from src.services.transcription.language import detect, read_first
from src.services.transcription.preceding import LAG, PrecedingText
from src.services.transcription.rows import ReadChunk, RowReader, summary
from src.services.transcription.segmenter import Chunk
from src.services.usage import Usage, UsageMeter

_AHEAD = LAG
"""Chunks of one request that the engine may hold at once: two batches, so that it rarely waits for us."""


@dataclass(frozen=True, slots=True)
class Result:
    """A whole recording, read."""

    text: str
    """The segments' texts, joined as they are."""
    language: str
    language_probability: float
    """Its probability among the candidates of detection; 1 if the caller gave it, 0 without speech."""
    duration: float
    """Seconds of the recording, silence included."""
    segments: tuple[Segment, ...]
    model: str
    usage: Usage
    warnings: tuple[str, ...] = ()
    """What the caller should know: a recording that broke off was read as far as it goes."""
    track: int | None = None
    """The audio track that was read, from 1; None if the source is no file."""
    tracks: int | None = None
    """Audio tracks of the file."""
    engine_seconds: float = field(default=0.0, compare=False)
    """What reading it cost; see `Transcript.engine_seconds`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A chunk that has been read, of a file."""

    chunk: FinishedChunk
    declared_seconds: float | None
    """Length of the audio as the file declares it; it may be wrong."""


class SttService:
    """Reads recordings with one engine.

    Every method takes a `meter` that is told what is used while it is used, for callers who must know it
    where the work breaks off or is left.

    Args:
        max_audio_seconds: longer recordings are refused (MAX_AUDIO_SECONDS).
        whole_only: whether a recording that broke off is refused (TRUNCATED_AUDIO) or read as far as it goes.
        live: counts what live sessions cost; None: a new one.
    """

    def __init__(
        self,
        engine: SpeechToText,
        decoders: Decoders,
        *,
        max_audio_seconds: float,
        whole_only: bool = False,
        live: LiveLoad | None = None,
    ) -> None:
        self._engine = engine
        self._decoders = decoders
        self._max_audio_seconds = max_audio_seconds
        self._whole_only = whole_only
        self.live = live or LiveLoad(usable_cores)
        """The live sessions that read with this engine."""

    async def transcribe(
        self,
        file: BinaryIO,
        options: SttOptions,
        meter: UsageMeter | None = None,
        track: int | None = None,
    ) -> Result:
        """Read a whole file. It is `stream` to its end, so both always say the same.

        Args:
            file: seekable; it is not closed.
            options: of the engine.
            meter: told what is used.
            track: the audio track to read, from 1; None: the default one, or the loudest if that is silent.

        Raises:
            NotAudio: the file cannot be decoded, or it is cut off and TRUNCATED_AUDIO is `refuse`.
            TooLarge: it is longer than MAX_AUDIO_SECONDS.
            InvalidInput: unknown language, or no such track.
            EngineFailed: a chunk could not be read.
        """
        async with aclosing(self.stream(file, options, meter, track)) as items:
            async for item in items:
                if isinstance(item, Result):
                    return item
        raise RuntimeError("a stream ended without its result")

    async def stream(
        self,
        file: BinaryIO,
        options: SttOptions,
        meter: UsageMeter | None = None,
        track: int | None = None,
    ) -> AsyncGenerator[Segment | Result, None]:
        """Segments in order, each as soon as it is final, then the result. Raises as `transcribe` does.

        Closing the generator stops everything: decoding, and the rows that the engine holds.
        """
        async with aclosing(self.stream_chunks(file, options, meter, track)) as items:
            async for item in items:
                if isinstance(item, Result):
                    yield item
                else:
                    for segment in item.chunk.segments:
                        yield segment

    async def stream_chunks(
        self,
        file: BinaryIO,
        options: SttOptions,
        meter: UsageMeter | None = None,
        track: int | None = None,
        done: Sequence[FinishedChunk] = (),
        ahead: int = _AHEAD,
    ) -> AsyncGenerator[Progress | Result, None]:
        """As `stream` does, a chunk at a time, so that the work can go on after chunks of an earlier run.

        Args:
            file, options, meter, track: as for `transcribe`.
            done: chunks of an earlier run with the same file and options; they are not read again.
            ahead: chunks that the engine may hold at once.
        """
        async with (
            self._decode(file, track) as decoding,
            aclosing(self._chunks(decoding, options, meter, done, ahead)) as items,
        ):
            async for item in items:
                if isinstance(item, Result):
                    yield replace(
                        item,
                        warnings=tuple(decoding.warnings),
                        track=decoding.track,
                        tracks=decoding.tracks,
                    )
                else:
                    yield Progress(item, decoding.declared_seconds)

    async def stream_blocks(
        self, blocks: AsyncIterator[Audio], options: SttOptions, meter: UsageMeter | None = None
    ) -> AsyncGenerator[Segment | Result, None]:
        """As `stream` does, from any source of 16 kHz mono audio; one that is still being recorded, too."""
        async with aclosing(self._chunks(blocks, options, meter)) as items:
            async for item in items:
                if isinstance(item, Result):
                    yield item
                else:
                    for segment in item.segments:
                        yield segment

    async def transcribe_partial(
        self, audio: Audio, options: SttOptions, forced: Sequence[int], draft: Sequence[int] = ()
    ) -> PartialTranscript:
        """Read audio that is still growing; see `SpeechToText.transcribe_partial`."""
        return await self._engine.transcribe_partial(
            audio, options, forced, current_request_id(), draft=draft
        )

    async def detect_language(
        self,
        file: BinaryIO,
        languages: tuple[str, ...],
        meter: UsageMeter | None = None,
        track: int | None = None,
    ) -> list[LanguageGuess]:
        """Languages of the file's first speech, likeliest first.

        Raises:
            NotAudio: the file cannot be decoded.
            InvalidInput: there is no speech in it, or an unknown language is asked for.
        """
        async with self._decode(file, track) as decoding:
            chunks = ChunkReader(decoding, meter or UsageMeter())
            guesses = await detect(chunks, RowReader(self._engine, current_request_id()), languages)
        if not guesses:
            raise InvalidInput("there is no speech in this file, so its language cannot be told", "file")
        return guesses

    def follow(self, container: Container) -> AbstractAsyncContextManager[StreamDecoding]:
        """Decode a recording while it is made. Raises as `Decoders.follow` does."""
        return self._decoders.follow(container)

    def _decode(self, file: BinaryIO, track: int | None) -> AbstractAsyncContextManager[Decoding]:
        return self._decoders.decode(file, self._max_audio_seconds, track, whole_only=self._whole_only)

    async def _chunks(
        self,
        blocks: AsyncIterator[Audio],
        options: SttOptions,
        meter: UsageMeter | None = None,
        done: Sequence[FinishedChunk] = (),
        ahead: int = _AHEAD,
    ) -> AsyncGenerator[FinishedChunk | Result, None]:
        meter = meter or UsageMeter()
        model = self._engine.info.model
        chunks = ChunkReader(blocks, meter)
        builder = TranscriptBuilder(options)
        cost = 0.0
        async with aclosing(self._rows(chunks, options, FinishedChunks(done, model), ahead)) as rows:
            async for read in rows:
                cost += sum(one.transcript.engine_seconds for one in read)
                yield finished(read, tuple(segment for row in read for segment in builder.add(row)), model)
        yield Result(
            text=builder.text,
            language=builder.language,
            language_probability=builder.language_probability,
            duration=chunks.duration,
            segments=builder.segments,
            model=model,
            usage=meter.usage,
            engine_seconds=cost,
        )

    async def _rows(
        self, chunks: ChunkReader, options: SttOptions, done: FinishedChunks, ahead: int
    ) -> AsyncGenerator[list[ReadChunk], None]:
        rows = RowReader(self._engine, current_request_id())
        begin = await chunks.peek(1)
        if begin and (first := done.find(begin[0])) is not None:
            await anext(chunks)
        else:
            first = await read_first(chunks, rows, options)
        if not first:
            return
        yield first
        options = options.for_part(first[0].transcript.language)
        with_context = options.task == "transcribe" and not options.prompt
        preceding, numbers = PrecedingText(), count(1)

        async def read(chunk: Chunk) -> list[ReadChunk]:
            context = preceding.of(next(numbers)) if with_context else None
            return done.find(chunk) or await rows.read(chunk, options, context)

        preceding.add(summary(first))
        async with aclosing(ordered(chunks, read, min(ahead, LAG))) as results:
            async for result in results:
                preceding.add(summary(result))
                yield result
