"""What in a text was taken for what: tokens that rules claim, and the rest, which stays as it is.

The text never changes while the rules run. A rule looks at the written text, with all of its evidence on both
sides, and claims the span that it can read. The first rule that claims a character has it.
"""

import re
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

_MARGIN = 48
"""Characters beside the sign of a class (a digit, a `$`) that a rule may need to see."""

_SPACE = re.compile(r"\s")
_JOINED = re.compile(r"\s?[-–]\s?")


@dataclass(frozen=True, slots=True, order=True)
class Token:
    """A span of the written text and how it is said."""

    start: int
    end: int
    kind: str = field(compare=False)
    """Class: `date`, `money`, `measure`..."""
    spoken: str = field(compare=False)
    evidence: str = field(compare=False)
    """Name of the rule that claimed it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to write a class, and how it is said."""

    kind: str
    pattern: re.Pattern[str]
    """Where it has a group `own`, only that group is claimed; the rest is evidence."""
    say: Callable[[re.Match[str]], str | None]
    """The words; None, or `Misread` raised, where the match is something else after all."""
    name: str
    near: str = r"\d"
    """A regular expression for what the pattern cannot match without: it runs only near that; empty for anywhere."""


class Misread(Exception):
    """What a rule matched is something else after all."""


def rule(
    kind: str,
    pattern: str,
    say: Callable[[re.Match[str]], str | None],
    name: str,
    near: str = r"\d",
    flags: re.RegexFlag = re.NOFLAG,
) -> Rule:
    """A rule for a pattern as it is written."""
    return Rule(kind, re.compile(pattern, flags), say, name, near)


any_case = partial(rule, flags=re.IGNORECASE)
"""The same where capitals and small letters are alike."""


CAPITAL = r"\s+[A-ZÁÉÍÓÚÑ¿¡]"
CAPITALISED = r"\s+(?:[A-ZÁÉÍÓÚÑ](?![A-Z])|[¿¡])"
"""Behind times and dates, acronyms do not begin a sentence: `5 p.m. EST`."""


def stop(match: re.Match[str], opening: str = CAPITAL) -> str:
    """The dot of a short form also ends the sentence at the end of the text or of a line, or before an `opening`."""
    after = match.string[match.end() : match.end() + 40]
    ends = match[0].endswith(".") and re.match(rf"[\"')]*(?:\s*$|\n|{opening})", after)
    return "." if ends else ""


class Reading:
    """A text on its way to words."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self._taken = bytearray(len(text))
        self._windows: dict[str, list[tuple[int, int]]] = {"": [(0, len(text))]}

    def apply(self, rule: Rule) -> None:
        """Let a rule claim what no other has."""
        own = "own" if "own" in rule.pattern.groupindex else 0
        if rule.near not in self._windows:
            self._windows[rule.near] = list(_windows(self.text, rule.near))
        for start, end in self._windows[rule.near]:
            for match in rule.pattern.finditer(self.text, start, end):
                first, last = match.span(own)
                if first < last and self._taken.find(1, first, last) < 0:
                    with suppress(Misread):
                        said = rule.say(match)
                        if said is not None:
                            self.claim(Token(first, last, rule.kind, said, rule.name))

    def claim(self, token: Token) -> None:
        self._taken[token.start : token.end] = b"\1" * (token.end - token.start)
        insort(self.tokens, token)

    def join_ranges(self, kinds: Iterable[str], joint: str) -> None:
        """A dash between two tokens of one class is a range: `9am-5pm`, `Mon-Fri`."""
        for left, right in pairwise(list(self.tokens)):
            alike = left.kind == right.kind and left.kind in kinds
            if alike and left.end < right.start and _JOINED.fullmatch(self.text, left.end, right.start):
                self.claim(Token(left.end, right.start, "range", f" {joint} ", "dash between two of a kind"))

    def spoken(self) -> str:
        """The text with its tokens in words; a token is a word of its own."""
        return "".join(said for said, _ in self.said())

    def said(self) -> list[tuple[str, tuple[int, int]]]:
        """The parts of `spoken`, each with the span of the text that it is said for."""
        parts: list[tuple[str, tuple[int, int]]] = []
        at = 0
        for token in self.tokens:
            parts += [
                (self.text[at : token.start], (at, token.start)),
                (token.spoken, (token.start, token.end)),
            ]
            at = token.end
        parts.append((self.text[at:], (at, len(self.text))))
        said: list[tuple[str, tuple[int, int]]] = []
        for part, (start, end) in parts:
            if part:
                if said and said[-1][0][-1].isalnum() and part[0].isalnum():
                    said.append((" ", (start, start)))
                said.append((part, (start, end)))
        return said


def _windows(text: str, near: str) -> Iterator[tuple[int, int]]:
    """Spans around what `near` matches, cut at white space."""
    start = end = -1
    for match in re.finditer(near, text):
        if match.end() + _MARGIN <= end:
            continue
        high = _SPACE.search(text, min(len(text), match.end() + _MARGIN))
        last = high.start() if high else len(text)
        first = text.rfind(" ", 0, max(0, match.start() - _MARGIN)) + 1
        if start < 0:
            start, end = first, last
        elif first <= end:
            end = last
        else:
            yield start, end
            start, end = first, last
    if start >= 0:
        yield start, end
