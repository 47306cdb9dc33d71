"""Loudness normalisation of sentences, and fades so that joins do not click."""

import numpy as np

from src.engines.base import Audio
from src.engines.loudness import speech_level

_TARGET_DB = -20.0
"""Target RMS of the speech in dB relative to full scale: between broadcast (-23) and phone prompts (-18)."""
_MAX_GAIN_DB = 12.0
_PEAK = 0.98


def level(audio: Audio, sample_rate: int, target_db: float = _TARGET_DB) -> Audio:
    """Bring speech of shape (n,) to a common RMS, by one gain of at most 12 dB that never clips."""
    found = speech_level(audio, sample_rate)
    if found is None:
        return audio
    return audio * gain(found, float(np.abs(audio).max()), target_db)


def gain(level_db: float, peak: float, target_db: float = _TARGET_DB) -> np.float32:
    """The factor that brings speech to a common RMS, at most 12 dB.

    Args:
        level_db: of the speech, see `speech_level`.
        peak: its largest sample, which is not to be clipped.
        target_db: the common RMS, in dB of full scale.
    """
    factor = 10 ** (np.clip(target_db - level_db, -_MAX_GAIN_DB, _MAX_GAIN_DB) / 20)
    return np.float32(min(factor, _PEAK / peak) if peak > 0 else factor)


def fade(
    audio: Audio, sample_rate: int, milliseconds: float = 4.0, *, begins: bool = True, ends: bool = True
) -> Audio:
    """Let speech of shape (n,) begin and end at zero, over a few milliseconds: joined, it does not click.

    Args:
        audio: the samples.
        sample_rate: Hz.
        milliseconds: of either fade.
        begins: whether speech begins with the first sample.
        ends: whether it ends with the last one.
    """
    length = min(int(milliseconds / 1000 * sample_rate), len(audio) // 2)
    if length == 0:
        return audio
    ramp = np.linspace(0.0, 1.0, length, dtype=np.float32)
    faded = audio.copy()
    if begins:
        faded[:length] *= ramp
    if ends:
        faded[-length:] *= ramp[::-1]
    return faded
