"""Kernels that align tokens with audio by the decoder's attention to it."""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Rows
from src.engines.kernels.jit import compiled, inlined
from src.engines.kernels.scalar import MINUS_INFINITY, ZERO

_MEDIAN = 7
"""Positions of the median filter; that of openai/whisper."""
_INFINITY = -MINUS_INFINITY
_DIAGONAL, _NEXT_TOKEN, _NEXT_POSITION = 0, 1, 2


@inlined
def _median(
    a: np.float32,
    b: np.float32,
    c: np.float32,
    d: np.float32,
    e: np.float32,
    f: np.float32,
    g: np.float32,
) -> np.float32:
    """The median of seven numbers, compared in a fixed order (Devillard, 1998), which lanes do at once."""
    a, f = min(a, f), max(a, f)
    a, d = min(a, d), max(a, d)
    b, g = min(b, g), max(b, g)
    c, e = min(c, e), max(c, e)
    a, b = min(a, b), max(a, b)
    d, f = min(d, f), max(d, f)
    c, g = min(c, g), max(c, g)
    d = max(c, d)
    d = min(d, g)
    e = min(e, f)
    b, e = min(b, e), max(b, e)
    d = max(b, d)
    return min(d, e)


@compiled
def add_median(rows: Rows, out: Rows) -> None:
    """Add the median of each number and its neighbours in the row to `out`, which has the shape of `rows`.

    A row is mirrored at its ends. Rows that are no longer than half the filter are added as they are.
    """
    count, width = rows.shape
    half = _MEDIAN // 2
    if width <= half:
        out += rows
        return
    line = np.empty(width + 2 * half, np.float32)
    for row in range(count):
        line[half : half + width] = rows[row]
        for at in range(half):
            line[at] = rows[row, half - at]
            line[half + width + at] = rows[row, width - 2 - at]
        for at in range(width):
            out[row, at] += _median(
                line[at], line[at + 1], line[at + 2], line[at + 3], line[at + 4], line[at + 5], line[at + 6]
            )


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
