"""Products of a few rows of float32 with a large weight of float16, on AVX2.

The weight is read once: all rows are multiplied with a block of its outputs while that is in the core's
cache. Meanwhile the next block is asked for, so that memory and multipliers work at the same time. A row
alone has tiles of its own, which read four blocks side by side.
"""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Rows, Vector
from src.engines.kernels.float_tiles import (
    HALF_ROWS,
    LANES,
    ROW_GROUPS,
    STEPS,
    put_half_row,
    put_half_tile,
)
from src.engines.kernels.jit import compiled

_NEAR = 8192
"""Weights by which a single tile asks ahead."""


@compiled
def multiply_halves(rows: Rows, weight: NDArray[np.uint16], bias: Vector, out: Rows) -> None:
    """Multiply rows with the transpose of a weight. Needs AVX2, FMA and F16C.

    Args:
        rows: shape (rows, inputs); the number of inputs is a multiple of `STEPS`.
        weight: the bits of float16, shape (outputs / `LANES`, inputs, `LANES`), flat.
        bias: shape (outputs).
        out: the result, shape (rows, outputs).
    """
    count, inputs = rows.shape
    outputs, size = out.shape[1], inputs * LANES
    tiles = (count + HALF_ROWS - 1) // HALF_ROWS
    places = np.empty(tiles * HALF_ROWS, np.int64)
    for row in range(tiles * HALF_ROWS):
        # what a tile has more rows than there are is multiplied like the last, and does not count
        places[row] = min(row, count - 1) * inputs
    given, flat, spare = rows.reshape(-1), out.reshape(-1), np.empty((HALF_ROWS, LANES), np.float32)
    groups, done = outputs // LANES, 0
    if count == 1:
        # a tile with rows that do not count would take longer to multiply than the weight takes to read
        done = groups // ROW_GROUPS * ROW_GROUPS
        for group in range(0, done, ROW_GROUPS):
            lane, begin = group * LANES, group * size
            put_half_row(given, places, 0, inputs, weight, begin, 0, 0, bias, lane, flat, lane, outputs)
    pace = STEPS * LANES // 2 // tiles
    share, distance = size // tiles, size if tiles > 1 else _NEAR
    for group in range(done, groups):
        lane, begin = group * LANES, group * size
        for tile in range(tiles):
            first = tile * HALF_ROWS
            inside = min(HALF_ROWS, count - first)
            target, start, stride = flat, first * outputs + lane, outputs
            if inside < HALF_ROWS:
                target, start, stride = spare.reshape(-1), 0, LANES
            # each asks for its share of the next block
            put_half_tile(
                given, places, first, inputs,
                weight, begin, begin + distance + tile * share, pace,
                bias, lane, target, start, stride,
            )  # fmt: skip
            if inside < HALF_ROWS:
                out[first:count, lane : lane + LANES] = spare[:inside]


def packed_halves(weight: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The weight of `multiply_halves`, from (outputs, inputs)."""
    outputs, inputs = weight.shape
    lanes = weight.astype(np.float16).reshape(outputs // LANES, LANES, inputs).transpose(0, 2, 1)
    return np.ascontiguousarray(lanes).reshape(-1).view(np.uint16)
