"""What lies between the parts of the model: frames of a sentence, and what they are normalised with."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from src.engines.base import Audio

FRAME_SAMPLES = 300
"""Samples of a frame of the decoder: 80 frames a second."""
_FRAME_HARMONICS = 60
"""Columns of a frame in the harmonics' spectrogram."""
SAMPLE_RATE = 24_000
"""Hz of every voice."""
HARMONIC_COUNT = 9
"""Sines of the harmonic source: the pitch and its multiples."""

Statistics = tuple[Audio, ...]
"""Mean and variance of each channel over time, wherever the generator normalises: shape (1, channels, 1)."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the front of the model makes of a sentence."""

    frames: Audio
    """Shape (1, 512, frames)."""
    pitch: Audio
    """In Hz, shape (1, frames)."""
    style: Audio
    """Shape (1, 256)."""
    durations: Audio
    """Duration of each symbol; see `durations.py`."""

    def __len__(self) -> int:
        """Number of frames."""
        return int(self.frames.shape[2])

    def cycles_before(self, frame: int) -> Audio:
        """Sum over the frames before `frame` of each harmonic's frequency in cycles a sample, (1, 1, 9).

        It is given modulo 1/300, so that float32 has enough digits: a frame has 300 samples, so 1/300 makes a
        whole cycle of phase.
        """
        harmonics = np.arange(1, HARMONIC_COUNT + 1)
        cycles = self.pitch[0, :frame, None].astype(np.float64) * harmonics / SAMPLE_RATE
        so_far: Audio = (cycles.sum(0) % (1 / FRAME_SAMPLES)).astype(np.float32)
        return so_far[None, None]


@dataclass(frozen=True, slots=True)
class Frames:
    """What the generator makes sound of."""

    frames: Audio
    """Shape (1, 512, frames)."""
    harmonics: Audio
    """Shape (1, 22, 60 x frames + 1)."""
    style: Audio
    """Shape (1, 256)."""


def columns_of(harmonics: Audio, first: int, last: int) -> Audio:
    """Harmonics of the frames from `first` to `last`."""
    return harmonics[:, :, first * _FRAME_HARMONICS : last * _FRAME_HARMONICS + 1]


class FrameGenerator(Protocol):
    """The model's generator: it makes sound of frames."""

    def samples(self, frames: Frames, statistics: Statistics | None) -> Audio:
        """Samples at 24 kHz (n,).

        Args:
            statistics: what the frames are normalised with; None: their own.
        """

    def samples_and_statistics(self, frames: Frames) -> tuple[Audio, Statistics]:
        """The same, normalised with the frames' own statistics, and these."""

    def close(self) -> None:
        """End its threads, if it has any."""
