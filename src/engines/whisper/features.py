"""Log-mel spectrograms, and the window of frames that the encoder is given."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.engines.whisper.row import FULL_WINDOW, Mel

_HOP = 160
_SHORTEST = 1600
"""Fewest samples of a row; shorter ones are padded with silence, because the transform needs 200 samples."""

_MARGIN = 300
"""Frames of silence after the speech. With 1 s of it one clip in 80 was written twice or ran on until the
last token. With 2 s none was, and with 3 s fewer texts lack their end."""
_LIVE_MARGIN = 80
"""Frames of silence after audio that is still growing. What is written of its last moments is not kept. With
60 of them more stable words were wrong."""
_SHORTEST_WINDOW, _SHORTEST_LIVE_WINDOW = 500, 200
_WINDOW_STEP = 100
"""Windows are multiples of 1 s, on every device, so that a row gets the same text on each.

Coarser ones (11 in place of 26) would fill the batches of a GPU better: 4 rows of a long file, not 2.4.
But a CPU would need 10 % more time for that file (Xeon, AVX-512 BF16), and its text was no better.
"""
_LIVE_WINDOW_STEP = 20
"""Likewise for audio that is still growing: its rows share no batch of a GPU anyway, because most of them are
given texts of different lengths."""


def window_for(frames: int) -> int:
    """The smallest window that holds `frames` and the margin, else the full one."""
    return _window(frames + _MARGIN, _SHORTEST_WINDOW, _WINDOW_STEP)


def live_window_for(frames: int) -> int:
    """As `window_for`, for audio that is still growing."""
    return _window(frames + _LIVE_MARGIN, _SHORTEST_LIVE_WINDOW, _LIVE_WINDOW_STEP)


def _window(frames: int, shortest: int, step: int) -> int:
    return min(max(-(-frames // step) * step, shortest), FULL_WINDOW)


class _MelFilters:
    """The filter bank of a spectrogram, of which two in a hundred numbers are not zero.

    NumPy would multiply by all of them, on threads of OpenBLAS that wait for each other in a loop: 13 ms of
    CPU time for a clip of 5 s.

    Args:
        filters: shape (mels, frequencies).
    """

    def __init__(self, filters: Mel) -> None:
        bands, self._frequencies = np.nonzero(filters)
        self._weights = filters[bands, self._frequencies][:, None]
        self._starts = np.flatnonzero(np.diff(bands, prepend=-1))
        self._bands = bands[self._starts]  # a band may be without a frequency
        self._mels = len(filters)

    def __matmul__(self, magnitudes: Mel) -> Mel:
        """Energies of shape (mels, frames), of magnitudes of shape (frequencies, frames)."""
        energies = np.zeros((self._mels, magnitudes.shape[1]), np.float32)
        weighed = magnitudes[self._frequencies] * self._weights
        energies[self._bands] = np.add.reduceat(weighed, self._starts)
        return energies


class Features:
    """Log-mel spectrograms as Whisper was trained on: 10 ms a frame. Safe to use from several threads.

    Args:
        folder: the model's; `preprocessor_config.json` there says how many mel bands it takes.
        mels: mel bands where that file is missing.
    """

    def __init__(self, folder: Path, mels: int) -> None:
        self.mels = mels
        config = folder / "preprocessor_config.json"
        if config.is_file():
            self.mels = int(json.loads(config.read_text()).get("feature_size", mels))
        self._extract = FeatureExtractor(
            feature_size=self.mels, sampling_rate=STT_SAMPLE_RATE, hop_length=_HOP
        )
        self._extract.mel_filters = _MelFilters(self._extract.mel_filters)

    def __call__(self, audio: Audio) -> Mel:
        """The spectrogram of at most 30 s of `audio`, shape (mels, frames)."""
        audio = audio[: FULL_WINDOW * _HOP]
        if len(audio) < _SHORTEST:
            audio = np.pad(audio, (0, _SHORTEST - len(audio)))
        mel: Mel = self._extract(audio)[:, :FULL_WINDOW]
        return np.ascontiguousarray(mel, dtype=np.float32)


def stack(mels: Sequence[Mel], window: int) -> Mel:
    """One array of shape (rows, mels, window); rows are padded with zeros, as faster-whisper does."""
    out = np.zeros((len(mels), mels[0].shape[0], window), np.float32)
    for row, mel in enumerate(mels):
        frames = min(window, mel.shape[1])
        out[row, :, :frames] = mel[:, :frames]
    return out
