"""The transcript of a recording as it grows."""

from collections.abc import Iterator
from dataclasses import replace

from src.engines.base import Segment, SttOptions
from src.services.transcription.placement import in_recording
from src.services.transcription.rows import ReadChunk

_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


class TranscriptBuilder:
    """Takes chunks in order and gives their segments, with times in the recording.

    Args:
        options: as asked for; they tell the language of a recording without speech.
    """

    def __init__(self, options: SttOptions) -> None:
        self.language = options.language or next(iter(options.languages), "en")
        """ISO 639-1: that of the first chunk, once there is one."""
        self.language_probability = 1.0 if options.language else 0.0
        self._segments: list[Segment] = []
        self._empty = True

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All so far."""
        return tuple(self._segments)

    @property
    def text(self) -> str:
        """The segments' texts, joined as they are."""
        return "".join(segment.text for segment in self._segments)

    def add(self, read: ReadChunk) -> Iterator[Segment]:
        """The chunk's segments; their texts can be joined as they are."""
        chunk, transcript = read.chunk, read.transcript
        if self._empty:
            self._empty = False
            self.language = transcript.language
            self.language_probability = transcript.language_probability
        spaced = self.language not in _UNSPACED
        for segment in transcript.segments:
            for placed in in_recording(chunk, segment, spaced=spaced):
                text = placed.text.strip()
                if self._segments and spaced:
                    text = " " + text
                final = replace(placed, text=text)
                self._segments.append(final)
                yield final
