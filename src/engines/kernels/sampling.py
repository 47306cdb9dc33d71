"""Kernels that turn logits into the candidates of a beam search."""

import numpy as np
from numpy.typing import NDArray

from src.engines.kernels import Mask, Rows, Vector
from src.engines.kernels.jit import compiled
from src.engines.kernels.scalar import MINUS_INFINITY, ZERO, exp, largest

BLOCK = 64
"""`top_k` finds the maximum of each block of so many logits first. A row of logits is a multiple as long."""


@compiled
def masked_log_softmax(
    logits: Rows, static: Vector, banned: NDArray[np.int64], either: Mask, first_timestamp: int
) -> None:
    """Turn logits into log-probabilities of the allowed tokens, -inf for the others. In place.

    Args:
        logits: shape (hypotheses, vocabulary).
        static: added to each row: -inf for tokens that are never allowed, else 0.
        banned: ranges of tokens (from, to) that may not follow each hypothesis; shape (hypotheses, n, 2).
        either: for which hypotheses both a word and a timestamp may follow. There, if the timestamps together
            are likelier than the likeliest word, only timestamps are allowed.
        first_timestamp: the lowest timestamp token.
    """
    count, width = logits.shape
    bits = logits.view(np.int32)
    for row in range(count):
        line, line_bits = logits[row], bits[row]
        for number in range(banned.shape[1]):
            for at in range(banned[row, number, 0], banned[row, number, 1]):
                line[at] = MINUS_INFINITY
        for at in range(width):
            line[at] += static[at]
        best_word = largest(line_bits, 0, first_timestamp)
        most = max(best_word, largest(line_bits, first_timestamp, width - first_timestamp))
        words, timestamps = ZERO, ZERO
        for at in range(first_timestamp):
            words += exp(line[at] - most)
        for at in range(first_timestamp, width):
            timestamps += exp(line[at] - most)
        total = words + timestamps
        if either[row] and np.log(timestamps) > best_word - most:
            total = timestamps
            for at in range(first_timestamp):
                line[at] = MINUS_INFINITY
        normaliser = most + np.log(total)
        for at in range(width):
            line[at] -= normaliser


@compiled
def top_k(lines: Rows, best: Rows, indexes: NDArray[np.int64]) -> None:
    """The largest numbers of each row in falling order, and their indexes. Of equal numbers the first wins.

    Args:
        lines: its width is a multiple of `BLOCK`.
        best: shape (rows, k); the numbers found.
        indexes: shape (rows, k); where they are.
    """
    count, width = lines.shape
    bits = lines.view(np.int32)
    highest = np.empty(width // BLOCK, np.float32)
    k = best.shape[1]
    best[:] = MINUS_INFINITY
    indexes[:] = 0
    for number in range(count):
        line, line_bits, found = lines[number], bits[number], best[number]
        for block in range(len(highest)):
            highest[block] = largest(line_bits, block * BLOCK, BLOCK)
        for block in range(len(highest)):
            if highest[block] <= found[-1]:
                continue
            for at in range(block * BLOCK, (block + 1) * BLOCK):
                if line[at] > found[-1]:
                    rank = k - 1
                    while rank and found[rank - 1] < line[at]:
                        found[rank] = found[rank - 1]
                        indexes[number, rank] = indexes[number, rank - 1]
                        rank -= 1
                    found[rank] = line[at]
                    indexes[number, rank] = at
