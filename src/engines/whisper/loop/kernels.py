"""What a decoder step does between its products, compiled, each a single pass over the rows.

PyTorch has an operation for each of these lines, and 400 of them cost a step over one row more time than
their arithmetic. Rows are float32 and C-contiguous; each is worked on by itself, so that its numbers are the
same alone and in company.

`_exp` is Cephes' (expf.c), within 1e-7 of the true value; `_gelu` has the error function of Abramowitz and
Stegun, 7.1.26, within 4e-7. All in one file, since Numba keeps what it compiled until this file changes, and
does not look at others.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from src.engines.whisper.loop.intrinsics import add_products

Rows = NDArray[np.float32]
"""Shape (rows, width)."""
Numbers = NDArray[np.float32]
"""One for each row, or for each place in a row."""
Heads = NDArray[np.float32]
"""Shape (tokens, heads, width of a head)."""
Mask = NDArray[np.bool_]
"""What each token may look at: shape (tokens, places taken and these tokens)."""

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "nogil": True,
    # sums may be added up in the order in which a vector register has them; infinity stays what it is
    "fastmath": {"reassoc", "contract", "nsz", "arcp", "nnan"},
}


def _compiled(function: _F) -> _F:
    """Compile on the first call; keep the outcome on disk, if there is a place for it."""
    try:
        return cast(_F, njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:  # nowhere to write to
        return cast(_F, njit(**_OPTIONS)(function))


def _inside(function: _F) -> _F:
    """Compile as a part of what calls it, where constants that it is given are still known as such."""
    return cast(_F, njit(error_model="numpy", inline="always")(function))


def _floats(*numbers: float) -> tuple[np.float32, ...]:
    return tuple(np.float32(number) for number in numbers)


_ZERO, _HALF, _ONE = _floats(0, 0.5, 1)
_NEVER = np.float32(-np.inf)
_NO_BITS, _UNSIGNED = np.int32(0), np.int32(0x7FFFFFFF)
_LEAST = np.int32(-(2**31))
_TINY = np.float32(1e-12)
_EPSILON = np.float32(1e-5)
"""Of a normalisation."""
BLOCK = 64
"""Numbers of which the largest is found first; lines of logits come as a multiple."""

_LOWEST, _LOG2E = _floats(-87, 1.4426950408889634)
_LN2, _LN2_REST = _floats(0.693359375, -2.12194440e-4)
_E = _floats(
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1
)
_T = _floats(1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
_P, _ROOT = _floats(0.3275911, 0.5**0.5)


@_inside
def _float(bits: np.int32) -> np.float32:
    return np.int32(bits).view(np.float32)


@_inside
def _exp(x: np.float32) -> np.float32:
    """Of numbers up to 88; those below -87 count as that."""
    x = max(x, _LOWEST)
    twos = np.floor(x * _LOG2E + _HALF)
    rest = x - twos * _LN2
    rest = rest - twos * _LN2_REST
    sum_ = _E[0]
    sum_ = sum_ * rest + _E[1]
    sum_ = sum_ * rest + _E[2]
    sum_ = sum_ * rest + _E[3]
    sum_ = sum_ * rest + _E[4]
    sum_ = sum_ * rest + _E[5]
    sum_ = sum_ * rest * rest + rest + _ONE
    return sum_ * _float((np.int32(twos) + 127) << 23)  # type: ignore[no-any-return]


@_inside
def _bfloat16(x: np.float32) -> np.uint16:
    """The bits of the nearest one."""
    bits = np.float32(x).view(np.int32)
    return np.uint16((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)


@_inside
def _gelu(x: np.float32) -> np.float32:
    size = abs(x) * _ROOT
    t = _ONE / (_ONE + _P * size)
    sum_ = _T[0]
    sum_ = sum_ * t + _T[1]
    sum_ = sum_ * t + _T[2]
    sum_ = sum_ * t + _T[3]
    sum_ = sum_ * t + _T[4]
    beyond = sum_ * t * _exp(-size * size) * _HALF
    return x * (_ONE - beyond) if x > _ZERO else x * beyond


@_inside
def _turned(bits: np.int32) -> np.int32:
    """The bits of floats as integers of the same order, and back."""
    return np.int32(bits ^ ((bits >> 31) & _UNSIGNED))


@_inside
def _largest(bits: NDArray[np.int32], begin: int, count: int) -> np.float32:
    """Of the floats with these bits: of integers only, compilers look at many at a time."""
    most = _LEAST
    for at in range(count):
        most = np.int32(max(most, _turned(bits[begin + at])))
    return _float(_turned(most))


@_inside
def _size(bits: NDArray[np.int32], row: int) -> np.float32:
    """The largest of a row without signs, but not 0, since rows are divided by it."""
    # without their sign, the bits of floats are in the order of the floats
    highest = _NO_BITS
    for at in range(bits.shape[1]):
        highest = np.int32(max(highest, bits[row, at] & _UNSIGNED))
    return max(_TINY, _float(highest))


@_compiled
def scale(rows: Rows, largest: Numbers) -> None:
    """Divide each row by its largest number, which goes to `largest`."""
    count, width = rows.shape
    bits = rows.view(np.int32)
    for row in range(count):
        most = largest[row] = _size(bits, row)
        share = _ONE / most
        for at in range(width):
            rows[row, at] *= share


@_compiled
def quantise(rows: Rows, levels: int, nothing: int, small: NDArray[np.uint8], largest: Numbers) -> None:
    """Each row as integers, its largest number as `levels` above `nothing`; it goes to `largest`."""
    count, width = rows.shape
    bits = rows.view(np.int32)
    for row in range(count):
        most = largest[row] = _size(bits, row)
        factor = np.float32(levels) / most
        for at in range(width):
            small[row, at] = np.uint8(np.int32(np.rint(rows[row, at] * factor)) + nothing)


@_compiled
def unscale(rows: Rows, largest: Numbers, bias: Numbers, factor: np.float32) -> None:
    """What a product of scaled rows is in truth, with its bias, times `factor`."""
    count, width = rows.shape
    for row in range(count):
        most = largest[row]
        for at in range(width):
            rows[row, at] = (rows[row, at] * most + bias[at]) * factor


@_compiled
def gelu(rows: Rows, largest: Numbers, bias: Numbers) -> None:
    """`unscale`, and the Gaussian error linear unit."""
    count, width = rows.shape
    for row in range(count):
        most = largest[row]
        for at in range(width):
            rows[row, at] = _gelu(rows[row, at] * most + bias[at])


@_compiled
def add(x: Rows, rows: Rows, largest: Numbers, bias: Numbers) -> None:
    """`unscale`, and added to `x`."""
    count, width = x.shape
    for row in range(count):
        most = largest[row]
        for at in range(width):
            x[row, at] += rows[row, at] * most + bias[at]


@_compiled
def normalise(x: Rows, gamma: Numbers, beta: Numbers, out: Rows) -> None:
    """Layer normalisation."""
    count, width = x.shape
    for row in range(count):
        mean = _ZERO
        for at in range(width):
            mean += x[row, at]
        mean /= np.float32(width)
        variance = _ZERO
        for at in range(width):
            off = x[row, at] - mean
            variance += off * off
        spread = _ONE / np.sqrt(variance / np.float32(width) + _EPSILON)
        for at in range(width):
            out[row, at] = (x[row, at] - mean) * spread * gamma[at] + beta[at]


@_inside
def _store(every: Rows, store: NDArray[np.float32], before: int, third: int) -> None:
    heads, _, size = store.shape
    for head in range(heads):
        begin = (third * heads + head) * size
        for token in range(len(every)):
            for at in range(size):
                store[head, before + token, at] = every[token, begin + at]


@_compiled
def attend(
    every: Rows,
    keys: NDArray[np.float32],
    values: NDArray[np.float32],
    mask: Mask,
    seen: Rows,
) -> None:
    """Attention of some new tokens to what was there before and to each other.

    Args:
        every: their queries, keys and values, side by side: (tokens, 3 x width).
        keys: of all tokens: (heads, places, width of a head). The new ones' are written to it.
        values: likewise.
        mask: what they may look at, themselves last.
        seen: what comes of it: (tokens, width).
    """
    tokens, places = mask.shape
    before = places - tokens
    heads, _, size = keys.shape
    factor = _ONE / np.sqrt(np.float32(size))
    scores = np.empty(places, np.float32)
    _store(every, keys, before, 1)
    _store(every, values, before, 2)
    for token in range(tokens):
        for head in range(heads):
            begin = head * size
            most = _NEVER
            for place in range(places):
                if mask[token, place]:
                    score = _ZERO
                    for at in range(size):
                        score += every[token, begin + at] * keys[head, place, at]
                    scores[place] = score * factor
                    most = max(most, scores[place])
            for at in range(size):
                seen[token, begin + at] = _ZERO
            total = _ZERO
            for place in range(places):
                if mask[token, place]:
                    share = _exp(scores[place] - most)
                    total += share
                    for at in range(size):
                        seen[token, begin + at] += share * values[head, place, at]
            for at in range(size):
                seen[token, begin + at] /= total


@_compiled
def attend_to_audio(
    asked: Heads, keys: NDArray[np.uint16], values: NDArray[np.uint16], positions: int, seen: Heads
) -> None:
    """Attention of some tokens to what was heard, products in bfloat16 and sums in float32.

    Args:
        asked: their queries.
        keys: bits of bfloat16, shape (heads, blocks, pairs of numbers of a key, positions of a block, 2).
        values: likewise, (heads, blocks, pairs of positions of a block, numbers of a value, 2).
        positions: in all blocks; the last may have been filled up.
        seen: what comes of it.
    """
    tokens, heads, width = asked.shape
    blocks = keys.shape[1]
    size = keys.shape[3]
    scores = np.empty((tokens, blocks, size), np.float32)
    shares = np.empty((tokens, blocks, size), np.uint16)
    queries = np.empty((tokens, width), np.uint16)
    totals = np.empty(tokens, np.float32)
    lines = scores.reshape(tokens, blocks * size)
    bits = lines.view(np.int32)
    small_lines = shares.reshape(tokens, blocks * size)
    seen[:] = _ZERO
    for head in range(heads):
        scores[:] = _ZERO
        for token in range(tokens):
            for at in range(width):
                queries[token, at] = _bfloat16(asked[token, head, at])
        # block by block, since all tokens read what one of them has brought into the first cache
        for block in range(blocks):
            for token in range(tokens):
                add_products(queries[token], keys[head, block], scores[token, block])
        for token in range(tokens):
            line, small = lines[token], small_lines[token]
            most = _largest(bits[token], 0, positions)
            total = _ZERO
            for at in range(positions):
                line[at] = _exp(line[at] - most)
                total += line[at]
            totals[token] = total
            for at in range(positions):
                small[at] = _bfloat16(line[at])
            small[positions:] = 0
        for block in range(blocks):
            for token in range(tokens):
                add_products(shares[token, block], values[head, block], seen[token, head])
        for token in range(tokens):
            share = _ONE / totals[token]
            for at in range(width):
                seen[token, head, at] *= share


@_compiled
def weigh(logits: Rows, static: Numbers, barred: NDArray[np.int64], either: Mask, stamps: int) -> None:
    """Make logits the log-probabilities of what is allowed, -inf for the rest.

    Args:
        logits: shape (texts, vocabulary); overwritten.
        static: added to each line: -inf for what is never allowed.
        barred: what is not allowed after each text, as stretches from one token to another: (texts, n, 2).
        either: after which texts a word and a timestamp may follow; if there all timestamps together are
            likelier than any word, it is one of them.
        stamps: the first timestamp.
    """
    count, width = logits.shape
    bits = logits.view(np.int32)
    for text in range(count):
        line, line_bits = logits[text], bits[text]
        for stretch in range(barred.shape[1]):
            for at in range(barred[text, stretch, 0], barred[text, stretch, 1]):
                line[at] = _NEVER
        for at in range(width):
            line[at] += static[at]
        of_words = _largest(line_bits, 0, stamps)
        most = max(of_words, _largest(line_bits, stamps, width - stamps))
        words, all_stamps = _ZERO, _ZERO
        for at in range(stamps):
            words += _exp(line[at] - most)
        for at in range(stamps, width):
            all_stamps += _exp(line[at] - most)
        total = words + all_stamps
        if either[text] and np.log(all_stamps) > of_words - most:
            total = all_stamps
            for at in range(stamps):
                line[at] = _NEVER
        least = most + np.log(total)
        for at in range(width):
            line[at] -= least


@_compiled
def likeliest(lines: Rows, best: Rows, indexes: NDArray[np.int64]) -> None:
    """The largest numbers of each line, in falling order, and where they are.

    Args:
        lines: their width is a multiple of `BLOCK`.
        best: shape (lines, n); what is found.
        indexes: likewise.
    """
    count, width = lines.shape
    bits = lines.view(np.int32)
    highest = np.empty(width // BLOCK, np.float32)
    wanted = best.shape[1]
    best[:] = _NEVER
    indexes[:] = 0
    for number in range(count):
        line, line_bits, found = lines[number], bits[number], best[number]
        for block in range(len(highest)):
            highest[block] = _largest(line_bits, block * BLOCK, BLOCK)
        for block in range(len(highest)):
            if highest[block] <= found[-1]:
                continue
            for at in range(block * BLOCK, (block + 1) * BLOCK):
                if line[at] > found[-1]:
                    rank = wanted - 1
                    while rank and found[rank - 1] < line[at]:
                        found[rank] = found[rank - 1]
                        indexes[number, rank] = indexes[number, rank - 1]
                        rank -= 1
                    found[rank] = line[at]
                    indexes[number, rank] = at
