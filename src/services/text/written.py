"""Which words of the written text each spoken word is said for.

The rules claim spans of the written text, so what each token was is known. Around them stand steps that change
single characters (cleaning before, punctuation after); these are followed by comparing before and after.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise

Span = tuple[int, int]

_TOKEN = re.compile(r"\s*\w+|\s*[^\w\s]|\s+$")
_WINDOW = 64
"""Tokens among which the end of a change is looked for first."""
_COMMON = 2
"""Tokens in a row that are the same on both sides: one alone may be so by chance."""
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Written:
    """A word of the written text, with its punctuation, and where it stands among the spoken words.

    Places are counted in spoken words: 2.0 is the start of the third, 2.5 its middle.
    """

    text: str
    start: float
    end: float


def written_words(
    written: str, read: str, said: Sequence[tuple[str, Span]], spoken: Sequence[str]
) -> list[Written]:
    """The words of `written` that are spoken, in order.

    Args:
        written: the text as it came.
        read: the same, cleaned.
        said: how each span of `read` is said, in order.
        spoken: words, after punctuation and alphabet were seen to.
    """
    sources = [span for text, span in said for span in _each(text, span)]
    of_read = origins(written, read)
    of_said = origins("".join(text for text, _ in said), " ".join(spoken))
    spans: list[Span | None] = []
    at = 0
    for word in spoken:
        places = [place for i in range(at, at + len(word)) if word[i - at].isalnum() for place in of_said[i]]
        at += len(word) + 1
        in_read = _union(sources[place] for place in places)
        letters = range(*in_read) if in_read else ()
        spans.append(_union((place, place + 1) for i in letters for place in of_read[i]))
    return list(_matched(written, spoken, spans))


def origins(before: str, after: str) -> list[range]:
    """For each character of `after`, the characters of `before` that it came from."""
    found: list[range] = []
    tokens, changed = _TOKEN.findall(before), _TOKEN.findall(after)
    old = new = place = 0
    while old < len(tokens) or new < len(changed):
        if old < len(tokens) and new < len(changed) and tokens[old] == changed[new]:
            found += [range(place + i, place + i + 1) for i in range(len(tokens[old]))]
            place += len(tokens[old])
            old, new = old + 1, new + 1
        else:
            gone, come = _to_common(tokens[old:], changed[new:])
            removed = "".join(tokens[old : old + gone])
            found += _changed(removed, "".join(changed[new : new + come]), place)
            place += len(removed)
            old, new = old + gone, new + come
    return found


def _to_common(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """How many tokens of each side come before the next that both have; changes are local, so it is near."""
    window = _WINDOW
    while True:
        matcher = SequenceMatcher(None, before[:window], after[:window], autojunk=False)
        for old, new, size in matcher.get_matching_blocks():
            if size >= _COMMON:
                return old, new
        if window >= max(len(before), len(after)):
            return len(before), len(after)
        window *= 4


def _changed(before: str, after: str, base: int) -> list[range]:
    """`origins` within a passage that differs, letter by letter."""
    if len(before) * len(after) > 1_000_000:
        return [range(base, base + len(before))] * len(after)
    found: list[range] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, first, last, new_first, new_last in matcher.get_opcodes():
        if kind == "equal":
            found += [range(base + first + i, base + first + i + 1) for i in range(last - first)]
        else:
            found += [range(base + first, base + last)] * (new_last - new_first)
    return found


def _each(text: str, span: Span) -> list[Span]:
    """The origin of every character of a token; what stands as it was written has that of its own."""
    if len(text) == span[1] - span[0]:
        return [(span[0] + i, span[0] + i + 1) for i in range(len(text))]
    return [span] * len(text)


def _union(spans: Iterator[Span]) -> Span | None:
    found = list(spans)
    return (min(start for start, _ in found), max(end for _, end in found)) if found else None


def _matched(written: str, spoken: Sequence[str], spans: Sequence[Span | None]) -> Iterator[Written]:
    """Words that share their sound are parted by letters; those that nothing is said for are left out."""
    words = [(match[0], match.span()) for match in _WORD.finditer(written)]
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    at = 0
    for number, span in enumerate(spans):
        if span is None:
            continue
        while at + 1 < len(words) and words[at][1][1] <= span[0]:
            at += 1
        for word in range(at, len(words)):
            if words[word][1][0] >= span[1]:
                break
            first.setdefault(word, number)
            last[word] = number
    group: list[int] = []
    for word in sorted(first):
        if group and first[word] > max(last[each] for each in group):
            yield from _shared(words, group, spoken, first[group[0]], max(last[each] for each in group))
            group = []
        group.append(word)
    if group:
        yield from _shared(words, group, spoken, first[group[0]], max(last[each] for each in group))


def _shared(
    words: Sequence[tuple[str, Span]], group: Sequence[int], spoken: Sequence[str], first: int, last: int
) -> list[Written]:
    """Written words of one token, such as a date: equal words keep their place, the rest go by length."""
    texts = [words[word][0] for word in group]
    anchors: list[tuple[int, int]] = [(0, first)]
    if len(texts) > 1:
        plain = [_plain(text) for text in texts]
        matcher = SequenceMatcher(None, plain, [_plain(w) for w in spoken[first : last + 1]], autojunk=False)
        for at, there, size in matcher.get_matching_blocks():
            for offset in range(size):
                anchors += [
                    (at + offset, first + there + offset),
                    (at + offset + 1, first + there + offset + 1),
                ]
    anchors.append((len(texts), last + 1))
    found: list[Written] = []
    waiting = float(first)
    for (begin, low), (end, high) in pairwise(anchors):
        if begin < end:
            edges = [waiting + (high - waiting) * share for share in _shares(texts[begin:end])]
            rounded = [float(round(edge)) for edge in edges]
            if all(one < next_one for one, next_one in pairwise(rounded)):
                edges = rounded  # a number and its unit: each has words of its own
            found += [
                Written(text, start, stop)
                for text, (start, stop) in zip(texts[begin:end], pairwise(edges), strict=True)
            ]
            waiting = float(high)
        elif found and high > low:
            # said behind a word that is there as it was written: `dollars` of `$5 million`
            found[-1] = replace(found[-1], end=float(high))
            waiting = float(high)
    return found


def _shares(texts: Sequence[str]) -> list[float]:
    sums = [0]
    for text in texts:
        sums.append(sums[-1] + max(1, len(_plain(text))))
    return [each / sums[-1] for each in sums]


def _plain(word: str) -> str:
    return "".join(filter(str.isalnum, word.lower()))
