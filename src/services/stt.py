"""Audio file in, text out: blocks -> speech chunks -> engine -> segments, in order, in bounded memory."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import BinaryIO

from src.config import Settings
from src.engines.base import (
    LanguageGuess,
    Segment,
    SpeechToText,
    SttOptions,
    Transcript,
    Word,
)
from src.errors import InvalidInput
from src.observability.telemetry import current_request_id
from src.services.chunks import Chunk
from src.services.decoding.pool import Decoders
from src.services.reader import SpeechReader

_AHEAD = 16
"""Chunks of one request that the engine may hold at once: two batches, so that it never waits for us."""
_SURE = 0.5
"""Probability below which the language of the first chunk is checked against the next ones."""
_VOTERS = 3
"""Chunks that are asked then."""
_MAX_CONTINUATIONS = 3
"""How many times what a transcript left unread of a chunk is read."""
_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


@dataclass(frozen=True, slots=True)
class Result:
    """A whole file, read."""

    text: str
    """The segments' texts, joined as they are."""
    language: str
    language_probability: float
    """Of the language among those that detection chose from; 1 if the caller gave it, 0 without speech."""
    duration: float
    """Seconds of the file, silence included."""
    segments: tuple[Segment, ...]
    model: str


class SttService:
    """Reads audio files with one engine."""

    def __init__(self, engine: SpeechToText, decoders: Decoders, settings: Settings) -> None:
        self._engine = engine
        self._decoders = decoders
        self._settings = settings

    async def transcribe(self, file: BinaryIO, options: SttOptions) -> Result:
        """Read a whole file. It is `stream` to its end, so both always say the same.

        Raises:
            NotAudio: the file cannot be decoded.
            TooLarge: it is longer than MAX_AUDIO_SECONDS.
            InvalidInput: unknown language.
            EngineFailed: a chunk could not be read.
        """
        async with aclosing(self.stream(file, options)) as items:
            async for item in items:
                if isinstance(item, Result):
                    return item
        raise RuntimeError("a stream ended without its result")

    async def stream(self, file: BinaryIO, options: SttOptions) -> AsyncGenerator[Segment | Result, None]:
        """Segments in order, each as soon as it is final, then the result. Raises as `transcribe` does.

        Closing the generator stops everything: decoding, and the rows that the engine holds.
        """
        async with self._reader(file) as reader:
            script = _Script(options)
            async with aclosing(self._transcripts(reader, options)) as transcripts:
                async for chunk, transcript in transcripts:
                    for segment in script.add(chunk, transcript):
                        yield segment
            yield script.result(reader.duration, self._engine.info.model)

    async def detect_language(self, file: BinaryIO, languages: tuple[str, ...]) -> list[LanguageGuess]:
        """Languages of the file's first speech, likeliest first.

        Raises:
            NotAudio: the file cannot be decoded.
            InvalidInput: there is no speech in it, or an unknown language is asked for.
        """
        async with self._reader(file) as reader:
            chunk = await reader.next()
            if chunk is None:
                raise InvalidInput("there is no speech in this file, so its language cannot be told")
            request_id = current_request_id()
            guesses = await self._engine.detect_language(chunk.audio, languages, request_id)
            if guesses[0].probability >= _SURE:
                return guesses
            voters = [chunk, *await reader.some(_VOTERS - 1)]
            return await self._vote(voters, languages, request_id)

    def _reader(self, file: BinaryIO) -> SpeechReader:
        return SpeechReader(self._decoders, file, self._settings.max_audio_seconds)

    async def _transcripts(
        self, reader: SpeechReader, options: SttOptions
    ) -> AsyncGenerator[tuple[Chunk, Transcript], None]:
        request_id = current_request_id()
        first = await reader.next()
        if first is None:
            return
        transcript, looked_at = await self._first(first, reader, options, request_id)
        yield first, transcript
        # the language of the first chunk is that of the file, or short chunks would each be guessed anew
        options = replace(options, language=transcript.language)
        for found in await self._rest(first, transcript, options, request_id):
            yield found
        working: deque[asyncio.Task[list[tuple[Chunk, Transcript]]]] = deque()
        more = True
        try:
            while True:
                while more and len(working) < _AHEAD:
                    chunk = looked_at.popleft() if looked_at else await reader.next()
                    if chunk is None:
                        more = False
                        break
                    working.append(asyncio.create_task(self._read(chunk, options, request_id)))
                if not working:
                    return
                read = await working[0]
                working.popleft()
                for found in read:
                    yield found
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _read(
        self, chunk: Chunk, options: SttOptions, request_id: str
    ) -> list[tuple[Chunk, Transcript]]:
        transcript = await self._engine.transcribe(chunk.audio, options, request_id)
        return [(chunk, transcript), *await self._rest(chunk, transcript, options, request_id)]

    async def _rest(
        self, chunk: Chunk, transcript: Transcript, options: SttOptions, request_id: str
    ) -> list[tuple[Chunk, Transcript]]:
        """If the text ends before the speech does, what is left is read as a chunk of its own."""
        found: list[tuple[Chunk, Transcript]] = []
        for _ in range(_MAX_CONTINUATIONS):
            if not transcript.segments or (left := chunk.unread(transcript.segments[-1].end)) is None:
                break
            chunk, transcript = left, await self._engine.transcribe(left.audio, options, request_id)
            found.append((chunk, transcript))
        return found

    async def _first(
        self, chunk: Chunk, reader: SpeechReader, options: SttOptions, request_id: str
    ) -> tuple[Transcript, deque[Chunk]]:
        """The first chunk, its language settled, and the chunks that were looked at for that."""
        transcript = await self._engine.transcribe(chunk.audio, options, request_id)
        if options.language is not None:
            return transcript, deque()
        if transcript.language_probability >= _SURE:
            return transcript, deque()
        looked_at = deque(await reader.some(_VOTERS - 1))
        if not looked_at:
            return transcript, looked_at
        [best, *_] = await self._vote([chunk, *looked_at], options.languages, request_id)
        if best.language != transcript.language:
            settled = replace(options, language=best.language)
            transcript = await self._engine.transcribe(chunk.audio, settled, request_id)
        return replace(transcript, language_probability=best.probability), looked_at

    async def _vote(
        self, chunks: list[Chunk], languages: tuple[str, ...], request_id: str
    ) -> list[LanguageGuess]:
        """Probabilities averaged over chunks, longer ones counting more."""
        tasks = [
            asyncio.create_task(self._engine.detect_language(chunk.audio, languages, request_id))
            for chunk in chunks
        ]
        try:
            # not a TaskGroup: its ExceptionGroup would hide that the engine is overloaded
            votes = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        total = sum(len(chunk.audio) for chunk in chunks)
        sums: dict[str, float] = {}
        for chunk, guesses in zip(chunks, votes, strict=True):
            for guess in guesses:
                share = guess.probability * len(chunk.audio) / total
                sums[guess.language] = sums.get(guess.language, 0.0) + share
        return [LanguageGuess(*item) for item in sorted(sums.items(), key=lambda item: -item[1])]


class _Script:
    """The transcript of a file as it grows."""

    def __init__(self, options: SttOptions) -> None:
        self._language = options.language or next(iter(options.languages), "en")
        self._probability = 1.0 if options.language else 0.0
        self._segments: list[Segment] = []
        self._begun = False

    def add(self, chunk: Chunk, transcript: Transcript) -> Iterator[Segment]:
        """The chunk's segments, with times in the file and texts that can be joined as they are."""
        if not self._begun:
            self._begun = True
            self._language = transcript.language
            self._probability = transcript.language_probability
        for segment in transcript.segments:
            placed = _in_file(chunk, segment)
            text = segment.text.strip()
            if self._segments and self._language not in _UNSPACED:
                text = " " + text
            placed = replace(placed, text=text)
            self._segments.append(placed)
            yield placed

    def result(self, duration: float, model: str) -> Result:
        return Result(
            text="".join(segment.text for segment in self._segments),
            language=self._language,
            language_probability=self._probability,
            duration=duration,
            segments=tuple(self._segments),
            model=model,
        )


def _in_file(chunk: Chunk, segment: Segment) -> Segment:
    words = segment.words and tuple(
        Word(*chunk.word_in_file(word.start, word.end), word.word, word.probability) for word in segment.words
    )
    start, end = chunk.start_in_file(segment.start), chunk.end_in_file(segment.end)
    return replace(segment, start=start, end=max(start, end), words=words)
