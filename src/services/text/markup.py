"""Marks inside a text, as the field writes them: `[pause:1.5s]` and `[word](/phonemes/)`.

Brackets that are neither are text.
"""

import re
from dataclasses import dataclass

from src.errors import InvalidInput

MAX_PAUSE = 10.0
"""Seconds of one pause."""
MAX_PAUSES = 60.0
"""Seconds of all pauses of a text."""

_MARK = re.compile(
    r"\[pause:(?P<pause>[^\[\]\n]{0,40})\]|\[(?P<word>[^\[\]\n]{1,100})\]\(/(?P<ipa>[^()/\n]{1,200})/\)",
    re.IGNORECASE,
)
_LENGTH = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})\s*(ms|s)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Plain:
    """Text that is read by the rules."""

    text: str


@dataclass(frozen=True, slots=True)
class Phonemes:
    """A word that is said as its phonemes."""

    word: str
    """As it is written in the text."""
    ipa: str
    place: str
    """Where it is, for an error."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence."""

    seconds: float


Span = Plain | Phonemes | Pause


def spans_of(text: str) -> list[Span]:
    """The parts of a text with markup, in order.

    Raises:
        InvalidInput: a pause has no length, or is too long.
    """
    spans: list[Span] = []
    at = 0
    for mark in _MARK.finditer(text):
        if mark["word"] is not None and not mark["word"].strip():
            continue
        if at < mark.start():
            spans.append(Plain(text[at : mark.start()]))
        place = f"{mark[0]!r} at character {mark.start() + 1}"
        spans.append(
            Pause(_seconds(mark["pause"], place))
            if mark["word"] is None
            else Phonemes(mark["word"], mark["ipa"], place)
        )
        at = mark.end()
    if at < len(text):
        spans.append(Plain(text[at:]))
    total = sum(span.seconds for span in spans if isinstance(span, Pause))
    if total > MAX_PAUSES:
        raise InvalidInput(
            f"the pauses last {total:g} s together; at most {MAX_PAUSES:g} s are allowed", "text"
        )
    return spans


def _seconds(length: str, place: str) -> float:
    found = _LENGTH.fullmatch(length)
    if found is None:
        raise InvalidInput(f"{place} is no pause: write [pause:1.5s] or [pause:500ms]", "text")
    seconds = float(found[1]) / (1000 if found[2].lower() == "ms" else 1)
    if seconds > MAX_PAUSE:
        raise InvalidInput(f"{place} is too long: a pause has at most {MAX_PAUSE:g} s", "text")
    return seconds
