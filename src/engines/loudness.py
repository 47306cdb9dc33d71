"""How loud speech is."""

import numpy as np

from src.engines.base import Audio

_WINDOW_SECONDS = 0.05
_GATE_DB = -40.0
"""Gate in dB: windows this far below the loudest one are pauses, and do not count."""


def speech_level(audio: Audio, sample_rate: int) -> float | None:
    """RMS of speech of shape (n,) in dB of full scale; None if it is silent or shorter than a window.

    Pauses do not count (a gate, as in EBU R 128): a sentence with a long one must not seem softer.
    """
    window = max(1, int(_WINDOW_SECONDS * sample_rate))
    whole = audio[: len(audio) // window * window]
    if not len(whole):
        return None
    power = np.square(whole.reshape(-1, window), dtype=np.float64).mean(axis=1)
    loud = power[power > power.max() * 10 ** (_GATE_DB / 10)]
    if not len(loud) or loud.mean() == 0:
        return None
    return float(10 * np.log10(loud.mean()))
