"""Products of rows of bytes with a large weight, on AVX-512 VNNI and on AVX2.

The weight is read once: all rows are multiplied with a block of its outputs while that is in the core's
cache. Meanwhile the next block is asked for, so that memory and multipliers work at the same time.
"""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Rows, Vector
from src.engines.kernels.byte_tiles import LANES, QUAD, ROWS, put_row, put_single_tile, put_tile
from src.engines.kernels.jit import compiled
from src.engines.kernels.scalar import ONE, floats, largest_absolute

LEVELS, ZERO_POINT = 127, 128
"""Quantisation of rows: levels on each side of zero, and the byte that stands for zero."""
_FACTOR, _ZERO = floats(LEVELS, ZERO_POINT)
_NEAR = 16384
"""Bytes by which a single tile asks ahead."""


@compiled
def multiply_bytes(
    rows: Rows,
    weight: NDArray[np.int8],
    begins: NDArray[np.int32],
    factors: Vector,
    out: Rows,
    scales: Vector,
) -> None:
    """Quantise rows, and multiply them with the transpose of a weight. Needs AVX2.

    Without VNNI, two neighbouring products must fit 16 bits.

    Args:
        rows: shape (rows, inputs); they are divided by their largest absolute values.
        weight: shape (outputs / `LANES`, inputs / `QUAD`, `LANES`, `QUAD`), flat. Weights of inputs that a
            row does not have, up to a multiple of `QUAD`, are 0.
        begins: what takes the rows' zero point out of the sums; shape (outputs).
        factors: what the sum of integers of each output is multiplied with, shape (outputs).
        out: the result without the rows' scales, shape (rows, outputs).
        scales: the largest absolute value of each row, which its result still has to be multiplied with.
    """
    count, inputs = rows.shape
    outputs, width = out.shape[1], (inputs + QUAD - 1) // QUAD * QUAD
    tiles = (count + ROWS - 1) // ROWS
    # what is in the last tile's other rows, and behind a row's inputs, does not count
    small = np.empty(tiles * ROWS * width, np.uint8)
    bits = rows.view(np.int32)
    for row in range(count):
        most = scales[row] = largest_absolute(bits, row)
        share = ONE / most
        for at in range(inputs):
            rows[row, at] *= share
        for at in range(inputs):
            # the zero point is added before rounding, as FBGEMM does it
            small[row * width + at] = np.uint8(np.int32(np.rint(rows[row, at] * _FACTOR + _ZERO)))
    flat, spare = out.reshape(-1), np.empty(ROWS * LANES, np.float32)
    steps, size = width // QUAD, width * LANES
    # output by output, so that all rows read a part of the weight while it is in the cache
    for lane in range(0, outputs, LANES):
        line = lane * width
        if count == 1:
            put_row(
                small, 0, width,
                weight, line, line + _NEAR, steps,
                begins, factors, lane,
                flat, lane, outputs,
            )  # fmt: skip
            continue
        for tile in range(tiles):
            first = tile * ROWS
            is_whole = first + ROWS <= count
            target = flat if is_whole else spare
            start, stride = (first * outputs + lane, outputs) if is_whole else (0, LANES)
            if tiles == 1:
                put_single_tile(
                    small, 0, width,
                    weight, line, line + _NEAR, steps,
                    begins, factors, lane,
                    target, start, stride,
                )  # fmt: skip
            else:
                # each asks for its share of the next block
                put_tile(
                    small, first * width, width,
                    weight, line, line + size + tile * (size // tiles), steps,
                    begins, factors, lane,
                    target, start, stride,
                )  # fmt: skip
            if not is_whole:
                for row in range(count - first):
                    for at in range(LANES):
                        out[first + row, lane + at] = spare[row * LANES + at]
