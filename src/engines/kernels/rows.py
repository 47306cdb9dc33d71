"""Kernels around matrix products: scaling and quantising rows before, bias and activation after."""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Rows, Vector
from src.engines.kernels.jit import compiled
from src.engines.kernels.scalar import ONE, ZERO, largest_absolute
from src.engines.kernels.scalar import gelu as gelu_of

_EPSILON = np.float32(1e-5)


@compiled
def scale(rows: Rows, scales: Vector) -> None:
    """Divide each row by its largest absolute value, which goes to `scales`. In place."""
    count, width = rows.shape
    bits = rows.view(np.int32)
    for row in range(count):
        most = scales[row] = largest_absolute(bits, row)
        share = ONE / most
        for at in range(width):
            rows[row, at] *= share


@compiled
def quantize(rows: Rows, levels: int, zero_point: int, out: NDArray[np.uint8], scales: Vector) -> None:
    """Quantise each row so that its largest absolute value becomes `levels` above `zero_point`.

    The largest absolute value goes to `scales`.
    """
    count, width = rows.shape
    bits = rows.view(np.int32)
    for row in range(count):
        most = scales[row] = largest_absolute(bits, row)
        factor = np.float32(levels) / most
        for at in range(width):
            out[row, at] = np.uint8(np.int32(np.rint(rows[row, at] * factor)) + zero_point)


@compiled
def rescale(rows: Rows, scales: Vector, bias: Vector, factor: np.float32) -> None:
    """Undo the scaling of a product's rows, add the bias, multiply by `factor`. In place."""
    count, width = rows.shape
    for row in range(count):
        most = scales[row]
        for at in range(width):
            rows[row, at] = (rows[row, at] * most + bias[at]) * factor


@compiled
def rescale_gelu(rows: Rows, scales: Vector, bias: Vector) -> None:
    """Undo the scaling of a product's rows, add the bias, apply GELU. In place."""
    count, width = rows.shape
    for row in range(count):
        most = scales[row]
        for at in range(width):
            rows[row, at] = gelu_of(rows[row, at] * most + bias[at])


@compiled
def rescale_add(x: Rows, rows: Rows, scales: Vector, bias: Vector) -> None:
    """Undo the scaling of a product's rows, add the bias, and add the result to `x` (the residual)."""
    count, width = x.shape
    for row in range(count):
        most = scales[row]
        for at in range(width):
            x[row, at] += rows[row, at] * most + bias[at]


@compiled
def layer_norm(x: Rows, gamma: Vector, beta: Vector, out: Rows) -> None:
    """Layer normalisation over each row, with epsilon 1e-5."""
    count, width = x.shape
    for row in range(count):
        mean = ZERO
        for at in range(width):
            mean += x[row, at]
        mean /= np.float32(width)
        variance = ZERO
        for at in range(width):
            off = x[row, at] - mean
            variance += off * off
        spread = ONE / np.sqrt(variance / np.float32(width) + _EPSILON)
        for at in range(width):
            out[row, at] = (x[row, at] - mean) * spread * gamma[at] + beta[at]
