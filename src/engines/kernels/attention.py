"""Self-attention in a decoder step: few queries, and keys of the tokens before."""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Mask, Rows
from src.engines.kernels.jit import compiled, inlined
from src.engines.kernels.scalar import MINUS_INFINITY, ONE, ZERO, exp


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
