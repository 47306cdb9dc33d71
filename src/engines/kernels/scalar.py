"""Arithmetic of single numbers, inlined into the kernels.

`exp` is Cephes' expf.c, with an error below 1e-7. `gelu` uses the error function of Abramowitz and Stegun,
formula 7.1.26, with an error below 4e-7.
"""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels.jit import inlined


def floats(*numbers: float) -> tuple[np.float32, ...]:
    """The numbers as float32, so that they do not make double precision of a kernel's arithmetic."""
    return tuple(np.float32(number) for number in numbers)


ZERO, ONE = floats(0, 1)
MINUS_INFINITY = np.float32(-np.inf)

_HALF = np.float32(0.5)
_NO_BITS, _UNSIGNED = np.int32(0), np.int32(0x7FFFFFFF)
_LEAST = np.int32(-(2**31))
_TINY = np.float32(1e-12)

_LOWEST, _LOG2E = floats(-64, 1.4426950408889634)
"""Beyond -64, products with the result become subnormal, which CPUs multiply a hundred times slower."""
_LN2, _LN2_REST = floats(0.693359375, -2.12194440e-4)
_E = floats(
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1
)
_T = floats(1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
_P, _ROOT = floats(0.3275911, 0.5**0.5)


@inlined
def from_bits(bits: np.int32) -> np.float32:
    """The float32 with these bits."""
    return np.int32(bits).view(np.float32)


@inlined
def exp(x: np.float32) -> np.float32:
    """e to the power of `x`, for `x` up to 88. Numbers below -64 count as -64."""
    x = max(x, _LOWEST)
    twos = np.floor(x * _LOG2E + _HALF)
    rest = x - twos * _LN2
    rest = rest - twos * _LN2_REST
    sum_ = _E[0]
    sum_ = sum_ * rest + _E[1]
    sum_ = sum_ * rest + _E[2]
    sum_ = sum_ * rest + _E[3]
    sum_ = sum_ * rest + _E[4]
    sum_ = sum_ * rest + _E[5]
    sum_ = sum_ * rest * rest + rest + ONE
    return sum_ * from_bits((np.int32(twos) + 127) << 23)  # type: ignore[no-any-return]


@inlined
def gelu(x: np.float32) -> np.float32:
    """The Gaussian error linear unit."""
    size = abs(x) * _ROOT
    t = ONE / (ONE + _P * size)
    sum_ = _T[0]
    sum_ = sum_ * t + _T[1]
    sum_ = sum_ * t + _T[2]
    sum_ = sum_ * t + _T[3]
    sum_ = sum_ * t + _T[4]
    beyond = sum_ * t * exp(-size * size) * _HALF
    return x * (ONE - beyond) if x > ZERO else x * beyond


@inlined
def ordered(bits: np.int32) -> np.int32:
    """Map the bits of a float32 to an integer of the same order. Applied twice it gives the bits back."""
    return np.int32(bits ^ ((bits >> 31) & _UNSIGNED))


@inlined
def largest(bits: NDArray[np.int32], begin: int, count: int) -> np.float32:
    """The largest of `count` float32 numbers with these bits.

    It compares integers, because compilers vectorise the maximum of integers and not that of floats.
    """
    most = _LEAST
    for at in range(count):
        most = np.int32(max(most, ordered(bits[begin + at])))
    return from_bits(ordered(most))


@inlined
def largest_absolute(bits: NDArray[np.int32], row: int) -> np.float32:
    """The largest absolute value of a row, at least 1e-12, since rows are divided by it."""
    # without the sign bit, the bits of floats are in the order of the floats
    highest = _NO_BITS
    for at in range(bits.shape[1]):
        highest = np.int32(max(highest, bits[row, at] & _UNSIGNED))
    return max(_TINY, from_bits(highest))
