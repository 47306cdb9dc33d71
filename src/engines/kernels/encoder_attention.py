"""Kernels for attention with products of 16-bit integers and sums in 32 bits.

A query and a key have 13.5 bits and a scale each. Weights have 15 bits, of which the largest has all. Values
have 11 bits, and a scale for each number of the head and each block of 64 positions. This is finer than
bfloat16, which has 8 bits of each number.
"""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Rows
from src.engines.kernels.jit import compiled, inlined
from src.engines.kernels.scalar import ONE, ZERO, floats, from_bits, largest, largest_absolute
from src.engines.kernels.tiles import AT_ONCE, LANES
from src.engines.kernels.word_tiles import PAIRS, ROWS, add_tile, put_tile

QUERIES = 4 * ROWS
"""Queries whose scores are kept at a time: with a head's keys and values they fit the second-level cache."""
_KEY_LEVELS = np.float32(5792)
"""64 products of two such numbers fit 32 bits."""
_WEIGHT_LEVELS = 32767
_VALUE_LEVELS = np.float32(1023)
"""64 products of a weight and a value fit 32 bits."""
_BLOCK = PAIRS * LANES * 2
_HALF = np.float32(0.5)
_TINY = np.float32(1e-12)
_LOG2E = np.float32(1.4426950408889634)
_LOWEST = np.float32(-24)
"""Two to the power of less is no weight."""
_C0, _C1, _C2, _C3, _C4 = floats(
    *(_WEIGHT_LEVELS * factor for factor in (1, 0.693121835, 0.240235888, 0.055917752, 0.009606680))
)
"""Two to the power of -1/2 to 1/2, times `_WEIGHT_LEVELS`: fitted, off by 3e-6 at most."""
_BIAS, _MANTISSA = np.int32(127), np.int32(23)
_HALF_WORD, _LOW_HALF = np.int32(16), np.int32(0xFFFF)


@inlined
def _pair(low: np.int16, high: np.int16) -> np.int32:
    return np.int32((np.int32(high) << _HALF_WORD) | (np.int32(low) & _LOW_HALF))


@inlined
def _round(
    numbers: NDArray[np.float32],
    bits: NDArray[np.int32],
    place: int,
    kind: int,
    head: int,
    out: NDArray[np.int16],
) -> np.float32:
    """Write a query or a key to `out`, rounded to integers; its scale."""
    most = largest_absolute(bits[place, kind], head)
    factor = _KEY_LEVELS / most
    for at in range(numbers.shape[3]):
        level = np.rint(numbers[place, kind, head, at] * factor)
        out[at] = np.int16(np.int32(level))
    return np.float32(most / _KEY_LEVELS)


@compiled
def pack_queries(
    numbers: NDArray[np.float32], kind: int, start: int, queries: NDArray[np.int16], scales: Rows
) -> None:
    """Round queries to integers, each with a scale of its own.

    Args:
        numbers: of positions from `start` on, shape (positions, kinds, heads, `LANES`).
        kind: which of them are queries.
        queries: the result, shape (heads, positions, `LANES`).
        scales: of the result, shape (heads, positions).
    """
    positions, _, heads, _ = numbers.shape
    bits = numbers.view(np.int32)
    for head in range(heads):
        for place in range(positions):
            out = queries[head, start + place]
            scales[head, start + place] = _round(numbers, bits, place, kind, head, out)


@compiled
def pack_keys(
    numbers: NDArray[np.float32],
    kind: int,
    start: int,
    keys: NDArray[np.int32],
    scales: NDArray[np.float32],
) -> None:
    """Round keys to integers, each with a scale of its own.

    Args:
        numbers, kind: as above. `start` is a multiple of `LANES`.
        keys: pairs of a key's numbers, shape (heads, blocks, parts, `PAIRS`, `AT_ONCE` positions).
            What is behind the last position in its block becomes 0.
        scales: shape (heads, blocks, `LANES`).
    """
    positions, _, heads, width = numbers.shape
    bits = numbers.view(np.int32)
    small = np.zeros((LANES, width), np.int16)
    pairs = small.view(np.int32)
    for head in range(heads):
        for begin in range(0, positions, LANES):
            count = min(LANES, positions - begin)
            block = (start + begin) // LANES
            if count < LANES:
                small[count:] = 0
                scales[head, block, count:] = ZERO
            for place in range(count):
                scales[head, block, place] = _round(numbers, bits, begin + place, kind, head, small[place])
            for part in range(LANES // AT_ONCE):
                first = part * AT_ONCE
                for pair in range(PAIRS):
                    for lane in range(AT_ONCE):
                        keys[head, block, part, pair, lane] = pairs[first + lane, pair]


@compiled
def pack_values(
    numbers: NDArray[np.float32],
    kind: int,
    start: int,
    values: NDArray[np.int32],
    scales: NDArray[np.float32],
) -> None:
    """Round values to integers, with a scale for each number of a head in each block.

    Args:
        numbers, kind: as above. `start` is a multiple of `LANES`.
        values: a value's numbers at pairs of positions, shape (heads, blocks, parts, `PAIRS`, `AT_ONCE`).
            What is behind the last position in its block becomes 0.
        scales: shape (heads, blocks, `LANES`).
    """
    positions, _, heads, width = numbers.shape
    small, block_of = np.zeros((LANES, width), np.int16), np.empty((LANES, width), np.float32)
    highest, factors = np.empty(width, np.float32), np.empty(width, np.float32)
    for head in range(heads):
        for begin in range(0, positions, LANES):
            count = min(LANES, positions - begin)
            block = (start + begin) // LANES
            if count < LANES:
                small[count:] = 0
            highest[:] = _TINY
            for place in range(count):
                for at in range(width):
                    value = numbers[begin + place, kind, head, at]
                    block_of[place, at] = value
                    highest[at] = max(highest[at], abs(value))
            for at in range(width):
                scales[head, block, at] = highest[at] / _VALUE_LEVELS
                factors[at] = _VALUE_LEVELS / highest[at]
            for place in range(count):
                for at in range(width):
                    small[place, at] = np.int16(np.int32(np.rint(block_of[place, at] * factors[at])))
            for part in range(LANES // AT_ONCE):
                first = part * AT_ONCE
                for pair in range(PAIRS):
                    low, high = small[2 * pair], small[2 * pair + 1]
                    for lane in range(AT_ONCE):
                        values[head, block, part, pair, lane] = _pair(low[first + lane], high[first + lane])


@compiled
def _softmax(
    scores: Rows,
    bits: NDArray[np.int32],
    row: int,
    positions: int,
    factor: np.float32,
    weights: NDArray[np.int16],
) -> np.float32:
    """Write two to the power of (scores - the largest) x `factor` to `weights`, as integers; their sum."""
    line, small = scores[row], weights[row]
    most = largest(bits[row], 0, positions)
    total = np.int32(0)
    for at in range(positions):
        power = max((line[at] - most) * factor, _LOWEST)
        twos = np.floor(power + _HALF)
        rest = power - twos
        share = _C3 + rest * _C4
        share = _C2 + rest * share
        share = _C1 + rest * share
        share = _C0 + rest * share
        level = np.int32(share * from_bits((np.int32(twos) + _BIAS) << _MANTISSA) + _HALF)
        small[at] = np.int16(level)
        total = np.int32(total + level)
    small[positions:] = 0
    return np.float32(total)


@compiled
def attend(
    queries: NDArray[np.int16],
    query_scales: Rows,
    keys: NDArray[np.int16],
    key_scales: NDArray[np.float32],
    values: NDArray[np.int16],
    value_scales: NDArray[np.float32],
    positions: int,
    begin: int,
    out: NDArray[np.float32],
    scores: Rows,
    weights: NDArray[np.int16],
    sums: Rows,
) -> None:
    """Attention of the queries of some positions to all positions.

    Args:
        queries: as `pack_queries` makes them.
        query_scales: likewise.
        keys: the memory of what `pack_keys` makes, as flat int16.
        key_scales: likewise, flat.
        values: the memory of what `pack_values` makes, as flat int16.
        value_scales: likewise, flat.
        positions: in all blocks. The last block may have been padded.
        begin: the position of the first query.
        out: the result, shape (queries, heads, `LANES`).
        scores: memory to use, whose content does not count; shape (`QUERIES`, positions of all blocks).
        weights: likewise.
        sums: likewise, shape (`QUERIES`, `LANES`).
    """
    heads, _, width = queries.shape
    slots = scores.shape[1]
    blocks = slots // LANES
    asked = np.zeros(QUERIES * LANES, np.int16)
    bits = scores.view(np.int32)
    flat_scores, flat_weights, flat_sums = scores.reshape(-1), weights.reshape(-1), sums.reshape(-1)
    scale = _LOG2E / np.sqrt(np.float32(width))
    for head in range(heads):
        for first in range(0, len(out), QUERIES):
            count = min(QUERIES, len(out) - first)
            tiles = (count + ROWS - 1) // ROWS
            for number in range(count):
                for at in range(LANES):
                    asked[number * LANES + at] = queries[head, begin + first + number, at]
            # block by block, so that all queries read a block while it is in the first-level cache
            for block in range(blocks):
                which = head * blocks + block
                for tile in range(tiles):
                    row = tile * ROWS
                    put_tile(
                        asked, row * LANES, LANES,
                        keys, which * _BLOCK,
                        key_scales, which * LANES,
                        flat_scores, row * slots + block * LANES, slots,
                    )  # fmt: skip
            for number in range(count):
                factor = query_scales[head, begin + first + number] * scale
                total = _softmax(scores, bits, number, positions, factor, weights)
                for at in range(LANES):
                    sums[number, at] = ZERO
                out[first + number, head, 0] = ONE / total
            for block in range(blocks):
                which = head * blocks + block
                for tile in range(tiles):
                    row = tile * ROWS
                    add_tile(
                        flat_weights, row * slots + block * LANES, slots,
                        values, which * _BLOCK,
                        value_scales, which * LANES,
                        flat_sums, row * LANES, LANES,
                    )  # fmt: skip
            for number in range(count):
                share = out[first + number, head, 0]
                for at in range(LANES):
                    out[first + number, head, at] = sums[number, at] * share
