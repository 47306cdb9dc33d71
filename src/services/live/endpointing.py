"""Where an utterance begins and ends in audio that arrives while it is spoken."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.engines.silero import FRAME
from src.engines.vad import SpeechDetector

_HYSTERESIS = 0.15
"""How far the probability must fall below the threshold before speech is taken to pause, as Silero does."""
_SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")
_MIN_FRAMES = 2
"""Frames of speech that begin an utterance: a click is one."""


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """When an utterance begins and ends; the names and defaults are those of OpenAI's `server_vad`."""

    threshold: float = 0.5
    """Probability of speech."""
    prefix_seconds: float = 0.3
    """Audio before the speech that belongs to the utterance: consonants are quiet."""
    silence_seconds: float = 0.5
    """Silence that ends it."""
    unfinished_seconds: float | None = None
    """Silence that ends it while its text is no finished sentence, as in OpenAI's `semantic_vad`; None: as
    `silence_seconds`."""


class Edge(StrEnum):
    """What happens at a place in the audio."""

    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Turn:
    """The start or the end of an utterance."""

    edge: Edge
    sample: int
    """Index from the start of the session; at a start it includes the prefix."""
    judged: int
    """Samples of the session that it takes to find it. What follows a stop is not of that utterance."""


class Endpointer:
    """Finds utterances in one stream of 16 kHz audio.

    Args:
        detection: when they begin and end.
        start: samples of the session before this audio; rounded down to a frame.
    """

    def __init__(self, detection: TurnDetection, start: int = 0) -> None:
        self.detection = detection
        self._detector = SpeechDetector()
        self._frames = start // FRAME
        """Frames of the session up to the last one that was judged."""
        self._finished = False
        """Whether the text so far is a finished sentence."""
        self._run = 0
        """Consecutive frames of speech."""
        self._last_speech = 0
        """The frame after the last one with speech."""
        self._end = start
        """The sample at which the last utterance ended: none begins before."""
        self.probabilities: list[float] = []
        """Speech probability of each frame of the present utterance, from its start on."""
        self._start: int | None = None

    @property
    def speaking(self) -> bool:
        """Whether an utterance goes on."""
        return self._start is not None

    @property
    def speech_end(self) -> int:
        """The sample at which the last speech ends; if it goes on, that of the last frame."""
        return self._last_speech * FRAME

    @property
    def silence(self) -> float:
        """Seconds since the last speech; 0 while it goes on."""
        return (self._frames - self._last_speech) * FRAME / STT_SAMPLE_RATE

    def push(self, block: Audio) -> list[Turn]:
        """Take the next audio. Runs the detector, about 0.1 ms for 32 ms of audio."""
        return [turn for one in self._detector.push(block).tolist() if (turn := self._judge(one))]

    def note_text(self, text: str) -> None:
        """The text of the present utterance so far, which tells how long a pause may be."""
        self._finished = text.rstrip().endswith(_SENTENCE_ENDS)

    def stop(self) -> None:
        """End the utterance here, whatever is said."""
        self._start = None
        self._finished = False
        self._run = 0
        self._end = self._frames * FRAME

    def cut(self, sample: int) -> None:
        """The utterance that goes on begins anew at `sample`."""
        if self._start is not None:
            self.probabilities = self.probabilities[(sample - self._start) // FRAME :]
            self._start = sample

    def quietest(self, start: int, end: int) -> int:
        """The sample from `start` to `end`, inside the present utterance, where speech is least likely."""
        if self._start is None or end - start < 2 * FRAME:
            return end
        first = max(0, (start - self._start) // FRAME)
        last = min(len(self.probabilities), (end - self._start) // FRAME)
        if last <= first:
            return end
        return self._start + (first + int(np.argmin(self.probabilities[first:last]))) * FRAME

    def _judge(self, probability: float) -> Turn | None:
        self._frames += 1
        if self._start is None:
            self._run = self._run + 1 if probability >= self.detection.threshold else 0
            if self._run < _MIN_FRAMES:
                return None
            prefix = round(self.detection.prefix_seconds * STT_SAMPLE_RATE)
            start = max(self._end, (self._frames - self._run) * FRAME - prefix, 0)
            self._start, self._last_speech = start, self._frames
            self.probabilities = [1.0] * (self._frames - start // FRAME)
            return Turn(Edge.START, start, self._frames * FRAME)
        self.probabilities.append(probability)
        if probability >= self.detection.threshold - _HYSTERESIS:
            self._last_speech = self._frames
        longest = self.detection.silence_seconds
        if self.detection.unfinished_seconds is not None and not self._finished:
            longest = self.detection.unfinished_seconds
        if self.silence < longest:
            return None
        self.stop()
        return Turn(Edge.STOP, self._last_speech * FRAME, self._frames * FRAME)
