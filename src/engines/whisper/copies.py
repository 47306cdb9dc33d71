"""Copies of one sound in a recording, one behind the other, as of a prompt that is played again.

A text that repeats itself is mostly that of a decoder that goes round in a loop, but here it is right. And
the decoder sometimes takes copies for one sound, and writes once what they say.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.engines.whisper.row import FRAMES_PER_SECOND, Mel

_LEAST = round(0.4 * FRAMES_PER_SECOND)
"""Frames of the shortest copy, with the pause behind it."""
_ALIKE = 0.15
"""Share of the energy by which two copies differ at most. They are not equal, because the frames of each
begin elsewhere. None of 400 recorded prompts differs so little from itself."""
_LOUD_ALIKE = 0.3
"""The same for their loudness alone, which is looked at first: it costs a hundredth."""
_QUIET = 0.3
"""Share of the range between the quietest and the loudest frame below which a frame is silence."""
_EDGES = 5
"""Frames that may be loud between two copies: their edges are cut elsewhere."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Where the copies of one sound are."""

    count: int
    start: float
    """Seconds from the start of the row to the first."""
    apart: float
    """Seconds from the beginning of one to that of the next."""

    @property
    def starts(self) -> tuple[float, ...]:
        """Seconds at which each begins."""
        return tuple(self.start + number * self.apart for number in range(self.count))


def find_copies(mel: Mel) -> Copies | None:
    """The copies of one sound that the speech of a row consists of; None if it does not repeat itself.

    The autocorrelation of the spectrogram, each band less its mean, tells how far they are apart.

    Args:
        mel: log-mel spectrogram of shape (mels, frames).
    """
    level = mel.mean(axis=0)
    is_loud = level > level.min() + _QUIET * (level.max() - level.min())
    loud = np.flatnonzero(is_loud)
    if not len(loud) or loud[-1] - loud[0] <= 2 * _LEAST:
        return None
    speech = slice(loud[0], loud[-1] + 1)
    if _differences(level[None, speech]).min() >= _LOUD_ALIKE:
        return None
    differences = _differences(mel[:, speech])
    alike = np.flatnonzero((differences < _ALIKE) & (_loud_between(is_loud[speech]) <= _EDGES))
    if not len(alike):
        return None
    # neighbours of the right lag are alike, too: of the first such group, the most alike
    group = alike[alike < alike[0] + _LEAST // 2]
    apart = _exactly(int(group[np.argmin(differences[group])]) + _LEAST, differences)
    count = math.ceil((speech.stop - speech.start - _EDGES) / apart)
    return Copies(count, float(speech.start) / FRAMES_PER_SECOND, apart / FRAMES_PER_SECOND)


def _exactly(apart: int, differences: NDArray[np.float64]) -> float:
    """Frames between two copies, to a fraction of a frame: those between the first and the last, shared out.

    Args:
        apart: the same as a whole number.
        differences: see `_differences`.
    """
    exact, times = float(apart), 2
    while (first := round(times * exact) - 2 - _LEAST) + 5 <= len(differences):
        best = first + int(np.argmin(differences[first : first + 5]))
        if differences[best] >= _ALIKE:
            break
        exact, times = (best + _LEAST) / times, times + 1
    return exact


def _loud_between(is_loud: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Loud frames between the first copy and the second, if they are so many frames apart, from `_LEAST` on.

    A prompt that begins and ends with the same chime or word does not consist of copies.

    Args:
        is_loud: of each frame of the speech, shape (frames).
    """
    frames = len(is_loud)
    before = np.concatenate([[0], np.cumsum(is_loud)])
    lags = np.arange(_LEAST, frames - _LEAST)
    return np.asarray(before[lags] - before[np.minimum(lags, frames - lags)])


def _differences(bands: Mel) -> NDArray[np.float64]:
    """How much a sound differs from itself so many frames later, from `_LEAST` on: 0 equal, 1 unrelated.

    Args:
        bands: of shape (bands, frames).
    """
    frames = bands.shape[1]
    bands = bands - bands.mean(axis=1, keepdims=True)
    spectrum = np.square(np.abs(np.fft.rfft(bands, 2 * frames))).sum(axis=0)
    products = np.fft.irfft(spectrum)[:frames]
    energies = np.concatenate([[0.0], np.cumsum(np.square(bands).sum(axis=0))])
    lags = np.arange(_LEAST, frames - _LEAST)
    both = energies[frames - lags] + energies[frames] - energies[lags]
    return np.asarray(1 - 2 * products[lags] / np.maximum(both, 1e-9))
