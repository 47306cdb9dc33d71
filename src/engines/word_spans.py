"""Where the words of a text stand in the phonemes or characters that a voice makes of the whole text.

espeak runs words together (`of the` is one word to it) and says a word in a sentence otherwise than alone, so
the words of its output are not those of the text. Each word is phonemised alone, too, and the words in a row
are aligned with the whole: what they have in common says where each begins.
"""

from bisect import bisect_left
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from src.engines.base import WordSpan


def spans_of_words(whole: str, words: Sequence[str], silent: str) -> list[tuple[int, int]]:
    """First and last-but-one index in `whole` of each word.

    Args:
        whole: one character for each symbol that the model takes.
        words: each word by itself, in the same symbols.
        silent: symbols that belong to no word: spaces, punctuation.

    Returns:
        Spans that never run backwards. A word that nothing was found of shares its neighbours' place.
    """
    apart = "".join(words)
    matcher = SequenceMatcher(None, apart, whole, autojunk=False)
    places: list[tuple[int, int]] = []
    for at, there, size in matcher.get_matching_blocks():
        places += [(at + offset, there + offset) for offset in range(size)]
    indexes = [at for at, _ in places]
    starts: list[int] = []
    begin = 0
    for word in words:
        found = bisect_left(indexes, begin)
        # a symbol early or late in the word stands as far from the beginning there as here
        there = places[found][1] - (indexes[found] - begin) if found < len(places) else len(whole)
        starts.append(max(there, starts[-1] if starts else 0, 0))
        begin += len(word)
    return [_trimmed(whole, *span, silent) for span in pairwise([*starts, len(whole)])]


def _trimmed(whole: str, start: int, end: int, silent: str) -> tuple[int, int]:
    while start < end and whole[start] in silent:
        start += 1
    while end > start and whole[end - 1] in silent:
        end -= 1
    return start, end


def times_of_spans(spans: Sequence[tuple[int, int]], edges: Sequence[float]) -> tuple[WordSpan, ...]:
    """Seconds of each word.

    Args:
        spans: of `spans_of_words`.
        edges: when each symbol begins; one more, when the last ends.
    """
    return tuple((edges[start], edges[end]) for start, end in spans)
