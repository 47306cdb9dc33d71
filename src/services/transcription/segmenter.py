"""Audio that streams in, cut into chunks of speech.

Pauses are left out; what is left is joined into chunks long enough to give the model something to go by.
Speech without a pause is cut where it is quietest. Only the chunk in the making is held.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.engines.silero import FRAME
from src.engines.vad import SpeechDetector

_FRAMES_PER_SECOND = STT_SAMPLE_RATE / FRAME
_ON = 0.5
"""Probability at which speech begins; Silero's own default."""
_OFF = 0.35
"""Probability below which it ends."""
_PAUSE = round(0.8 * _FRAMES_PER_SECOND)
"""Frames without speech that end a span."""
_PAD = round(0.32 * _FRAMES_PER_SECOND)
"""Frames kept around a span: consonants at its edges are quiet."""
_EDGE = round(1.0 * _FRAMES_PER_SECOND)
"""Frames kept before the first speech, and after the last at the end of it all: short clips stay whole."""
MAX_SECONDS = 29.5
_LEFT = round(0.8 * STT_SAMPLE_RATE)
"""Samples of speech after the end of the text that are no mere rounding: where all of it is read, these are
up to 0.35 s, where words are missing 0.9 s and more."""
_BEFORE = round(0.3 * STT_SAMPLE_RATE)
"""Samples before a loud beginning in which a quiet consonant may be."""
_PROGRESS = 1.0
"""Seconds that a transcript must cover for the rest to be read. After less, the next might end there, too."""
_MAX = int(MAX_SECONDS * _FRAMES_PER_SECOND)
"""Frames of a chunk. Shorter ones cost accuracy: the model has less to go by. Whisper reads 30 s at once."""
_CUT_FROM = int(22 * _FRAMES_PER_SECOND)
"""Speech that fills a chunk is cut at its quietest point after this many frames."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the recording that a chunk holds; samples."""

    at: int
    """First sample of the span in the chunk."""
    start: int
    """First sample of the span in the recording."""
    length: int
    speech_start: int
    """First sample of speech in the recording: what comes before is kept for quiet consonants."""
    speech_end: int
    """First sample after the speech, in the recording."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Speech, and where in the recording it came from."""

    audio: Audio
    spans: tuple[Span, ...]
    spoken: int
    """Samples up to the end of the last speech; what follows is kept for its quiet consonants."""

    def unread(self, seconds: float) -> "Chunk | None":
        """What is left to read if the text ends there; None if that is not worth it.

        Whisper sometimes ends its text, and closes it with a timestamp, seconds before the speech ends.
        """
        start = round(seconds * STT_SAMPLE_RATE)
        if seconds < _PROGRESS or start > self.spoken - _LEFT:
            return None
        return self._part(start, len(self.audio))

    @property
    def seconds(self) -> float:
        """Length of its audio."""
        return len(self.audio) / STT_SAMPLE_RATE

    @property
    def spoken_seconds(self) -> float:
        """Seconds of speech in it."""
        return sum(span.speech_end - span.speech_start for span in self.spans) / STT_SAMPLE_RATE

    def pieces(self, seconds: float) -> "list[Chunk]":
        """The same in pieces of at most so many seconds, cut where they are quietest."""
        longest = round(seconds * STT_SAMPLE_RATE)
        found: list[Chunk] = []
        start = 0
        while len(self.audio) - start > longest:
            end = _quietest(self.audio, start + longest // 2, start + longest)
            found.append(self._part(start, end))
            start = end
        return [*found, self._part(start, len(self.audio))]

    def pieces_from(self, starts: Sequence[float]) -> "list[Chunk]":
        """The same in a piece for each time at which something begins, cut where it is quiet before."""
        cuts = [0]
        for before, start in pairwise(starts):
            sample = round(start * STT_SAMPLE_RATE)
            most = min(_BEFORE, round((start - before) / 4 * STT_SAMPLE_RATE))
            cuts.append(_quietest(self.audio, sample - most, sample))
        return [self._part(*edges) for edges in pairwise([*cuts, len(self.audio)])]

    def _part(self, start: int, end: int) -> "Chunk":
        """The part of the chunk from one sample to another."""
        spans: list[Span] = []
        for span in self.spans:
            first, last = max(start, span.at), min(end, span.at + span.length)
            if first < last:
                begin = span.start + first - span.at
                speech = [
                    min(max(begin, at), begin + last - first) for at in (span.speech_start, span.speech_end)
                ]
                spans.append(Span(first - start, begin, last - first, *speech))
        return Chunk(self.audio[start:end], tuple(spans), min(self.spoken, end) - start)

    def start_in_recording(self, seconds: float) -> float:
        """When something that begins `seconds` into the chunk begins in the recording, in seconds."""
        sample = seconds * STT_SAMPLE_RATE
        span = next((span for span in reversed(self.spans) if span.at <= sample), self.spans[0])
        return self._moved(span, sample)

    def end_in_recording(self, seconds: float) -> float:
        """When something that ends `seconds` into the chunk ends in the recording, in seconds."""
        sample = seconds * STT_SAMPLE_RATE
        span = next((span for span in reversed(self.spans) if span.at < sample), self.spans[0])
        return self._moved(span, sample)

    def word_in_recording(self, start: float, end: float) -> tuple[float, float]:
        """Start and end in the file of a word: both in the span that holds its middle."""
        middle = (start + end) / 2 * STT_SAMPLE_RATE
        span = next((span for span in reversed(self.spans) if span.at <= middle), self.spans[0])
        return self._moved(span, start * STT_SAMPLE_RATE), self._moved(span, end * STT_SAMPLE_RATE)

    @staticmethod
    def _moved(span: Span, sample: float) -> float:
        return (span.start + min(max(sample - span.at, 0), span.length)) / STT_SAMPLE_RATE


class _Part(NamedTuple):
    """A span in the making; frames."""

    start: int
    audio: Audio
    speech_start: int
    speech_end: int


class SpeechSegmenter:
    """Takes blocks of one recording in order and gives its chunks as soon as they are complete."""

    def __init__(self) -> None:
        self._detector = SpeechDetector()
        self._audio = np.zeros(0, np.float32)
        """Samples from frame `_first` on."""
        self._first = 0
        self._probabilities: list[float] = []
        """Speech probability of each frame from `_first` on."""
        self._seen = 0
        """Frames judged so far."""
        self._speaking_since: int | None = None
        self._speech_began = 0
        """The first frame of the speech that goes on."""
        self._last_speech = 0
        """The frame after the last one with speech."""
        self._lead = _EDGE
        """Frames kept before the next span."""
        self._spans: list[_Part] = []
        """Complete spans of the chunk in the making."""

    def push(self, block: Audio) -> Iterator[Chunk]:
        """Take the next block; the chunks that are complete now."""
        self._audio = np.concatenate([self._audio, block])
        yield from self._judge(self._detector.push(block).tolist())

    def pending(self) -> Chunk | None:
        """The chunk in the making, with the speech that goes on now; None if there is none.

        What it holds will be part of the chunks to come.
        """
        parts = list(self._spans)
        if self._speaking_since is not None:
            start, end = self._speaking_since, min(self._seen, self._last_speech + _PAD)
            audio = self._audio[(start - self._first) * FRAME : (end - self._first) * FRAME]
            parts.append(_Part(start, audio.copy(), self._speech_began, min(self._last_speech, end)))
        return _joined(parts) if parts else None

    def finish(self) -> Iterator[Chunk]:
        """No more blocks: the chunks that are left."""
        yield from self._judge(self._detector.finish().tolist())
        if self._speaking_since is not None:
            yield from self._close_span(min(self._seen, self._last_speech + _EDGE))
        if self._spans:
            yield self._close_chunk()

    def _judge(self, probabilities: list[float]) -> Iterator[Chunk]:
        for probability in probabilities:
            self._probabilities.append(probability)
            self._seen += 1
            if self._speaking_since is None:
                if probability >= _ON:
                    self._speaking_since = max(self._seen - 1 - self._lead, self._first)
                    self._speech_began, self._last_speech = self._seen - 1, self._seen
                else:
                    self._forget(self._seen - self._lead)
                continue
            if probability >= _OFF:
                self._last_speech = self._seen
            if self._seen - self._last_speech >= _PAUSE:
                yield from self._close_span(self._last_speech + _PAD)
            elif self._seen - self._speaking_since >= _MAX:
                yield from self._cut(self._speaking_since)

    def _cut(self, start: int) -> Iterator[Chunk]:
        """A span fills a chunk by itself: end it where speech is least likely."""
        if self._spans:
            yield self._close_chunk()
        offset = start - self._first
        last_part = self._probabilities[offset + _CUT_FROM : offset + _MAX]
        at = start + _CUT_FROM + int(np.argmin(last_part))
        yield from self._close_span(at)
        yield self._close_chunk()
        self._speaking_since = self._speech_began = at

    def _close_span(self, end: int) -> Iterator[Chunk]:
        self._lead = _PAD
        start = end if self._speaking_since is None else self._speaking_since
        self._speaking_since = None
        audio = self._audio[(start - self._first) * FRAME : (end - self._first) * FRAME]
        if self._spans and sum(len(part.audio) for part in self._spans) + len(audio) > _MAX * FRAME:
            yield self._close_chunk()
        speech_end = max(self._speech_began, min(self._last_speech, end))
        self._spans.append(_Part(start, audio.copy(), self._speech_began, speech_end))
        self._forget(end)

    def _close_chunk(self) -> Chunk:
        chunk = _joined(self._spans)
        self._spans = []
        return chunk

    def _forget(self, frame: int) -> None:
        """Drop what lies before `frame`."""
        count = frame - self._first
        if count > 0:
            self._audio = self._audio[count * FRAME :]
            del self._probabilities[:count]
            self._first = frame


def _quietest(audio: Audio, first: int, last: int) -> int:
    """The middle of the quietest tenth of a second between two samples."""
    size = STT_SAMPLE_RATE // 10
    sums = np.concatenate([[0.0], np.cumsum(np.square(audio[first:last], dtype=np.float64))])
    return first + int(np.argmin(sums[size:] - sums[:-size])) + size // 2


def _joined(parts: Sequence[_Part]) -> Chunk:
    spans: list[Span] = []
    at = 0
    for start, audio, speech_start, speech_end in parts:
        spans.append(Span(at, start * FRAME, len(audio), speech_start * FRAME, speech_end * FRAME))
        at += len(audio)
    spoken = spans[-1].at + spans[-1].speech_end - spans[-1].start
    return Chunk(np.concatenate([part.audio for part in parts]), tuple(spans), spoken)
