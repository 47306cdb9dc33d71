"""What lies between the two parts of the model: frames of a sentence, and what they are normalised with."""

from dataclasses import dataclass
from typing import Protocol

from src.engines.base import Audio

FRAME_SAMPLES = 300
"""Samples of a frame of the decoder: 80 frames a second."""
_FRAME_HARMONICS = 60

Statistics = tuple[Audio, ...]
"""Mean and variance of each channel over time, wherever the generator normalises: shape (1, channels, 1)."""


@dataclass(frozen=True, slots=True)
class Frames:
    """What the front of the model makes of a sentence."""

    frames: Audio
    """Shape (1, 512, frames)."""
    harmonics: Audio
    """Shape (1, 22, 60 x frames + 1)."""
    style: Audio
    """Shape (1, 256)."""
    durations: Audio
    """Duration of each symbol; see `durations.py`."""

    def __len__(self) -> int:
        """Number of frames."""
        return int(self.frames.shape[2])

    def part(self, first: int, last: int) -> "Frames":
        """Those from `first` to `last`, with the same durations."""
        return Frames(
            self.frames[:, :, first:last],
            self.harmonics[:, :, first * _FRAME_HARMONICS : last * _FRAME_HARMONICS + 1],
            self.style,
            self.durations,
        )


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
