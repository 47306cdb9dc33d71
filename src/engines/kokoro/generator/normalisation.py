"""AdaIN and the snake activation behind it, from float32 to what an 8-bit convolution takes, in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from src.engines.base import Audio
from src.engines.kernels.snake import add_moments, copy_with_moments, quantize_snake
from src.engines.kokoro.onnx_file import Array

_EPSILON = 1e-5
_LEVELS = 255
_WIDEST = 8.0
"""Standard deviations from the mean that 8 bits have room for; what is farther off is clipped. To make room
for all doubles the mel distance to float32: the rest has coarser steps then."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean, variance and range of each channel over time, each of shape (channels)."""

    mean: Array
    variance: Array
    lowest: Array
    highest: Array

    def normalised_as(self, mean: Audio, variance: Audio) -> "Moments":
        """The same range with another mean and variance."""
        return Moments(_precise(mean), _precise(variance), self.lowest, self.highest)


class MomentsOf:
    """Gathers the moments of a tensor of so many channels, slice by slice."""

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._sum, self._squares = np.zeros(channels), np.zeros(channels)
        self._lowest = np.full(channels, np.inf, np.float32)
        self._highest = np.full(channels, -np.inf, np.float32)

    def add(self, rows: Audio, copy_to: Audio | None = None) -> None:
        """Take rows (samples, channels) in; copy them in the same pass, if wanted."""
        sums, squares = np.zeros((2, rows.shape[1]), np.float32)
        if copy_to is None:
            add_moments(rows, sums, squares, self._lowest, self._highest)
        else:
            copy_with_moments(rows, copy_to, sums, squares, self._lowest, self._highest)
        # each slice is summed in float32, and the slices in float64
        self._count += len(rows)
        self._sum += sums
        self._squares += squares

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Moments:
        """Those of all parts of a tensor."""
        count = sum(each._count for each in parts)
        mean = np.sum([each._sum for each in parts], 0) / count
        squares = np.sum([each._squares for each in parts], 0) / count
        return Moments(
            mean,
            np.maximum(squares - mean * mean, 0.0),
            np.min([each._lowest for each in parts], 0),
            np.max([each._highest for each in parts], 0),
        )


@dataclass(frozen=True, slots=True)
class Quantisation:
    """How numbers become integers of 8 bits: those of `quantize_snake`, and what these stand for."""

    step: float
    zero: int
    """The integer that stands for 0, with which a convolution is padded."""
    factors: tuple[Audio, Audio, Audio, Audio, Audio]

    def rows(self, x: Audio, length: int, begin: int, end: int) -> NDArray[np.uint8]:
        """The samples from `begin` to `end` of a tensor, (end - begin, channels); zeros outside of it.

        Args:
            x: shape (samples, channels), of which the first `length` are the tensor.
        """
        out = np.empty((end - begin, x.shape[1]), np.uint8)
        first, last = max(0, begin), max(0, min(length, end))
        out[: first - begin] = self.zero
        out[last - begin :] = self.zero
        quantize_snake(x[first:last], *self.factors, out[first - begin : last - begin])
        return out


class AdaInSnake:
    """AdaIN by a style, then a snake activation.

    Args:
        weight: from a style to scales and shifts, (2 x channels, 128).
        bias: shape (2 x channels).
        alpha: of the snake, (channels).
    """

    def __init__(self, weight: Array, bias: Array, alpha: Array) -> None:
        self._weight, self._bias = weight, bias
        self._alpha = _precise(alpha)

    def quantisation(self, moments: Moments, style: Audio) -> Quantisation:
        """How the output is quantised.

        Args:
            moments: of the input.
            style: shape (128).
        """
        scale, shift = np.split(_precise(self._weight @ style + self._bias), 2)
        deviation = np.sqrt(moments.variance)
        gain = (1 + scale) / np.sqrt(moments.variance + _EPSILON)
        shift = shift - gain * moments.mean
        lowest = np.maximum(moments.lowest, moments.mean - _WIDEST * deviation)
        highest = np.minimum(moments.highest, moments.mean + _WIDEST * deviation)
        # a snake never falls, so its ends are those of its input
        ends = np.array([self._snake(gain * lowest + shift), self._snake(gain * highest + shift)])
        least, most = min(0.0, float(ends.min())), max(0.0, float(ends.max()))
        step = max((most - least) / _LEVELS, 1e-12)
        zero = round(-least / step)
        turns = self._alpha / np.pi
        return Quantisation(
            step,
            zero,
            (
                (gain / step).astype(np.float32),
                (shift / step + zero).astype(np.float32),
                (turns * gain).astype(np.float32),
                (turns * shift).astype(np.float32),
                (1 / (self._alpha * step)).astype(np.float32),
            ),
        )

    def _snake(self, x: Array) -> Array:
        return np.asarray(x + np.square(np.sin(self._alpha * x)) / self._alpha)


def _precise(vector: Array) -> Array:
    return vector.ravel().astype(np.float64)
