"""A text that begins with words that somebody has been told already, and goes on as another reading does.

What updates of a live session told is a beginning of the final text, and the final reading may find other
words there. Both beginnings can be compared only with the same words behind them.
"""

from collections.abc import Sequence

from src.engines.base import plain_word

Word = tuple[str, tuple[int, ...]]
"""A word as it is written, and its tokens."""


def with_beginning(told: Sequence[Word], found: Sequence[Word]) -> tuple[int, ...] | None:
    """The tokens of `told`, and those of what `found` has behind the same words.

    How many words of `found` stand for those of `told` is the number at which their edit distance is
    smallest; of several, the one nearest to the number of words that were told.

    Returns:
        None if `found` begins with the same words. Case and punctuation do not count.
    """
    before = [plain for text, _ in told if (plain := plain_word(text))]
    words = [(plain, index) for index, (text, _) in enumerate(found) if (plain := plain_word(text))]
    after = [plain for plain, _ in words]
    if after[: len(before)] == before:
        return None
    distances = _distances(before, after)
    count = min(range(len(after) + 1), key=lambda one: (distances[one], abs(one - len(before))))
    rest = found[words[count - 1][1] + 1 if count else 0 :]
    return tuple(token for _, tokens in (*told, *rest) for token in tokens)


def _distances(before: Sequence[str], after: Sequence[str]) -> list[int]:
    """The edit distance from `before` to each beginning of `after`, the empty one first."""
    row = list(range(len(after) + 1))
    for number, word in enumerate(before, 1):
        above, row = row, [number]
        for index, other in enumerate(after):
            row.append(min(above[index] + (word != other), above[index + 1] + 1, row[index] + 1))
    return row
