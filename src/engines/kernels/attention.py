"""Self-attention in a decoder step: few queries, and keys of the tokens before."""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Mask, Rows
from src.engines.kernels.jit import compiled, inlined
from src.engines.kernels.scalar import MINUS_INFINITY, ONE, ZERO, exp

_AT_ONCE = 4
"""Values that are added to the result at a time. It is read and written once for all of them."""


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
    before, last = slots - tokens, slots - 1
    heads, _, size = keys.shape
    factor = ONE / np.sqrt(np.float32(size))
    shares = np.zeros((slots + _AT_ONCE - 1) // _AT_ONCE * _AT_ONCE, np.float32)
    _store(qkv, keys, before, 1)
    _store(qkv, values, before, 2)
    # head by head, so that all tokens read a head's keys and values while they are in the second-level cache
    for head in range(heads):
        begin = head * size
        for token in range(tokens):
            most = MINUS_INFINITY
            for slot in range(slots):
                shares[slot] = MINUS_INFINITY
                if mask[token, slot]:
                    score = ZERO
                    for at in range(size):
                        score += qkv[token, begin + at] * keys[head, slot, at]
                    shares[slot] = score * factor
                    most = max(most, shares[slot])
            for slot in range(slots):
                share = exp(shares[slot] - most)
                shares[slot] = share if mask[token, slot] else ZERO
            for at in range(size):
                out[token, begin + at] = ZERO
            total = ZERO
            for first in range(0, slots, _AT_ONCE):
                a, b, c, d = shares[first], shares[first + 1], shares[first + 2], shares[first + 3]
                # always added in the same order, however many slots there are behind them
                some = (a + b) + (c + d)
                if some == ZERO:
                    continue
                total += some
                second, third, fourth = min(first + 1, last), min(first + 2, last), min(first + 3, last)
                for at in range(size):
                    low = a * values[head, first, at] + b * values[head, second, at]
                    high = c * values[head, third, at] + d * values[head, fourth, at]
                    out[token, begin + at] += low + high
            for at in range(size):
                out[token, begin + at] /= total
