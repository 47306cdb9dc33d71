"""The sound of a sentence slice by slice, the first one short, so that it is heard soon.

Durations, pitch and frames are those of the whole sentence. Every slice is normalised with the same
statistics (`statistics.py`), so slices that overlap have nearly the same samples there. What differs is the
rounding to 8 bits, and the phases of nearly empty bins of the harmonics, which are sums of float32.
"""

from collections.abc import Sequence

import numpy as np

from src.engines.base import Audio
from src.engines.kokoro.frames import FRAME_SAMPLES, Decoded
from src.engines.kokoro.onnx_model import CONTEXT, OnnxModel
from src.engines.kokoro.statistics import Learnt

_FRAMES_OF_DURATION = 2
"""Frames of the decoder for each one of the durations."""
_SILENCE_KEPT = 10
"""Frames of the silence at the beginning that are made. Sound begins up to 4 frames before its duration; the
rest is what trimming keeps."""
_FIRST = 28
"""Frames of the first slice behind the silence at the beginning: 0.35 s, which hold speech."""
_GROWTH = 1.8
"""Each slice is longer by this factor than the one before: it is made while that one is heard."""
_LEAST = 24
"""Frames of the last slice, at least."""
_FADE = 120
"""Samples in which one slice goes over into the next: 5 ms."""


def bounds(durations: Audio, frames: int) -> list[int]:
    """Frames at which slices begin, and the end of the last one.

    Args:
        durations: of each symbol; the first is the silence at the beginning.
        frames: of the sentence.
    """
    speech = int(durations.ravel()[0]) * _FRAMES_OF_DURATION
    at, length = speech + _FIRST, float(_FIRST)
    found = [max(0, speech - _SILENCE_KEPT)]
    while at < frames:
        found.append(at)
        length *= _GROWTH
        at += round(length)
    if frames - found[-1] < _LEAST and len(found) > 1:
        if len(found) > 2:
            found[-1] = frames - _LEAST
        else:
            found.pop()
    return [*found, frames]


class SlicedSentence:
    """The sound of one sentence, made by one call of `more` after the other.

    Args:
        model: one that makes slices.
        decoded: the sentence.
        expected: what is known of the voice.
    """

    def __init__(self, model: OnnxModel, decoded: Decoded, expected: Learnt) -> None:
        self.expected = expected
        self._model = model
        self._decoded = decoded
        self._bounds: Sequence[int] = bounds(decoded.durations, len(decoded))
        self._at = 0
        self._made: list[Audio] = []
        self._overlap: Audio | None = None
        """The last samples of a slice, which go over into the first ones of the next."""

    @property
    def complete(self) -> bool:
        """Whether the last slice has been made."""
        return self._at == len(self._bounds) - 1

    def more(self, *, rest: bool = False) -> Audio:
        """Make the next slice.

        Args:
            rest: make all that is missing, as one slice.

        Returns:
            All samples so far, from the beginning of the first slice on.
        """
        begin = self._bounds[self._at]
        self._at = len(self._bounds) - 1 if rest else self._at + 1
        end = self._bounds[self._at]
        samples = self._model.slice(self._decoded, begin, end, self.expected.statistics)
        origin = max(0, begin - CONTEXT) * FRAME_SAMPLES
        first, last = begin * FRAME_SAMPLES - origin, end * FRAME_SAMPLES - origin
        half = _FADE // 2
        if self._overlap is not None:
            rising = np.linspace(0.0, 1.0, _FADE, dtype=np.float32)
            new = samples[first - half : first + half]
            self._made.append(self._overlap + rising * (new - self._overlap))
            first += half
        if self.complete:
            self._made.append(samples[first:last])
            self._overlap = None
        else:
            self._made.append(samples[first : last - half])
            self._overlap = samples[last - half : last + half]
        self._made = [np.concatenate(self._made)]
        return self._made[0]
