"""Kernels of Tacotron2's decoder step: the gates of an LSTM cell, and the energies of its attention."""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Mask, Rows, Vector
from src.engines.kernels.jit import compiled, inlined
from src.engines.kernels.scalar import MINUS_INFINITY, ONE, ZERO, exp, floats

_HIGHEST, _TWO = floats(64, 2)
"""Beyond 64, `exp` may overflow; sigmoid is 0 there."""


@inlined
def _sigmoid(x: np.float32) -> np.float32:
    return ONE / (ONE + exp(min(-x, _HIGHEST)))


@inlined
def _tanh(x: np.float32) -> np.float32:
    falling = exp(-_TWO * abs(x))
    size = (ONE - falling) / (ONE + falling)
    return size if x > ZERO else -size


@compiled
def apply_gates(product: Rows, cell: Rows, out: Rows) -> None:
    """Update the state of an LSTM cell.

    Args:
        product: input, forget and output gates and candidate before their activation, side by side; shape
            (rows, 4 x size).
        cell: the last cell state, shape (rows, size); becomes the new one.
        out: the new output, shape (rows, size).
    """
    rows, size = cell.shape
    for row in range(rows):
        for at in range(size):
            kept = _sigmoid(product[row, size + at]) * cell[row, at]
            new = kept + _sigmoid(product[row, at]) * _tanh(product[row, 3 * size + at])
            cell[row, at] = new
            out[row, at] = _sigmoid(product[row, 2 * size + at]) * _tanh(new)


@compiled
def attention_energies(
    keys: NDArray[np.float32],
    query: Rows,
    history: NDArray[np.float32],
    location: NDArray[np.float32],
    value: Vector,
    bias: Vector,
    mask: Mask,
    out: Rows,
) -> None:
    """Energies of additive attention with a location term: value tanh(key + query + location term) + bias.

    Args:
        keys: shape (rows, characters, size).
        query: shape (rows, size).
        history: what the location term convolves, shape (rows, channels, characters).
        location: weights of that convolution, shape (channels, taps, size); no taps: there is no such term.
        value: shape (size,).
        bias: shape (1,).
        mask: the characters that each row has, shape (rows, characters).
        out: the result, shape (rows, characters); minus infinity where a row has no character.
    """
    rows, characters, size = keys.shape
    channels, taps, _ = location.shape
    sums = np.empty(size, np.float32)
    for row in range(rows):
        for character in range(characters):
            if not mask[row, character]:
                out[row, character] = MINUS_INFINITY
                continue
            for at in range(size):
                sums[at] = keys[row, character, at] + query[row, at]
            first = character - taps // 2
            for channel in range(channels):
                for tap in range(max(0, -first), min(taps, characters - first)):
                    share = history[row, channel, first + tap]
                    for at in range(size):
                        sums[at] += share * location[channel, tap, at]
            energy = bias[0]
            for at in range(size):
                energy += value[at] * _tanh(sums[at])
            out[row, character] = energy
