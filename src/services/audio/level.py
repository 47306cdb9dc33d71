"""Loudness normalisation of sentences, and fades so that joins do not click."""

import numpy as np

from src.engines.base import Audio

_TARGET_DB = -20.0
"""Target RMS of the speech in dB relative to full scale: between broadcast (-23) and phone prompts (-18)."""
_MAX_GAIN_DB = 12.0
_PEAK = 0.98
_WINDOW_SECONDS = 0.05
_GATE_DB = -40.0
"""Gate in dB: windows this far below the loudest one are pauses, and do not count."""


def level(audio: Audio, sample_rate: int, target_db: float = _TARGET_DB) -> Audio:
    """Bring speech of shape (n,) to a common RMS, by one gain of at most 12 dB that never clips.

    Pauses do not count (a gate, as in EBU R 128): a sentence with a long one must not come out louder.
    """
    window = max(1, int(_WINDOW_SECONDS * sample_rate))
    whole = audio[: len(audio) // window * window]
    if not len(whole):
        return audio
    power = np.square(whole.reshape(-1, window), dtype=np.float64).mean(axis=1)
    loud = power[power > power.max() * 10 ** (_GATE_DB / 10)]
    if not len(loud) or loud.mean() == 0:
        return audio
    gain_db = np.clip(target_db - 10 * np.log10(loud.mean()), -_MAX_GAIN_DB, _MAX_GAIN_DB)
    gain = min(10 ** (gain_db / 20), _PEAK / float(np.abs(audio).max()))
    return audio * np.float32(gain)


def fade(audio: Audio, sample_rate: int, milliseconds: float = 4.0) -> Audio:
    """Let speech of shape (n,) begin and end at zero, over a few milliseconds: joined, it does not click."""
    length = min(int(milliseconds / 1000 * sample_rate), len(audio) // 2)
    if length == 0:
        return audio
    ramp = np.linspace(0.0, 1.0, length, dtype=np.float32)
    faded = audio.copy()
    faded[:length] *= ramp
    faded[-length:] *= ramp[::-1]
    return faded
