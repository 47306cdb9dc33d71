"""The kernels behind the alignment of words, against NumPy."""

import numpy as np
import pytest

from src.engines.kernels.alignment import add_median


@pytest.mark.parametrize("width", [1, 3, 4, 5, 8, 300])
def test_the_median_filter_mirrors_a_row_at_its_ends(width: int) -> None:
    rows = np.random.default_rng(1).standard_normal((3, width)).astype(np.float32)
    rows[:, ::3] = 0.5  # equal numbers
    out = np.ones_like(rows)
    add_median(rows, out)
    filtered = rows
    if width > 3:
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(rows, ((0, 0), (3, 3)), "reflect"), 7, 1)
        filtered = np.median(windows, 2)
    np.testing.assert_array_equal(out, 1 + filtered)
