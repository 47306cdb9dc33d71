"""Audio to log-mel frames, and how many frames the encoder should be given."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.engines.whisper.row import FULL_WINDOW, Mel

_HOP = 160
_SHORTEST = 1600
"""Samples below which a row is filled up with silence: the transform needs more than half its length."""

MARGIN = 300
"""Frames of silence that the encoder sees after the speech. With 1 s of it one clip in 80 was written twice
over or ran on until the last token; with 2 s none was, and 3 s leave fewer texts without their end."""
WINDOWS = (500, 600, 700, 800, 900, 1000, 1200, 1500, 2000, 2500, FULL_WINDOW)
"""Frames that rows are rounded up to, so that rows of about the same length share a batch."""
FINE_WINDOWS = range(WINDOWS[0], FULL_WINDOW + 1, 100)
"""The same where each row is encoded by itself."""
LONGEST_SHORT = 1200
"""Windows up to this one are short: read in a fraction of a second, and not made to wait for longer."""


def window_for(frames: int, windows: Sequence[int] = WINDOWS) -> int:
    """The smallest window that holds `frames` and the margin, or the full one."""
    return next((window for window in windows if frames + MARGIN <= window), FULL_WINDOW)


class Features:
    """Log-mel frames as Whisper was trained on. Safe to use from several threads."""

    def __init__(self, folder: Path, mels: int) -> None:
        self.mels = mels
        config = folder / "preprocessor_config.json"
        if config.is_file():
            self.mels = int(json.loads(config.read_text()).get("feature_size", mels))
        self._extract = FeatureExtractor(
            feature_size=self.mels, sampling_rate=STT_SAMPLE_RATE, hop_length=_HOP
        )

    def __call__(self, audio: Audio) -> Mel:
        """Shape (mels, frames) of `audio`, at most 30 s of it."""
        audio = audio[: FULL_WINDOW * _HOP]
        if len(audio) < _SHORTEST:
            audio = np.pad(audio, (0, _SHORTEST - len(audio)))
        mel: Mel = self._extract(audio)[:, :FULL_WINDOW]
        return np.ascontiguousarray(mel, dtype=np.float32)


def stack(mels: Sequence[Mel], window: int) -> Mel:
    """One array of shape (rows, mels, window), each row filled up with zeros as faster-whisper does."""
    out = np.zeros((len(mels), mels[0].shape[0], window), np.float32)
    for row, mel in enumerate(mels):
        frames = min(window, mel.shape[1])
        out[row, :, :frames] = mel[:, :frames]
    return out
