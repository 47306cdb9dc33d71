"""What a transcription has finished, so that another process can go on after it."""

from collections.abc import Iterable
from dataclasses import dataclass

from src.engines.base import STT_SAMPLE_RATE, Segment, Transcript
from src.services.transcription.rows import ReadChunk
from src.services.transcription.segmenter import Chunk


@dataclass(frozen=True, slots=True)
class FinishedChunk:
    """A chunk that was read."""

    start: int
    """First sample of the chunk in the recording."""
    samples: int
    """Its length. The same file is always cut in the same way: one with the same place is the same chunk."""
    end: float
    """Seconds of the recording up to its end."""
    model: str
    """Name of the model that read the chunk."""
    transcripts: tuple[Transcript, ...]
    """Its own, and those of what they left unread of it."""
    segments: tuple[Segment, ...]
    """What they say, with times in the recording."""


class FinishedChunks:
    """Those of one recording, by their place.

    Args:
        chunks: what was finished before.
        model: that goes on. What another one has read is read again.
    """

    def __init__(self, chunks: Iterable[FinishedChunk], model: str) -> None:
        self._by_place = {
            (chunk.start, chunk.samples): chunk
            for chunk in chunks
            if chunk.model == model and chunk.transcripts
        }

    def find(self, chunk: Chunk) -> list[ReadChunk] | None:
        """What was read of this chunk; None if it was not finished."""
        known = self._by_place.get(place_of(chunk))
        if known is None:
            return None
        found: list[ReadChunk] = []
        part: Chunk | None = chunk
        for transcript in known.transcripts:
            if found:
                segments = found[-1].transcript.segments
                part = found[-1].chunk.unread(segments[-1].end) if segments else None
            if part is None:
                return None
            found.append(ReadChunk(part, transcript))
        return found


def place_of(chunk: Chunk) -> tuple[int, int]:
    """Where a chunk begins in the recording, and its length; samples."""
    return chunk.spans[0].start, len(chunk.audio)


def finished(read: list[ReadChunk], segments: tuple[Segment, ...], model: str) -> FinishedChunk:
    """The record of a chunk.

    Args:
        read: the chunk, and what was left unread of it; or its pieces. Then the record has the place of the
            first, so another process does not find the chunk, and reads it again.
        segments: what it says, with times in the recording.
        model: that read it.
    """
    last = read[-1].chunk.spans[-1]
    end = (last.start + last.length) / STT_SAMPLE_RATE
    return FinishedChunk(
        *place_of(read[0].chunk), end, model, tuple(one.transcript for one in read), segments
    )
