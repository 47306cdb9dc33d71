"""Where the words of a text stand in the phonemes or characters that a voice makes of the whole text.

espeak runs words together (`of the` is one word to it) and says a word in a sentence otherwise than alone, so
the words of its output are not those of the text. Each word is phonemised alone, too, and the words in a row
are aligned with the whole: what they have in common says where each begins.
"""

from bisect import bisect_left
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np

from src.engines.base import Audio, WordSpan

_HOP_SECONDS = 0.01
_SILENCE = 1e-4
"""Power of silence, as a part of the loudest moment's: 40 dB under it."""
_MIN_PAUSE_SECONDS = 0.09
"""A shorter silence may be the closure of a plosive, which belongs to its word."""


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


def without_pauses(spans: Sequence[WordSpan], audio: Audio, sample_rate: int) -> tuple[WordSpan, ...]:
    """Spans that end where a pause begins, and begin where it ends.

    Durations and attention give a pause to the symbols beside it, often to the last of a word. What a word
    has of a pause inside it stays.
    """
    pauses = _pauses(audio, sample_rate)
    return tuple(_outside(span, pauses) for span in spans)


def _outside(span: WordSpan, pauses: Sequence[WordSpan]) -> WordSpan:
    start, end = span
    for first, last in pauses:
        if first <= start < last < end:
            start = last
        elif start < first < end <= last:
            end = first
    return start, end


def _pauses(audio: Audio, sample_rate: int) -> list[WordSpan]:
    """Start and end of each pause, and of the silence before and after all that is said."""
    hop = round(_HOP_SECONDS * sample_rate)
    power = np.square(audio[: len(audio) // hop * hop].reshape(-1, hop), dtype=np.float64).mean(axis=1)
    if len(power) < 2:
        return []
    power = (power[:-1] + power[1:]) / 2  # windows of two hops
    silent = np.concatenate([[False], power < _SILENCE * power.max(), [False]])
    edges = np.flatnonzero(np.diff(silent)).reshape(-1, 2)
    pauses: list[WordSpan] = []
    for first, last in edges.tolist():
        # from the middle of the first window to that of the last, or to the edge of the audio
        start = (first + 1) * hop / sample_rate if first else 0.0
        end = last * hop / sample_rate if last < len(power) else len(audio) / sample_rate
        if end - start >= _MIN_PAUSE_SECONDS or not first or last == len(power):
            pauses.append((start, end))
    return pauses


def times_of_spans(spans: Sequence[tuple[int, int]], edges: Sequence[float]) -> tuple[WordSpan, ...]:
    """Seconds of each word.

    Args:
        spans: of `spans_of_words`.
        edges: when each symbol begins; one more, when the last ends.
    """
    return tuple((edges[start], edges[end]) for start, end in spans)
