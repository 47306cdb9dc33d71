"""How often the same sound stands in a recording, one copy behind the other.

A text that repeats itself is mostly that of a decoder that goes round in a loop. It is right where the sound
repeats itself, too: a prompt that is played again, or a recorded word that is played three times.
"""

import numpy as np

from src.engines.whisper.row import FRAMES_PER_SECOND, Mel

_LEAST = round(0.4 * FRAMES_PER_SECOND)
"""Frames of the shortest copy, with the pause behind it."""
_ALIKE = 0.15
"""Share of the energy by which two copies differ at most. They are not equal, because the frames of each
begin elsewhere. None of 400 recorded prompts differs so little from itself."""
_QUIET = 0.3
"""Share of the range between the quietest and the loudest frame below which there is silence at the ends."""


def copies(mel: Mel) -> int:
    """The number of copies of one sound that the speech of a row consists of; 1 if it does not repeat itself.

    The autocorrelation of the spectrogram, each band less its mean, tells how far the copies are apart.

    Args:
        mel: log-mel spectrogram of shape (mels, frames).
    """
    level = mel.mean(axis=0)
    loud = np.flatnonzero(level > level.min() + _QUIET * (level.max() - level.min()))
    speech = mel[:, loud[0] : loud[-1] + 1] if len(loud) else mel[:, :0]
    frames = speech.shape[1]
    if frames <= 2 * _LEAST:
        return 1
    speech = speech - speech.mean(axis=1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(speech, 2 * frames)) ** 2
    products = np.fft.irfft(spectrum.sum(axis=0))[:frames]
    energies = np.concatenate([[0.0], np.cumsum(np.square(speech).sum(axis=0))])
    lags = np.arange(_LEAST, frames - _LEAST)
    both = energies[frames - lags] + energies[frames] - energies[lags]
    differences = 1 - 2 * products[lags] / np.maximum(both, 1e-9)
    alike = np.flatnonzero(differences < _ALIKE)
    if not len(alike):
        return 1
    # neighbours of a copy's lag are alike, too: of the first such group, the most alike
    group = alike[alike < alike[0] + _LEAST // 2]
    apart = lags[group[np.argmin(differences[group])]]
    return int(-(-frames // apart))
