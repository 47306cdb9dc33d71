"""Cuts decoded tokens into segments at their timestamps."""

from collections.abc import Iterator
from dataclasses import dataclass

from src.engines.whisper.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """Text tokens between two timestamps; seconds from the start of the row."""

    start: float
    end: float
    tokens: tuple[int, ...]


def spans(tokens: tuple[int, ...], duration: float, vocabulary: Vocabulary) -> list[TokenSpan]:
    """Cut at the timestamp tokens. Times never run backwards nor past `duration`; no token is lost."""
    found: list[TokenSpan] = []
    floor = 0.0
    for start, end, text in _pieces(tokens, vocabulary):
        first = min(max(floor, floor if start is None else start), duration)
        last = min(max(first, duration if end is None else end), duration)
        found.append(TokenSpan(first, last, text))
        floor = last
    return found


def _pieces(
    tokens: tuple[int, ...], vocabulary: Vocabulary
) -> Iterator[tuple[float | None, float | None, tuple[int, ...]]]:
    start: float | None = None
    text: list[int] = []
    for token in tokens:
        if token < vocabulary.first_timestamp:
            text.append(token)
            continue
        time = vocabulary.seconds(token)
        if text:
            yield start, time, tuple(text)
            text = []
        start = time
    if text:
        yield start, None, tuple(text)
