"""Cuts segments into subtitles with short lines and natural breaks."""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from src.engines.base import Segment
from src.engines.marks import CLAUSE_END, SENTENCE_END

_MIN_MS = 1000
_MAX_MS = 7000
_MAX_SECONDS = _MAX_MS / 1000
_PAUSE = 1.0
"""Minimum silence between two words, in seconds, that always begins a new subtitle."""
_EARLIEST_BREAK = 0.4
"""Minimum share of a full subtitle that must remain when it is cut back to punctuation."""
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Thai, Lao, Burmese, Japanese, Chinese: no space between words, so a line may break anywhere."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle; milliseconds from the start of the file."""

    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit that is never broken: a word with its punctuation."""

    text: str
    spaced: bool
    """Whether a space comes before it."""
    start: float
    end: float
    ends_segment: bool


def to_srt(segments: Iterable[Segment], max_line_width: int = 42, max_line_count: int = 2) -> str:
    """SubRip, as `cues` cuts it."""
    return "\n".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n"
        + "".join(f"{line.replace('-->', '→')}\n" for line in cue.lines)
        for number, cue in enumerate(cues(segments, max_line_width, max_line_count), 1)
    )


def to_vtt(segments: Iterable[Segment], max_line_width: int = 42, max_line_count: int = 2) -> str:
    """WebVTT, as `cues` cuts it; `&`, `<` and `>` are escaped, since they would be markup."""
    blocks = [
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n"
        + "".join(f"{html.escape(line, quote=False)}\n" for line in cue.lines)
        for cue in cues(segments, max_line_width, max_line_count)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def cues(segments: Iterable[Segment], max_line_width: int = 42, max_line_count: int = 2) -> list[Cue]:
    """Cut segments into subtitles of at most `max_line_count` lines of `max_line_width` characters.

    A word is never cut, so one that is longer than a line stands alone in it. Starts and ends strictly
    increase and no cue reaches into the next; within that, each lasts one to seven seconds. Words without
    times of their own share their segment's, by characters.
    """
    units = [unit for segment in segments for unit in _units(segment)]
    groups = _groups(units, max_line_width, max_line_count)
    return _timed([(group[0].start, group[-1].end, _balanced(group, max_line_width)) for group in groups])


def _units(segment: Segment) -> Iterator[_Unit]:
    texts = [
        (piece, index == 0) for word in segment.text.split() for index, piece in enumerate(_breakable(word))
    ]
    times = _times(segment, sum(len(text) for text, _ in texts))
    at = 0
    for number, (text, spaced) in enumerate(texts, 1):
        start, end = times[at][0], times[at + len(text) - 1][1]
        at += len(text)
        yield _Unit(text, spaced, start, max(start, end), number == len(texts))


def _breakable(word: str) -> list[str]:
    """A word as it is; in scripts without spaces each character, with the punctuation after it."""
    if not _UNSPACED.search(word):
        return [word]
    pieces: list[str] = []
    for character in word:
        mark = unicodedata.category(character).startswith("M") or character in "、。"
        if pieces and (mark or not _UNSPACED.match(character)):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces


def _times(segment: Segment, count: int) -> list[tuple[float, float]]:
    """Start and end of each of the segment's `count` characters that are not white space."""
    spoken = [("".join(word.word.split()), word.start, word.end) for word in segment.words or ()]
    if sum(len(text) for text, _, _ in spoken) != count:
        spoken = [("x" * count, segment.start, segment.end)]
    return [
        (start + (end - start) * index / len(text), start + (end - start) * (index + 1) / len(text))
        for text, start, end in spoken
        for index in range(len(text))
    ]


def _groups(units: Sequence[_Unit], width: int, count: int) -> Iterator[list[_Unit]]:
    """The words of each subtitle."""
    group: list[_Unit] = []
    for unit in units:
        if group and unit.start - group[-1].end >= _PAUSE:
            yield group
            group = []
        while group and not _fits([*group, unit], width, count):
            cut = _best_cut(group)
            yield group[:cut]
            group = group[cut:]
        group.append(unit)
        if SENTENCE_END.search(unit.text) and unit.end - group[0].start >= _MIN_MS / 1000:
            yield group
            group = []
    if group:
        yield group


def _fits(group: Sequence[_Unit], width: int, count: int) -> bool:
    return group[-1].end - group[0].start <= _MAX_SECONDS and len(_wrap(group, width)) <= count


def _best_cut(group: Sequence[_Unit]) -> int:
    """How many of the words of a full subtitle stay: up to the last sentence, clause or segment end."""
    total = sum(len(unit.text) for unit in group)
    for is_end in (
        lambda unit: SENTENCE_END.search(unit.text) is not None,
        lambda unit: CLAUSE_END.search(unit.text) is not None or unit.ends_segment,
    ):
        kept = total
        for index in range(len(group), 0, -1):
            if kept < total * _EARLIEST_BREAK:
                break
            if is_end(group[index - 1]):
                return index
            kept -= len(group[index - 1].text)
    return len(group)


def _wrap(group: Sequence[_Unit], width: int) -> list[str]:
    lines: list[str] = []
    for unit in group:
        longer = (
            f"{lines[-1]} {unit.text}" if lines and unit.spaced else lines[-1] + unit.text if lines else ""
        )
        if lines and len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(unit.text)
    return lines


def _balanced(group: Sequence[_Unit], width: int) -> tuple[str, ...]:
    """The group as few lines of about the same length, as `width` allows."""
    count = len(_wrap(group, width))
    return next(tuple(lines) for narrow in range(1, width + 1) if len(lines := _wrap(group, narrow)) <= count)


def _timed(found: Sequence[tuple[float, float, tuple[str, ...]]]) -> list[Cue]:
    result: list[Cue] = []
    free = 0
    for index, (start, end, lines) in enumerate(found):
        first = max(round(start * 1000), free)
        last = max(round(end * 1000), first + _MIN_MS)
        if index + 1 < len(found):
            last = min(last, round(found[index + 1][0] * 1000))
        free = min(max(last, first + 1), first + _MAX_MS)
        result.append(Cue(first, free, lines))
    return result


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"
