"""Kernels between a vocoder's 8-bit convolutions: snake activation and quantisation, moments, means."""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Rows, Vector
from src.engines.kernels.jit import compiled
from src.engines.kernels.scalar import ZERO, floats

_LARGEST = np.float32(255)
_S0, _S1, _S2, _S3, _S4, _S5 = floats(
    9.869604338, -32.469677261, 42.727416825, -30.104209520, 13.063845646, -3.380444884
)
"""sin(pi r)^2 = u (s0 + u (s1 + ...)) with u = r^2, for |r| <= 1/2: fitted, off by 7e-8 at most."""


@compiled
def quantize_snake(
    x: Rows,
    scale: Vector,
    shift: Vector,
    turns: Vector,
    phase: Vector,
    height: Vector,
    out: NDArray[np.uint8],
) -> None:
    """scale x + shift + height sin(pi (turns x + phase))^2, rounded to 0..255.

    Args:
        x: shape (rows, width); the vectors have a number for each column.
        out: shape (rows, width).
    """
    rows, width = x.shape
    for row in range(rows):
        for at in range(width):
            value = x[row, at]
            angle = turns[at] * value + phase[at]
            angle -= np.rint(angle)
            square = angle * angle
            sine = _S4 + square * _S5
            sine = _S2 + square * (_S3 + square * sine)
            sine = square * (_S0 + square * (_S1 + square * sine))
            level = scale[at] * value + shift[at] + height[at] * sine
            level = min(max(level, ZERO), _LARGEST)
            out[row, at] = np.uint8(np.int32(np.rint(level)))


@compiled
def add_moments(x: Rows, sums: Vector, squares: Vector, lowest: Vector, highest: Vector) -> None:
    """Add each column's sum and sum of squares to what was, and take its smallest and largest number in."""
    rows, width = x.shape
    for row in range(rows):
        for at in range(width):
            value = x[row, at]
            sums[at] += value
            squares[at] += value * value
            lowest[at] = min(lowest[at], value)
            highest[at] = max(highest[at], value)


@compiled
def copy_with_moments(
    x: Rows, out: Rows, sums: Vector, squares: Vector, lowest: Vector, highest: Vector
) -> None:
    """`add_moments`, and copy `x` to `out` in the same pass."""
    # an inlined function for both is not vectorised, and takes 4 to 7 times as long
    rows, width = x.shape
    for row in range(rows):
        for at in range(width):
            value = x[row, at]
            out[row, at] = value
            sums[at] += value
            squares[at] += value * value
            lowest[at] = min(lowest[at], value)
            highest[at] = max(highest[at], value)


@compiled
def leaky_mean(x: Rows, second: Rows, third: Rows, slope: np.float32) -> None:
    """The mean of three, then a leaky ReLU. It goes to `x`."""
    rows, width = x.shape
    third_part = np.float32(1) / np.float32(3)
    for row in range(rows):
        for at in range(width):
            value = (x[row, at] + second[row, at] + third[row, at]) * third_part
            x[row, at] = max(value, slope * value)
