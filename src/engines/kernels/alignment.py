"""Kernels that align tokens with audio by the decoder's attention to it."""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Rows
from src.engines.kernels.jit import compiled
from src.engines.kernels.scalar import MINUS_INFINITY, ZERO

_MEDIAN = 7
"""Positions of the median filter; that of openai/whisper."""
_INFINITY = -MINUS_INFINITY
_DIAGONAL, _NEXT_TOKEN, _NEXT_POSITION = 0, 1, 2


@compiled
def add_median(rows: Rows, out: Rows) -> None:
    """Add the median of each number and its neighbours in the row to `out`, which has the shape of `rows`.

    A row is mirrored at its ends. Rows that are no longer than half the filter are added as they are.
    """
    count, width = rows.shape
    half = _MEDIAN // 2
    window = np.empty(_MEDIAN, np.float32)
    for row in range(count):
        for at in range(width):
            if width <= half:
                out[row, at] += rows[row, at]
                continue
            for number in range(_MEDIAN):
                place = abs(at + number - half)
                if place >= width:
                    place = 2 * width - 2 - place
                value = rows[row, place]
                rank = number
                while rank > 0 and window[rank - 1] > value:
                    window[rank] = window[rank - 1]
                    rank -= 1
                window[rank] = value
            out[row, at] += window[half]


@compiled
def warping_path(weights: Rows) -> NDArray[np.int64]:
    """The path of dynamic time warping from the first token and position to the last that collects the most.

    Args:
        weights: how strongly each token belongs to each position; shape (tokens, positions), none of them 0.

    Returns:
        shape (steps, 2): the token and the position of each step, neither of which ever falls.
    """
    tokens, positions = weights.shape
    before, cost = np.empty(tokens + 1, np.float32), np.empty(tokens + 1, np.float32)
    came = np.empty((tokens + 1, positions + 1), np.uint8)
    before[:] = _INFINITY
    before[0] = ZERO
    for position in range(1, positions + 1):
        cost[0] = _INFINITY
        for token in range(1, tokens + 1):
            diagonal, above, left = before[token - 1], cost[token - 1], before[token]
            if diagonal < above and diagonal < left:
                least, step = diagonal, _DIAGONAL
            elif above < diagonal and above < left:
                least, step = above, _NEXT_TOKEN
            else:
                least, step = left, _NEXT_POSITION
            cost[token] = least - weights[token - 1, position - 1]
            came[token, position] = step
        before, cost = cost, before
    came[0, :] = _NEXT_POSITION
    came[:, 0] = _NEXT_TOKEN
    path = np.empty((tokens + positions, 2), np.int64)
    row, column, at = tokens, positions, len(path)
    while row > 0 or column > 0:
        at -= 1
        path[at, 0] = row - 1
        path[at, 1] = column - 1
        taken = came[row, column]
        if taken != _NEXT_POSITION:
            row -= 1
        if taken != _NEXT_TOKEN:
            column -= 1
    return path[at:]
