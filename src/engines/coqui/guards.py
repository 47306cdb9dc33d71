"""Tacotron's known failures, noticed while it speaks: it stands still, runs on, or stops half-way.

The attention tells: a sentence that is spoken well is attended from its first character to its last.
Numbers are generous, since a false alarm costs a second try; what they catch is minutes of noise.
"""

import math
import re
from dataclasses import dataclass
from enum import StrEnum

SECONDS_TO_BEGIN = 2.0
SECONDS_PER_CHARACTER = 0.25
"""Slower than this is no speech: people take 0.07."""
LEAST_SECONDS_PER_CHARACTER = 0.02
STAND_STILL = 2.5
"""Seconds on one character: the longest pause between clauses that voices make is about one."""
TAIL = 0.3
"""Seconds kept after the last character, when the end has to be found without a stop token."""


class Trouble(StrEnum):
    STUCK = "its attention stands still"
    RUNAWAY = "it does not come to an end"
    CUT_OFF = "it stops before the end of the text"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a voice may take."""

    seconds: float
    """Of sound that one decoder step makes."""
    most_steps: int
    """The model's own limit (`max_decoder_steps`)."""

    def steps(self, seconds: float) -> int:
        return math.ceil(seconds / self.seconds)

    def limit(self, characters: int) -> int:
        """Decoder steps after which `characters` cannot be what is being spoken."""
        return min(self.most_steps, self.steps(SECONDS_TO_BEGIN + SECONDS_PER_CHARACTER * characters))


class Watch:
    """Looks at the most attended character of each step of one row.

    Args:
        characters: of the text, as the model sees it.
    """

    def __init__(self, pace: Pace, characters: int) -> None:
        self._pace = pace
        self._last = characters - 1
        self._limit = pace.limit(characters)
        self._patience = pace.steps(STAND_STILL)
        # closing marks and spaces are often not attended at all
        self._end = self._last - max(5, round(0.15 * characters))
        self._furthest = -1
        self._moved_at = 0
        self._steps = 0
        self.arrived_at: int | None = None
        """The step after which the end of the text had been attended."""

    def see(self, position: int) -> Trouble | None:
        """Called once a step, unless the stop token fired."""
        self._note(position)
        if self._steps >= self._limit:
            return Trouble.RUNAWAY
        if self._steps - self._moved_at >= self._patience:
            return Trouble.RUNAWAY if self.arrived_at is not None else Trouble.STUCK
        return None

    def stop(self, position: int) -> Trouble | None:
        """Called when the stop token fired."""
        self._note(position)
        too_short = self._steps * self._pace.seconds < LEAST_SECONDS_PER_CHARACTER * self._last
        return Trouble.CUT_OFF if too_short or self._furthest < self._end else None

    @property
    def end(self) -> int | None:
        """Steps to keep of a row whose stop token never fired; None if it missed the end of its text."""
        return None if self.arrived_at is None else self.arrived_at + self._pace.steps(TAIL)

    def _note(self, position: int) -> None:
        self._steps += 1
        if position > self._furthest:
            self._furthest, self._moved_at = position, self._steps
            if position >= self._last:
                self.arrived_at = self._steps


_CLAUSE = re.compile(r"[,;:.!?…—–]+[\"'»”’)]*\s+")
_SPACE = re.compile(r"\s+")


def in_two(text: str) -> tuple[str, str] | None:
    """Cut a sentence between clauses, or between words, as near to its middle as can be; None for a word."""
    for boundary in (_CLAUSE, _SPACE):
        cuts = [match.end() for match in boundary.finditer(text)]
        cuts = [cut for cut in cuts if _speakable(text[:cut]) and _speakable(text[cut:])]
        if cuts:
            cut = min(cuts, key=lambda cut: abs(cut - len(text) / 2))
            return _closed(text[:cut]), text[cut:].strip()
    return None


def _speakable(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _closed(text: str) -> str:
    """With a mark at the end: without one, the voice does not know that it may stop."""
    text = text.strip()
    return text + "." if text[-1].isalnum() else text
