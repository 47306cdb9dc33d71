"""Chunks to transcripts: a row each, and more where a text ends early, goes round or leaves out copies."""

from dataclasses import dataclass, replace
from statistics import fmean

from src.engines.base import LanguageGuess, SpeechToText, SttOptions, Transcript
from src.services.transcription.preceding import ChunkText, Context
from src.services.transcription.segmenter import Chunk

_MAX_CONTINUATIONS = 3
"""How many times what a transcript left unread of a chunk is read."""
_PIECE_SECONDS = 5.0
"""Longest piece of a chunk on which the model went round in a loop: there is less to go round with."""
_SURE = 0.5
"""Probability from which on the language of such a chunk is that of its pieces."""
_DOUBTFUL = 0.5
"""Temperature from which on a text is no prompt for others; that of openai/whisper."""


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """A chunk, or the rest of one, and what is said in it."""

    chunk: Chunk
    transcript: Transcript


class RowReader:
    """Reads chunks of one request with an engine.

    Args:
        engine: that reads.
        request_id: rows of equal id take turns with those of others.
    """

    def __init__(self, engine: SpeechToText, request_id: str) -> None:
        self._engine = engine
        self._request_id = request_id

    async def read(
        self, chunk: Chunk, options: SttOptions, context: Context | None = None
    ) -> list[ReadChunk]:
        """Read a chunk.

        Args:
            chunk: of a recording.
            options: of the engine.
            context: what was said before. The chunk is read without it, too, if words are missing with it;
                then the longer text is the result.
        """
        if context is None:
            return await self._read(chunk, options)
        found = await self._read(chunk, replace(options, prompt=context.text))
        if not context.is_short(said(found), chunk.spoken_seconds):
            return found
        again = await self._read(chunk, options)
        if len(said(again)) <= len(said(found)):
            found, again = again, found
        return _with_seconds(_engine_seconds(found), again)

    async def _read(self, chunk: Chunk, options: SttOptions) -> list[ReadChunk]:
        """Read a chunk; without the text before it if the text goes round in a loop, and in pieces if it does
        so all the same, or leaves out copies of one sound."""
        found: list[ReadChunk] = []
        for whole in await self._to_the_end(chunk, options):
            found += await self._each_copy(whole, options)
            if whole.transcript.copies:
                break  # the copies are in all of it, also in what its text left unread
        if not _is_looped(found):
            return found
        first, dropped = found[0].transcript, 0.0
        is_sure = first.language_probability >= _SURE
        options = options.for_part(first.language if is_sure else options.language)
        if options.prompt:
            options = replace(options, prompt=None)
            dropped += _engine_seconds(found)
            found = await self._to_the_end(chunk, options)
        if _is_looped(found) and chunk.seconds > _PIECE_SECONDS:
            dropped += _engine_seconds(found)
            found = []
            for piece in chunk.pieces(_PIECE_SECONDS):
                found += await self._to_the_end(piece, options)
                options = options.for_part(found[0].transcript.language)
        found = _with_seconds(dropped, found)
        return _as_sure_as(first, found) if is_sure else found

    async def _each_copy(self, whole: ReadChunk, options: SttOptions) -> list[ReadChunk]:
        """What was read; if the sound consists of copies that the text does not say, each copy by itself."""
        transcript = whole.transcript
        if not transcript.copies:
            return [whole]
        options = options.for_part(transcript.language)
        pieces = whole.chunk.pieces_from(transcript.copies)
        found = [part for piece in pieces for part in await self._to_the_end(piece, options)]
        return _as_sure_as(transcript, found)

    async def _to_the_end(self, chunk: Chunk, options: SttOptions) -> list[ReadChunk]:
        """Read a chunk; if the text ends before the speech does, what is left as a chunk of its own."""
        transcript = await self._engine.transcribe(chunk.audio, options, self._request_id)
        found = [ReadChunk(chunk, transcript)]
        options = options.for_part(transcript.language)
        for _ in range(_MAX_CONTINUATIONS):
            if not transcript.segments or (left := chunk.unread(transcript.segments[-1].end)) is None:
                break
            chunk, transcript = left, await self._engine.transcribe(left.audio, options, self._request_id)
            found.append(ReadChunk(chunk, transcript))
        return found

    async def detect_language(self, chunk: Chunk, languages: tuple[str, ...]) -> list[LanguageGuess]:
        """Languages of a chunk, likeliest first."""
        return await self._engine.detect_language(chunk.audio, languages, self._request_id)


def said(found: list[ReadChunk]) -> str:
    """The text of a chunk."""
    return "".join(segment.text for one in found for segment in one.transcript.segments).strip()


def summary(found: list[ReadChunk]) -> ChunkText:
    """What was read of a chunk: no prompt if it was drawn at a high temperature or goes round in a loop."""
    segments = [segment for one in found for segment in one.transcript.segments]
    doubtful = _is_looped(found) or any(segment.temperature >= _DOUBTFUL for segment in segments)
    logprob = fmean(segment.avg_logprob for segment in segments) if segments else 0.0
    # what follows the first is the rest of it
    return ChunkText("" if doubtful else said(found), found[0].chunk.spoken_seconds, logprob)


def _is_looped(found: list[ReadChunk]) -> bool:
    return any(one.transcript.looped for one in found)


def _engine_seconds(found: list[ReadChunk]) -> float:
    return sum(one.transcript.engine_seconds for one in found)


def _with_seconds(more: float, found: list[ReadChunk]) -> list[ReadChunk]:
    """What was read, with the engine's time for readings that were dropped."""
    first, *others = found
    seconds = first.transcript.engine_seconds + more
    return [replace(first, transcript=replace(first.transcript, engine_seconds=seconds)), *others]


def _as_sure_as(whole: Transcript, found: list[ReadChunk]) -> list[ReadChunk]:
    """Pieces that were given the language of the whole: how sure it is, only the whole tells."""
    first, *others = found
    sure = replace(first.transcript, language_probability=whole.language_probability)
    return [replace(first, transcript=sure), *others]
