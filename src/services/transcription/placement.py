"""Segments of a chunk to segments of the recording.

A chunk leaves pauses out, so a time in it stands for one of two in the recording where a pause was. And the
model's own times are rough: a segment may begin before its speech, or end a little into the next speech. What
voice activity detection found (`Span`) settles both, at no cost.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from src.engines.base import STT_SAMPLE_RATE, Segment, Word
from src.engines.marks import CLAUSE_END, SENTENCE_END
from src.services.transcription.segmenter import Chunk, Span

_PAUSE = round(1.5 * STT_SAMPLE_RATE)
"""Samples without speech over which no segment goes on."""
_MARGIN = round(0.1 * STT_SAMPLE_RATE)
"""Samples around speech that belong to it: consonants at its edges are quiet."""
_ROUGH = round(0.5 * STT_SAMPLE_RATE)
"""Samples by which the model's times are wrong now and then."""
_SENTENCE_BONUS, _CLAUSE_BONUS = 0.2, 0.1
"""Share of a text by which a cut may miss its place in order to stand at a mark."""


@dataclass(frozen=True, slots=True)
class _SpeechInterval:
    """Speech without a long pause, within a segment; samples of the recording."""

    start: int
    end: int
    spoken: int
    """How much of it is speech."""


def in_recording(chunk: Chunk, segment: Segment, *, spaced: bool) -> list[Segment]:
    """The segment, with times in the recording; two or more where it spans a pause.

    Args:
        chunk: that it was read from.
        segment: with times in the chunk.
        spaced: its language puts spaces between words.
    """
    words = segment.words and tuple(
        Word(*chunk.word_in_recording(word.start, word.end), word.word, word.probability)
        for word in segment.words
    )
    intervals = _speech_intervals(chunk, segment)
    if words:
        groups = _words_by_pause(words)
        texts = ["".join(word.word for word in group) for group in groups]
        if len(groups) > 1 and "".join("".join(texts).split()) == "".join(segment.text.split()):
            return [
                replace(segment, start=group[0].start, end=group[-1].end, text=text, words=tuple(group))
                for group, text in zip(groups, texts, strict=True)
            ]
        start = min(intervals[0].start / STT_SAMPLE_RATE, words[0].start)
        end = max(intervals[-1].end / STT_SAMPLE_RATE, words[-1].end)
        return [replace(segment, start=start, end=max(start, end), words=words)]
    texts = _shared_out(segment.text, [interval.spoken for interval in intervals], spaced=spaced)
    if len(texts) < len(intervals):
        intervals = [max(intervals, key=lambda interval: interval.spoken)]
        texts = [segment.text]
    return [
        replace(
            segment, start=interval.start / STT_SAMPLE_RATE, end=interval.end / STT_SAMPLE_RATE, text=text
        )
        for interval, text in zip(intervals, texts, strict=True)
    ]


def _speech_intervals(chunk: Chunk, segment: Segment) -> list[_SpeechInterval]:
    start, end = round(segment.start * STT_SAMPLE_RATE), round(segment.end * STT_SAMPLE_RATE)
    found = [part for span in chunk.spans if (part := _part(span, start, end)) is not None]
    if not found:  # no speech where the segment is: it may be quiet speech, in the span of its middle
        times = chunk.word_in_recording(segment.start, segment.end)
        first, last = (round(time * STT_SAMPLE_RATE) for time in times)
        return [_SpeechInterval(first, max(first, last), max(0, last - first))]
    joined = [found[0]]
    for before, after in pairwise(found):
        if after.start - before.end >= _PAUSE:
            joined.append(after)
        else:
            joined[-1] = _SpeechInterval(joined[-1].start, after.end, joined[-1].spoken + after.spoken)
    return joined


def _part(span: Span, start: int, end: int) -> _SpeechInterval | None:
    """What a segment from `start` to `end` (samples of the chunk) has of the speech in a span."""
    moved = span.start - span.at
    first, last = max(start + moved, span.speech_start), min(end + moved, span.speech_end)
    spoken = last - first
    if spoken <= 0:
        return None
    inside = span.at <= start and end <= span.at + span.length
    if not inside and spoken < min(_ROUGH, (span.speech_end - span.speech_start) / 2):
        return None
    return _SpeechInterval(
        max(span.start, start + moved, span.speech_start - _MARGIN),
        min(span.start + span.length, end + moved, span.speech_end + _MARGIN),
        spoken,
    )


def _words_by_pause(words: Sequence[Word]) -> list[list[Word]]:
    groups = [[words[0]]]
    for before, word in pairwise(words):
        if word.start - before.end >= _PAUSE / STT_SAMPLE_RATE:
            groups.append([])
        groups[-1].append(word)
    return groups


def _shared_out(text: str, spoken: Sequence[int], *, spaced: bool) -> list[str]:
    """The text in as many parts, each as long as its speech, cut at marks if there are any nearby."""
    pieces = re.findall(r"\s*\S+", text) if spaced else list(text.strip())
    if len(pieces) < len(spoken):
        return [text]
    lengths = [len(piece.strip()) for piece in pieces]
    total, spoken_total = sum(lengths), sum(spoken)
    parts: list[str] = []
    begun, share = 0, 0.0
    for index, amount in enumerate(spoken[:-1]):
        share += amount / spoken_total
        rest = len(spoken) - 1 - index
        cuts = range(begun + 1, len(pieces) - rest + 1)
        best = min(cuts, key=lambda cut: _cost(pieces[cut - 1], sum(lengths[:cut]) / total - share))
        parts.append("".join(pieces[begun:best]))
        begun = best
    return [*parts, "".join(pieces[begun:])]


def _cost(last: str, miss: float) -> float:
    bonus = (
        _SENTENCE_BONUS if SENTENCE_END.search(last) else _CLAUSE_BONUS if CLAUSE_END.search(last) else 0.0
    )
    return abs(miss) - bonus
