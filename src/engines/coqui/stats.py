"""Reads Coqui's `scale_stats.npy` without running code from it.

Coqui opens the file with `allow_pickle=True`, which would run any code in a tampered file.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

_NUMBERS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
}


class _NumbersOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NUMBERS:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, which is no number")
        return super().find_class(module, name)


def read_stats(path: Path) -> dict[str, Any]:
    """`mel_mean`, `mel_std`, `linear_mean` and `linear_std` as arrays, and all other numbers in the file.

    Raises:
        ValueError: the file does not have the format that Coqui writes.
        pickle.UnpicklingError: it holds objects other than numbers.
    """
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ValueError(f"{path} has the unknown .npy version {version}")
        _, _, kind = read_header(file)
        if not kind.hasobject:
            raise ValueError(f"{path} holds no statistics")
        stats = _NumbersOnly(file).load().item()
    if not isinstance(stats, dict):
        raise ValueError(f"{path} holds no statistics")
    return stats
