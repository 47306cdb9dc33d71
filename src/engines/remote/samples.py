"""Audio between processes: 16 bits a sample, half of the bytes, where nothing of it is lost."""

from typing import Any

import numpy as np

_SCALE = 32768


def packed(value: Any) -> Any:
    """Audio (float32) as 16-bit samples if each of its samples is one of their 65,536 values.

    The decoder processes give such audio. Any other value is returned as it is.
    """
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        return value
    with np.errstate(invalid="ignore"):  # NaN, and samples outside the range, differ below
        scaled = value * np.float32(_SCALE)
        samples = scaled.astype(np.int16)
    return samples if np.array_equal(samples, scaled) else value


def unpacked(value: Any) -> Any:
    """What `packed` was given, to the bit."""
    if not isinstance(value, np.ndarray) or value.dtype != np.int16:
        return value
    return np.multiply(value, np.float32(1 / _SCALE), dtype=np.float32)
