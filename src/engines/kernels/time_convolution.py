"""Convolutions over time in float32 on AVX2, from the tiles of `float_tiles.py`.

The kernels go through the time block by block. A block of the input, after its leaky ReLU, is small enough
for the core's cache, and so an activation needs no pass of its own.
"""

import math

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Rows, Vector
from src.engines.kernels.float_tiles import (
    LANES,
    NARROW_LANES,
    NARROW_ROWS,
    ROWS,
    put_narrow_tile,
    put_tile,
)
from src.engines.kernels.jit import compiled, inlined
from src.engines.kernels.scalar import ZERO

_BLOCK = 16 * ROWS
"""Samples of a block, or some more."""
_TILE = ROWS * LANES


@inlined
def _read(x: Rows, begin: int, slope: np.float32, count: int, out: Vector) -> None:
    """Write `count` samples from `begin` on, after a leaky ReLU, to `out`; 0 where `x` has none."""
    length, width = x.shape
    lowest, highest = max(0, min(count, -begin)), max(0, min(count, length - begin))
    out[: lowest * width] = ZERO
    out[highest * width : count * width] = ZERO
    if lowest < highest:
        given = x[begin + lowest : begin + highest].reshape(-1)
        to = out[lowest * width : highest * width]
        for at in range(len(to)):
            to[at] = max(given[at], slope * given[at])


@inlined
def _write(made: Vector, base: Vector, out: Vector, slope: np.float32, add: bool) -> None:
    """Write `LANES` numbers to `out`: their sums with `base`, or themselves after a leaky ReLU."""
    if add:
        for lane in range(LANES):
            out[lane] = base[lane] + made[lane]
    else:
        for lane in range(LANES):
            out[lane] = max(made[lane], slope * made[lane])


@compiled
def convolve(
    x: Rows,
    first: int,
    slope: np.float32,
    weights: Vector,
    bias: Vector,
    taps: int,
    dilation: int,
    out: Rows,
    out_slope: np.float32,
    base: Rows,
    add: bool,
) -> None:
    """Each sample of `out` becomes the sum over the taps of (sample of x) @ (weight of the tap).

    Args:
        x: shape (samples, inputs); 0 before and after. The number of inputs is a multiple of four.
        first: the sample of `x` that the first tap of `out[0]` is for. It may be negative.
        slope: of a leaky ReLU of `x`; 1: none.
        weights: as `packed_weights` makes them.
        bias: a number for each output.
        dilation: distance of two taps.
        out: shape (samples, outputs).
        out_slope: of a leaky ReLU of the result; 1: none.
        base: of the shape of `out`; it may be `out`.
        add: add the result to `base`; then `out_slope` is not used.
    """
    inputs, (length, outputs) = x.shape[1], out.shape
    wide = outputs % LANES == 0
    height, lanes = (ROWS, LANES) if wide else (NARROW_ROWS, NARROW_LANES)
    reach = (taps - 1) * dilation
    rows = np.empty((_BLOCK + reach) * inputs, np.float32)
    places = np.arange(_BLOCK) * inputs
    flat, flat_spare = out.reshape(-1), np.zeros(_TILE, np.float32)
    spare = flat_spare.reshape(height, lanes)
    # neighbouring taps are neighbours in memory, too
    parts, depth = (1, taps * inputs) if dilation == 1 else (taps, inputs)
    size = taps * inputs * lanes
    for begin in range(0, length, _BLOCK):
        count = min(_BLOCK, length - begin)
        tiles = (count + height - 1) // height
        _read(x, first + begin, slope, tiles * height + reach, rows)
        for group in range(outputs // lanes):
            lane = group * lanes
            offsets = bias[lane : lane + lanes]
            for tile in range(tiles):
                row = tile * height
                inside = min(height, count - row)
                begins, from_, from_stride = bias, lane, 0
                if add:
                    for further in range(inside):
                        to, one = spare[further], base[begin + row + further, lane : lane + lanes]
                        for at in range(lanes):
                            to[at] = one[at] + offsets[at]
                    begins, from_, from_stride = flat_spare, 0, lanes
                target, start, stride = flat, (begin + row) * outputs + lane, outputs
                if inside < height:
                    target, start, stride = flat_spare, 0, lanes
                if wide:
                    put_tile(
                        rows, places, row, 0, parts, dilation * inputs, depth,
                        weights, group * size, begins, from_, from_stride, target, start, stride,
                    )  # fmt: skip
                else:
                    put_narrow_tile(
                        rows, places, row, 0, parts, dilation * inputs, depth,
                        weights, group * size, begins, from_, from_stride, target, start, stride,
                    )  # fmt: skip
                if inside < height:
                    out[begin + row : begin + count, lane : lane + lanes] = spare[:inside]
        if not add and out_slope != 1:
            made = out[begin : begin + count].reshape(-1)
            for at in range(len(made)):
                made[at] = max(made[at], out_slope * made[at])


@compiled
def mix(x: Rows, other: Rows, weights: Vector, bias: Vector, out: Rows) -> None:
    """Each sample of `out` becomes (sample of x) @ (a weight) + (sample of other) @ (another) + bias.

    Args:
        x: shape (samples, inputs); the numbers of inputs are multiples of four.
        other: shape (samples, other inputs).
        weights: as `packed_weights` makes them, of a layer with the inputs of both.
        out: shape (samples, outputs), a multiple of `LANES`.
    """
    inputs, (length, outputs) = x.shape[1], out.shape
    width = inputs + other.shape[1]
    rows = np.zeros((_BLOCK, width), np.float32)
    places = np.arange(_BLOCK) * width
    flat_rows, flat = rows.reshape(-1), out.reshape(-1)
    spare = np.zeros((ROWS, LANES), np.float32)
    for begin in range(0, length, _BLOCK):
        count = min(_BLOCK, length - begin)
        for row in range(count):
            one, two = x[begin + row], other[begin + row]
            to, further = rows[row, :inputs], rows[row, inputs:]
            for at in range(len(to)):
                to[at] = one[at]
            for at in range(len(further)):
                further[at] = two[at]
        for lane in range(0, outputs, LANES):
            for row in range(0, count, ROWS):
                target, start, stride = flat, (begin + row) * outputs + lane, outputs
                if row + ROWS > count:
                    target, start, stride = spare.reshape(-1), 0, LANES
                put_tile(
                    flat_rows, places, row, 0, 1, 0, width,
                    weights, lane * width, bias, lane, 0, target, start, stride,
                )  # fmt: skip
                if row + ROWS > count:
                    out[begin + row : begin + count, lane : lane + LANES] = spare[: count - row]


@compiled
def convolve_in_pairs(
    x: Rows,
    first: int,
    slope: np.float32,
    weights: Vector,
    bias: Vector,
    dilation: int,
    firsts: NDArray[np.int64],
    out: Rows,
    out_slope: np.float32,
    base: Rows,
    add: bool,
) -> None:
    """`convolve` of three taps with two thirds of the products: Winograd's minimal filtering, F(2, 3).

    Two samples of the result, `dilation` apart, are made together. They take four products, and not six.

    Args:
        weights: as `paired_weights` makes them.
        firsts: what `first_of_pairs` says of the dilation.
    """
    inputs, (length, outputs) = x.shape[1], out.shape
    step = dilation * inputs
    block = 2 * len(firsts)
    places = firsts * inputs
    size = (block + 2 * dilation) * inputs
    rows, outer = np.empty(size, np.float32), np.empty(size, np.float32)
    sums, differences = np.empty(size, np.float32), np.empty(size, np.float32)
    products = np.empty((4, ROWS, LANES), np.float32)
    made, zeros = products.reshape(-1), np.zeros(LANES, np.float32)
    part = inputs * LANES
    for begin in range(0, length, block):
        count = min(block, length - begin)
        _read(x, first + begin, slope, block + 2 * dilation, rows)
        for row in range(block):
            at = row * inputs
            # loops over slices are vectorised: the compiler knows that no index is negative
            one, three = rows[at : at + inputs], rows[at + 2 * step : at + 2 * step + inputs]
            to = outer[at : at + inputs]
            for channel in range(inputs):
                to[channel] = one[channel] - three[channel]
            if row % (2 * dilation) < dilation:
                two = rows[at + step : at + step + inputs]
                to, other = sums[at : at + inputs], differences[at : at + inputs]
                for channel in range(inputs):
                    to[channel] = two[channel] + three[channel]
                    other[channel] = three[channel] - two[channel]
        pairs = np.searchsorted(firsts, count)
        for group in range(outputs // LANES):
            lane, weight = group * LANES, group * 4 * part
            for pair in range(0, pairs, ROWS):
                put_tile(
                    outer, places, pair, 0, 1, 0, inputs,
                    weights, weight, zeros, 0, 0, made, 0, LANES,
                )  # fmt: skip
                put_tile(
                    sums, places, pair, 0, 1, 0, inputs,
                    weights, weight + part, bias, lane, 0, made, _TILE, LANES,
                )  # fmt: skip
                put_tile(
                    differences, places, pair, 0, 1, 0, inputs,
                    weights, weight + 2 * part, zeros, 0, 0, made, 2 * _TILE, LANES,
                )  # fmt: skip
                put_tile(
                    outer, places, pair, step, 1, 0, inputs,
                    weights, weight + 3 * part, zeros, 0, 0, made, 3 * _TILE, LANES,
                )  # fmt: skip
                for row in range(min(ROWS, pairs - pair)):
                    sample = firsts[pair + row]
                    m1, m2, m3, m4 = products[0, row], products[1, row], products[2, row], products[3, row]
                    for at in range(LANES):
                        m1[at] += m2[at] + m3[at]
                        m4[at] = m2[at] - m3[at] - m4[at]
                    near, lanes = begin + sample, slice(lane, lane + LANES)
                    _write(m1, base[near, lanes], out[near, lanes], out_slope, add)
                    if sample + dilation < count:
                        far = near + dilation
                        _write(m4, base[far, lanes], out[far, lanes], out_slope, add)


def first_of_pairs(dilation: int) -> NDArray[np.int64]:
    """The first sample of each pair of a block, in order. Pairs, and tiles of them, are whole."""
    whole = math.lcm(2 * dilation, 2 * ROWS)
    pairs = np.arange(-(-_BLOCK // whole) * whole // 2)
    return pairs // dilation * 2 * dilation + pairs % dilation


def packed_weights(weight: NDArray[np.float32]) -> Vector:
    """The weights of `convolve`, from (outputs, inputs, taps). Lanes of a tile are side by side."""
    outputs, inputs, taps = weight.shape
    width = LANES if outputs % LANES == 0 else NARROW_LANES
    lanes = weight.transpose(2, 1, 0).reshape(taps * inputs, outputs // width, width)
    return np.ascontiguousarray(lanes.transpose(1, 0, 2)).reshape(-1)


def paired_weights(weight: NDArray[np.float32]) -> Vector:
    """The weights of `convolve_in_pairs`, from (outputs, inputs, 3)."""
    one, two, three = np.moveaxis(weight.astype(np.float64), 2, 0)
    products = [one, (one + two + three) / 2, (one - two + three) / 2, three]
    return packed_weights(np.stack(products, 2).astype(np.float32))
