"""Where speech is best cut: the quietest place of a little audio."""

import numpy as np

from src.engines.base import Audio

_FRAME = 480
"""Samples over which loudness is compared."""


def quietest(audio: Audio) -> int | None:
    """The sample at which the quietest frame begins; None where there is no whole frame."""
    frames = audio[: len(audio) // _FRAME * _FRAME].reshape(-1, _FRAME)
    return int(np.square(frames).sum(1).argmin()) * _FRAME if len(frames) else None
