"""Kernels for attention in a decoder step: few queries, many keys."""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Heads, Mask, Rows
from src.engines.kernels.intrinsics import add_products
from src.engines.kernels.jit import compiled, inlined
from src.engines.kernels.scalar import MINUS_INFINITY, ONE, ZERO, exp, largest, to_bfloat16


@inlined
def _store(qkv: Rows, cache: NDArray[np.float32], used: int, third: int) -> None:
    """Copy keys (`third` 1) or values (2) of new tokens into the cache behind its `used` slots."""
    heads, _, size = cache.shape
    for head in range(heads):
        begin = (third * heads + head) * size
        for token in range(len(qkv)):
            for at in range(size):
                cache[head, used + token, at] = qkv[token, begin + at]


@compiled
def self_attention(
    qkv: Rows,
    keys: NDArray[np.float32],
    values: NDArray[np.float32],
    mask: Mask,
    out: Rows,
) -> None:
    """Attention of new tokens to the tokens in the KV cache and to each other.

    Args:
        qkv: queries, keys and values of the new tokens, side by side; shape (tokens, 3 x width).
        keys: the cache, shape (heads, slots, head width). The new tokens' keys are written to it.
        values: likewise.
        mask: the slots that each new token attends to; the new tokens' own slots come last.
        out: the result, shape (tokens, width).
    """
    tokens, slots = mask.shape
    before = slots - tokens
    heads, _, size = keys.shape
    factor = ONE / np.sqrt(np.float32(size))
    scores = np.empty(slots, np.float32)
    _store(qkv, keys, before, 1)
    _store(qkv, values, before, 2)
    for token in range(tokens):
        for head in range(heads):
            begin = head * size
            most = MINUS_INFINITY
            for slot in range(slots):
                if mask[token, slot]:
                    score = ZERO
                    for at in range(size):
                        score += qkv[token, begin + at] * keys[head, slot, at]
                    scores[slot] = score * factor
                    most = max(most, scores[slot])
            for at in range(size):
                out[token, begin + at] = ZERO
            total = ZERO
            for slot in range(slots):
                if mask[token, slot]:
                    share = exp(scores[slot] - most)
                    total += share
                    for at in range(size):
                        out[token, begin + at] += share * values[head, slot, at]
            for at in range(size):
                out[token, begin + at] /= total


@compiled
def pack_bfloat16(
    keys: Heads, values: Heads, packed_keys: NDArray[np.uint16], packed_values: NDArray[np.uint16]
) -> None:
    """Round keys and values to bfloat16, in the order in which `cross_attention_bfloat16` reads them.

    Args:
        keys: shape (positions, heads, width).
        values: likewise.
        packed_keys: the result, see `cross_attention_bfloat16`; positions behind the last one become 0.
        packed_values: likewise.
    """
    positions, heads, width = keys.shape
    blocks, size = packed_keys.shape[1], packed_keys.shape[3]
    for head in range(heads):
        for block in range(blocks):
            begin = block * size
            within = min(size, positions - begin)
            if within < size:
                packed_keys[head, block] = 0
                packed_values[head, block] = 0
            for place in range(within):
                for pair in range(width // 2):
                    for half in range(2):
                        packed_keys[head, block, pair, place, half] = to_bfloat16(
                            keys[begin + place, head, 2 * pair + half]
                        )
                for at in range(width):
                    packed_values[head, block, place // 2, at, place % 2] = to_bfloat16(
                        values[begin + place, head, at]
                    )


@compiled
def cross_attention_bfloat16(
    query: Heads, keys: NDArray[np.uint16], values: NDArray[np.uint16], positions: int, out: Heads
) -> None:
    """Attention of tokens to the encoder's output, with products in bfloat16 and sums in float32.

    Args:
        query: queries, already divided by the square root of the head width.
        keys: bits of bfloat16, shape (heads, blocks, pairs of a key's numbers, positions of a block, 2).
        values: bits of bfloat16, shape (heads, blocks, pairs of a block's positions, numbers of a value, 2).
        positions: encoder positions in all blocks. The last block may have been padded.
        out: the result, in the shape of `query`.
    """
    tokens, heads, width = query.shape
    blocks = keys.shape[1]
    size = keys.shape[3]
    scores = np.empty((tokens, blocks, size), np.float32)
    shares = np.empty((tokens, blocks, size), np.uint16)
    queries = np.empty((tokens, width), np.uint16)
    totals = np.empty(tokens, np.float32)
    lines = scores.reshape(tokens, blocks * size)
    bits = lines.view(np.int32)
    small_lines = shares.reshape(tokens, blocks * size)
    out[:] = ZERO
    for head in range(heads):
        scores[:] = ZERO
        for token in range(tokens):
            for at in range(width):
                queries[token, at] = to_bfloat16(query[token, head, at])
        # block by block, so that all tokens read a block while it is in the first-level cache
        for block in range(blocks):
            for token in range(tokens):
                add_products(queries[token], keys[head, block], scores[token, block])
        for token in range(tokens):
            line, small = lines[token], small_lines[token]
            most = largest(bits[token], 0, positions)
            total = ZERO
            for at in range(positions):
                line[at] = exp(line[at] - most)
                total += line[at]
            totals[token] = total
            for at in range(positions):
                small[at] = to_bfloat16(line[at])
            small[positions:] = 0
        for block in range(blocks):
            for token in range(tokens):
                add_products(shares[token, block], values[head, block], out[token, head])
        for token in range(tokens):
            share = ONE / totals[token]
            for at in range(width):
                out[token, head, at] *= share
