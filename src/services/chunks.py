"""Audio that streams in, cut into chunks of speech.

Pauses are left out; what is left is joined into chunks long enough to give the model something to go by.
Speech without a pause is cut where it is quietest. Only the chunk in the making is held.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.engines.vad import FRAME, SpeechDetector

_FRAMES_PER_SECOND = STT_SAMPLE_RATE / FRAME
_ON = 0.5
"""Probability at which speech begins; Silero's own default."""
_OFF = 0.35
"""Probability below which it ends."""
_PAUSE = round(0.8 * _FRAMES_PER_SECOND)
"""Frames without speech that end a piece."""
_PAD = round(0.32 * _FRAMES_PER_SECOND)
"""Frames kept around a piece: consonants at its edges are quiet."""
_EDGE = round(1.0 * _FRAMES_PER_SECOND)
"""Frames kept before the first speech, and after the last at the end of the file: short clips stay whole."""
MAX_SECONDS = 25.0
_LEFT = round(0.8 * STT_SAMPLE_RATE)
"""Samples of speech after the end of the text that are no mere rounding: where all of it is read, these are
up to 0.35 s, where words are missing 0.9 s and more."""
_PROGRESS = 1.0
"""Seconds that a transcript must cover for the rest to be read. After less, the next might end there, too."""
_MAX = int(MAX_SECONDS * _FRAMES_PER_SECOND)
"""Frames of a chunk. Shorter ones cost accuracy (13 s: 0.5 points), longer ones speed: the encoder's work
grows with the square of its window, and 30 s cost nearly three times what 20 s do."""
_CUT_FROM = int(19 * _FRAMES_PER_SECOND)
"""Speech that fills a chunk is cut at its quietest point after this many frames."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the file that a chunk holds; samples."""

    at: int
    """Where it begins in the chunk."""
    start: int
    """Where it begins in the file."""
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Speech, and where in the file it came from."""

    audio: Audio
    pieces: tuple[Piece, ...]
    spoken: int
    """Samples up to the end of the last speech; what follows is kept for its quiet consonants."""

    def unread(self, seconds: float) -> "Chunk | None":
        """What is left to read if the text ends there; None if that is not worth it.

        Whisper sometimes ends its text, and closes it with a timestamp, seconds before the speech ends.
        """
        start = round(seconds * STT_SAMPLE_RATE)
        if seconds < _PROGRESS or start > self.spoken - _LEFT:
            return None
        pieces = tuple(
            Piece(max(0, piece.at - start), piece.start + max(0, start - piece.at), length)
            for piece in self.pieces
            if (length := min(piece.length, piece.at + piece.length - start)) > 0
        )
        return Chunk(self.audio[start:], pieces, self.spoken - start)

    def start_in_file(self, seconds: float) -> float:
        """When something that begins `seconds` into the chunk begins in the file, in seconds."""
        sample = seconds * STT_SAMPLE_RATE
        piece = next((piece for piece in reversed(self.pieces) if piece.at <= sample), self.pieces[0])
        return self._moved(piece, sample)

    def end_in_file(self, seconds: float) -> float:
        """When something that ends `seconds` into the chunk ends in the file, in seconds."""
        sample = seconds * STT_SAMPLE_RATE
        piece = next((piece for piece in reversed(self.pieces) if piece.at < sample), self.pieces[0])
        return self._moved(piece, sample)

    def word_in_file(self, start: float, end: float) -> tuple[float, float]:
        """Start and end in the file of a word: both in the piece that holds its middle."""
        middle = (start + end) / 2 * STT_SAMPLE_RATE
        piece = next((piece for piece in reversed(self.pieces) if piece.at <= middle), self.pieces[0])
        return self._moved(piece, start * STT_SAMPLE_RATE), self._moved(piece, end * STT_SAMPLE_RATE)

    @staticmethod
    def _moved(piece: Piece, sample: float) -> float:
        return (piece.start + min(max(sample - piece.at, 0), piece.length)) / STT_SAMPLE_RATE


class Chunker:
    """Takes blocks of one file in order and gives its chunks as soon as they are complete."""

    def __init__(self) -> None:
        self._detector = SpeechDetector()
        self._audio = np.zeros(0, np.float32)
        """Samples from frame `_first` on."""
        self._first = 0
        self._probabilities: list[float] = []
        """Of the frames from `_first` on."""
        self._seen = 0
        """Frames judged so far."""
        self._speaking_since: int | None = None
        self._last_speech = 0
        """The frame after the last one with speech."""
        self._lead = _EDGE
        """Frames kept before the next piece."""
        self._speech_end = 0
        """The frame after the last one with speech in the complete pieces."""
        self._pieces: list[tuple[int, Audio]] = []
        """Complete pieces of the chunk in the making: first frame, samples."""

    def push(self, block: Audio) -> Iterator[Chunk]:
        """Take the next block; the chunks that are complete now."""
        self._audio = np.concatenate([self._audio, block])
        yield from self._judge(self._detector.push(block).tolist())

    def finish(self) -> Iterator[Chunk]:
        """No more blocks: the chunks that are left."""
        yield from self._judge(self._detector.finish().tolist())
        if self._speaking_since is not None:
            yield from self._close_piece(min(self._seen, self._last_speech + _EDGE))
        if self._pieces:
            yield self._close_chunk()

    def _judge(self, probabilities: list[float]) -> Iterator[Chunk]:
        for probability in probabilities:
            self._probabilities.append(probability)
            self._seen += 1
            if self._speaking_since is None:
                if probability >= _ON:
                    self._speaking_since = max(self._seen - 1 - self._lead, self._first)
                    self._last_speech = self._seen
                else:
                    self._forget(self._seen - self._lead)
                continue
            if probability >= _OFF:
                self._last_speech = self._seen
            if self._seen - self._last_speech >= _PAUSE:
                yield from self._close_piece(self._last_speech + _PAD)
            elif self._seen - self._speaking_since >= _MAX:
                yield from self._cut(self._speaking_since)

    def _cut(self, start: int) -> Iterator[Chunk]:
        """A piece fills a chunk by itself: end it where speech is least likely."""
        if self._pieces:
            yield self._close_chunk()
        offset = start - self._first
        last_part = self._probabilities[offset + _CUT_FROM : offset + _MAX]
        at = start + _CUT_FROM + int(np.argmin(last_part))
        yield from self._close_piece(at)
        yield self._close_chunk()
        self._speaking_since = at

    def _close_piece(self, end: int) -> Iterator[Chunk]:
        self._lead = _PAD
        start = end if self._speaking_since is None else self._speaking_since
        self._speaking_since = None
        audio = self._audio[(start - self._first) * FRAME : (end - self._first) * FRAME]
        if self._pieces and sum(len(piece) for _, piece in self._pieces) + len(audio) > _MAX * FRAME:
            yield self._close_chunk()
        self._pieces.append((start, audio.copy()))
        self._speech_end = min(self._last_speech, end)
        self._forget(end)

    def _close_chunk(self) -> Chunk:
        pieces, at = [], 0
        for start, audio in self._pieces:
            pieces.append(Piece(at, start * FRAME, len(audio)))
            at += len(audio)
        audio = np.concatenate([audio for _, audio in self._pieces])
        spoken = pieces[-1].at + self._speech_end * FRAME - pieces[-1].start
        chunk = Chunk(audio, tuple(pieces), spoken)
        self._pieces = []
        return chunk

    def _forget(self, frame: int) -> None:
        """Drop what lies before `frame`."""
        count = frame - self._first
        if count > 0:
            self._audio = self._audio[count * FRAME :]
            del self._probabilities[:count]
            self._first = frame
