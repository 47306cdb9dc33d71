"""Cuts a text without timestamps into segments, by its sentences and the times of its words."""

from collections.abc import Sequence

from src.engines.marks import CLAUSE_END, SENTENCE_END
from src.engines.whisper.segments import TokenSpan
from src.engines.whisper.words import TimedWord

_SHORTEST = 1.0
"""Seconds of a segment at least. `No.` and `Sr.` stay with what follows."""
_PAUSE = 1.0
"""Seconds between two words that always end a segment."""
_BREATH = 0.1
"""Seconds from a word with a full stop to the next one, from which on a sentence ends there. After an
abbreviation there are fewer."""
_LONGEST = 10.0
"""Seconds of a segment from which on it is cut within its sentence."""
_LEAST_SHARE = 0.25
"""Share of a segment that each of the parts has at least that it is cut into."""
_SENTENCE_BONUS, _CLAUSE_BONUS = 1.0, 0.5
"""Seconds of pause that a mark counts as where a segment is cut."""


def sentences(tokens: Sequence[int], timed: Sequence[TimedWord], duration: float) -> list[TokenSpan]:
    """Segments of a row of `duration` seconds. No token is lost.

    Args:
        tokens: the text, without timestamps.
        timed: its words, which have all of its tokens; empty if their times are not known.
    """
    said = [word for word in timed if word.tokens]
    if not said:
        return [TokenSpan(0.0, duration, tuple(tokens))]
    found: list[TokenSpan] = []
    at = 0
    for group in [part for sentence in _by_sentence(said) for part in _parts(sentence)]:
        after = at + sum(word.tokens for word in group)
        start = min(group[0].start, duration)
        end = min(max(start, group[-1].end_of_mark), duration)
        found.append(TokenSpan(start, end, tuple(tokens[at:after])))
        at = after
    return found


def _by_sentence(words: Sequence[TimedWord]) -> list[list[TimedWord]]:
    groups = [[words[0]]]
    for word in words[1:]:
        last = groups[-1][-1]
        gap = word.start - last.end
        ends = (
            gap >= _BREATH
            and SENTENCE_END.search(last.text) is not None
            and last.end - groups[-1][0].start >= _SHORTEST
        )
        if ends or gap >= _PAUSE:
            groups.append([])
        groups[-1].append(word)
    return groups


def _parts(words: Sequence[TimedWord]) -> list[Sequence[TimedWord]]:
    """The words of a long sentence in two or more parts, cut where they are furthest apart."""
    length = words[-1].end - words[0].start
    edges = [
        index
        for index in range(1, len(words))
        if words[index - 1].end - words[0].start >= _LEAST_SHARE * length
        and words[-1].end - words[index].start >= _LEAST_SHARE * length
    ]
    if length <= _LONGEST or not edges:
        return [words]
    best = max(edges, key=lambda index: _gap(words[index - 1], words[index]))
    return [*_parts(words[:best]), *_parts(words[best:])]


def _gap(before: TimedWord, after: TimedWord) -> float:
    """Seconds between two words, and what a mark there counts as."""
    if SENTENCE_END.search(before.text):
        bonus = _SENTENCE_BONUS
    else:
        bonus = _CLAUSE_BONUS if CLAUSE_END.search(before.text) else 0.0
    return after.start - before.end + bonus
