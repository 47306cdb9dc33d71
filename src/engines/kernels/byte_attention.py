"""Cross-attention of a decoder step over keys and values of 8 bits, on AVX-512 VNNI.

Reading keys and values is what such a step costs for long audio, so they have as few bits as do no harm.
Queries and weights are few, and have 16 bits: two bytes each, which are multiplied one after the other.
"""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Heads, Rows
from src.engines.kernels.byte_tiles import QUAD, ROWS, put_single_tile, put_tile
from src.engines.kernels.jit import compiled, inlined
from src.engines.kernels.scalar import ZERO, exp, floats, largest, largest_absolute
from src.engines.kernels.tiles import LANES

_LEVELS, _QUERY_LEVELS, _WEIGHT_LEVELS, _HIGH = floats(127, 127 * 256, 65535, 256)
_HALF = np.float32(0.5)
_TINY = np.float32(1e-30)
_BLOCK = LANES * LANES
"""Bytes of a block of keys, and of the values at as many positions."""


@inlined
def _round(numbers: Heads, position: int, head: int, line: Rows, levels: NDArray[np.int8]) -> np.float32:
    """Write a key or a value to `levels`, rounded to bytes; their scale. `line` is memory to use."""
    for at in range(LANES):
        line[0, at] = numbers[position, head, at]
    most = largest_absolute(line.view(np.int32), 0)
    factor = _LEVELS / most
    for at in range(LANES):
        levels[at] = np.int8(np.int32(np.rint(line[0, at] * factor)))
    return np.float32(most / _LEVELS)


@compiled
def pack(
    keys: Heads,
    values: Heads,
    packed_keys: NDArray[np.int8],
    key_offsets: NDArray[np.int32],
    key_scales: Rows,
    packed_values: NDArray[np.int8],
    value_scales: Rows,
) -> None:
    """Round keys and values to bytes, each with a scale of its own.

    Args:
        keys: shape (positions, heads, `LANES`); need not be contiguous.
        values: likewise.
        packed_keys: the result, shape (heads, blocks, `LANES` / `QUAD`, `LANES` positions, `QUAD`). What is
            behind the last position becomes 0, here and below.
        key_offsets: what the sums of unsigned bytes with a key begin with, shape (heads, blocks x `LANES`).
        key_scales: likewise.
        packed_values: shape (heads, blocks x `LANES` / `QUAD` positions, `LANES`, `QUAD` positions).
        value_scales: as `key_scales`.
    """
    positions, heads, _ = keys.shape
    slots = key_scales.shape[1]
    line, levels = np.empty((1, LANES), np.float32), np.empty(LANES, np.int8)
    for head in range(heads):
        for position in range(slots):
            block, lane = position // LANES, position % LANES
            offset = 0
            if position < positions:
                key_scales[head, position] = _round(keys, position, head, line, levels)
            else:
                key_scales[head, position] = ZERO
                levels[:] = 0
            for at in range(LANES):
                packed_keys[head, block, at // QUAD, lane, at % QUAD] = levels[at]
                offset += levels[at]
            key_offsets[head, position] = -128 * offset
            if position < positions:
                value_scales[head, position] = _round(values, position, head, line, levels)
            else:
                value_scales[head, position] = ZERO
            four, place = position // QUAD, position % QUAD
            for at in range(LANES):
                packed_values[head, four, at, place] = levels[at]


@inlined
def _split_query(
    query: Heads, token: int, head: int, line: Rows, high: NDArray[np.uint8], low: NDArray[np.uint8]
) -> np.float32:
    """Write a query to `high` and `low`, as unsigned bytes (128 of `high` stand for 0); its scale."""
    for at in range(LANES):
        line[0, at] = query[token, head, at]
    most = largest_absolute(line.view(np.int32), 0)
    factor = _QUERY_LEVELS / most
    for at in range(LANES):
        level = np.int32(np.rint(line[0, at] * factor))
        high[at] = np.uint8((level >> 8) + 128)
        low[at] = np.uint8(level & 255)
    return np.float32(most / _QUERY_LEVELS)


@compiled
def attend(
    query: Heads,
    keys: NDArray[np.int8],
    key_offsets: NDArray[np.int32],
    key_scales: Rows,
    values: NDArray[np.int8],
    value_scales: Rows,
    positions: int,
    out: Heads,
) -> None:
    """Attention of tokens to the encoder's output.

    Args:
        query: queries, already divided by the square root of the head width; shape (tokens, heads, `LANES`).
        keys: as `pack` makes them, flat.
        key_offsets, key_scales: likewise, not flat.
        values: likewise, flat.
        value_scales: likewise, not flat.
        positions: encoder positions in all blocks.
        out: the result, in the shape of `query`.
    """
    tokens, heads, _ = query.shape
    slots = key_scales.shape[1]
    blocks, steps = slots // LANES, LANES // QUAD
    rows = (tokens + ROWS - 1) // ROWS * ROWS
    line = np.empty((1, LANES), np.float32)
    high, low = np.zeros((rows, LANES), np.uint8), np.zeros((rows, LANES), np.uint8)
    upper, lower = np.empty((rows, slots), np.float32), np.empty((rows, slots), np.float32)
    high_weights, low_weights = np.zeros((rows, slots), np.uint8), np.zeros((rows, slots), np.uint8)
    high_sums, low_sums = np.empty((rows, LANES), np.float32), np.empty((rows, LANES), np.float32)
    query_scales, factors = np.empty(tokens, np.float32), np.empty(tokens, np.float32)
    nothing, ones = np.zeros(slots, np.int32), np.ones(LANES, np.float32)
    bits, weight_bits = upper.view(np.int32), lower.view(np.int32)
    flat_high, flat_low = high.reshape(-1), low.reshape(-1)
    flat_upper, flat_lower = upper.reshape(-1), lower.reshape(-1)
    flat_high_weights, flat_low_weights = high_weights.reshape(-1), low_weights.reshape(-1)
    flat_high_sums, flat_low_sums = high_sums.reshape(-1), low_sums.reshape(-1)
    for head in range(heads):
        offsets, scales = key_offsets[head], key_scales[head]
        begin = head * blocks * _BLOCK
        for token in range(tokens):
            query_scales[token] = _split_query(query, token, head, line, high[token], low[token])
        # block by block, so that all tokens read a block while it is in the first-level cache
        for block in range(blocks):
            lane, key = block * LANES, begin + block * _BLOCK
            for row in range(0, rows, ROWS):
                put_single_tile(
                    flat_high, row * LANES, LANES,
                    keys, key, key + 2 * _BLOCK, steps,
                    offsets, scales, lane,
                    flat_upper, row * slots + lane, slots,
                )  # fmt: skip
                put_tile(
                    flat_low, row * LANES, LANES,
                    keys, key, key + 2 * _BLOCK, steps,
                    nothing, scales, lane,
                    flat_lower, row * slots + lane, slots,
                )  # fmt: skip
        for token in range(tokens):
            scores, weights, scale = upper[token], lower[token], query_scales[token]
            for at in range(slots):
                scores[at] = (scores[at] * _HIGH + weights[at]) * scale
            most = largest(bits[token], 0, positions)
            total = ZERO
            for at in range(positions):
                share = exp(scores[at] - most)
                total += share
                weights[at] = share * value_scales[head, at]
            highest = max(largest(weight_bits[token], 0, positions), _TINY)
            factor = _WEIGHT_LEVELS / highest
            for at in range(positions):
                level = np.int32(weights[at] * factor + _HALF)
                high_weights[token, at] = np.uint8(level >> 8)
                low_weights[token, at] = np.uint8(level & 255)
            factors[token] = highest / (_WEIGHT_LEVELS * total)
        for row in range(0, rows, ROWS):
            put_single_tile(
                flat_high_weights, row * slots, slots,
                values, begin, begin + 4 * _BLOCK, slots // QUAD,
                nothing, ones, 0,
                flat_high_sums, row * LANES, LANES,
            )  # fmt: skip
            put_tile(
                flat_low_weights, row * slots, slots,
                values, begin, begin + blocks * _BLOCK, slots // QUAD,
                nothing, ones, 0,
                flat_low_sums, row * LANES, LANES,
            )  # fmt: skip
        for token in range(tokens):
            factor = factors[token]
            for at in range(LANES):
                out[token, head, at] = (high_sums[token, at] * _HIGH + low_sums[token, at]) * factor
