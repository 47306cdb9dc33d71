"""A residual block of the generator, tile by tile, in stages that several threads share."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from src.engines.base import Audio
from src.engines.kokoro.generator.convolution import Int8Convolution
from src.engines.kokoro.generator.normalisation import AdaInSnake, Moments, MomentsOf, Quantisation
from src.engines.worker_pool import Stage

UNIT = 64
"""Samples of which tiles have a multiple: oneDNN prepares itself for each new length."""
_TILE_NUMBERS = 1 << 17
"""Numbers (channels x samples) of a tile: half a megabyte, which stays in a core's cache."""

Part = tuple[int, int]
"""Rows from one to another."""
Normalise = Callable[[str, Moments], Moments]
"""What the AdaIN layer of this name is normalised with, where its input has these moments."""


def rows_for(length: int) -> int:
    """`length`, rounded up to whole units: tensors have as many rows, and the last are no part of them."""
    return -(-length // UNIT) * UNIT


def shares(length: int, count: int) -> list[Part]:
    """Rows from one to another for each of at most `count` threads, in whole units."""
    size = rows_for(-(-length // count))
    return [(begin, min(begin + size, rows_for(length))) for begin in range(0, length, size)]


def tiles(begin: int, end: int, channels: int) -> list[Part]:
    """A share in tiles of about the same length."""
    count = -(-(end - begin) * channels // _TILE_NUMBERS)
    size = rows_for(-(-(end - begin) // count))
    return [(first, min(first + size, end)) for first in range(begin, end, size)]


@dataclass(frozen=True, slots=True)
class Half:
    """AdaIN, snake, convolution."""

    name: str
    """Name of its AdaIN in the graph."""
    snake: AdaInSnake
    convolution: Int8Convolution


class SnakeBlock:
    """See `network.layers.SnakeBlock`.

    Args:
        pairs: the two halves of each residual.
    """

    def __init__(self, pairs: Sequence[tuple[Half, Half]]) -> None:
        self._pairs = pairs
        self.adain_names = [half.name for pair in pairs for half in pair]
        """Names of its AdaIN layers."""

    def stages(
        self, x: Audio, length: int, moments: Moments, style: Audio, normalise: Normalise, threads: int
    ) -> Generator[Stage, None, Audio]:
        """The block's work; returns the output, of the shape of `x`.

        Args:
            x: shape (rows, channels), of which `length` rows count.
            moments: of `x`.
            style: shape (128).
        """
        parts = shares(length, threads)
        channels = x.shape[1]
        inner, total = np.empty_like(x), x
        for one, two in self._pairs:
            quantisation = one.snake.quantisation(normalise(one.name, moments), style)
            found = [MomentsOf(channels) for _ in parts]
            yield [
                partial(_convolve, one, quantisation, total, length, part, inner, into)
                for part, into in zip(parts, found, strict=True)
            ]
            moments = MomentsOf.joined(found)
            quantisation = two.snake.quantisation(normalise(two.name, moments), style)
            found = [MomentsOf(channels) for _ in parts]
            before, total = total, np.empty_like(x) if total is x else total
            yield [
                partial(_convolve_add, two, quantisation, inner, length, part, before, total, into)
                for part, into in zip(parts, found, strict=True)
            ]
            moments = MomentsOf.joined(found)
        return total


def _convolve(
    half: Half,
    quantisation: Quantisation,
    x: Audio,
    length: int,
    part: Part,
    out: Audio,
    moments: MomentsOf,
) -> None:
    reach = half.convolution.reach
    for begin, end in tiles(*part, x.shape[1]):
        rows = quantisation.rows(x, length, begin - reach, end + reach)
        made = half.convolution(rows, quantisation.step, quantisation.zero)
        last = min(end, length)
        moments.add(made[: last - begin], copy_to=out[begin:last])


def _convolve_add(
    half: Half,
    quantisation: Quantisation,
    x: Audio,
    length: int,
    part: Part,
    before: Audio,
    total: Audio,
    moments: MomentsOf,
) -> None:
    reach = half.convolution.reach
    for begin, end in tiles(*part, x.shape[1]):
        rows = quantisation.rows(x, length, begin - reach, end + reach)
        if total is not before:
            total[begin:end] = before[begin:end]
        half.convolution.add_to(total[begin:end], rows, quantisation.step, quantisation.zero)
        moments.add(total[begin : min(end, length)])
