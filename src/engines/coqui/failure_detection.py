"""Detects Tacotron's known failures while it decodes: it gets stuck, does not end, or ends too early.

The attention shows them: in a sentence that is spoken well, it moves from the first character to the last.
All limits are generous. A false alarm costs a second attempt, and a missed failure costs minutes of noise.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

START_SECONDS = 2.0
"""Time allowed for a sentence besides the time for its characters."""
MAX_SECONDS_PER_CHARACTER = 0.25
"""Speech is never slower than this: people take 0.07 s a character."""
MIN_SECONDS_PER_CHARACTER = 0.02
"""Speech is never faster than this."""
MAX_SECONDS_ON_CHARACTER = 2.5
"""Time after which an attention that does not move is stuck. Pauses between clauses take about a second."""
TAIL_SECONDS = 0.3
"""Time that is kept after the last character if no stop token was found."""


class SynthesisFailure(StrEnum):
    """What went wrong, in words for an error message."""

    STUCK = "its attention stands still"
    RUNAWAY = "it does not come to an end"
    CUT_OFF = "it stops before the end of the text"


@dataclass(frozen=True, slots=True)
class DurationLimits:
    """How long a voice may speak."""

    step_seconds: float
    """Duration of the sound of one decoder step, in seconds."""
    max_steps: int
    """The model's own limit (`max_decoder_steps`)."""

    def steps(self, seconds: float) -> int:
        """Number of decoder steps for a duration."""
        return math.ceil(seconds / self.step_seconds)

    def limit(self, characters: int) -> int:
        """Largest number of decoder steps in which a text of this length can be spoken."""
        return min(self.max_steps, self.steps(START_SECONDS + MAX_SECONDS_PER_CHARACTER * characters))


class AttentionMonitor:
    """Follows the most attended character of one row, step by step.

    Args:
        limits: those of the voice.
        characters: length of the text, in ids of the model.
    """

    def __init__(self, limits: DurationLimits, characters: int) -> None:
        self._limits = limits
        self._last = characters - 1
        self._max_steps = limits.limit(characters)
        self._max_steps_on_character = limits.steps(MAX_SECONDS_ON_CHARACTER)
        # closing punctuation and spaces are often not attended at all
        self._end_zone = self._last - max(5, round(0.15 * characters))
        self._furthest = -1
        self._last_move = 0
        self._steps = 0
        self._end_step: int | None = None
        """Number of steps after which the last character had been attended."""

    def step(self, position: int) -> SynthesisFailure | None:
        """Record a step in which the stop token did not fire.

        Args:
            position: index of the most attended character.
        """
        self._record(position)
        if self._steps >= self._max_steps:
            return SynthesisFailure.RUNAWAY
        if self._steps - self._last_move >= self._max_steps_on_character:
            return SynthesisFailure.STUCK if self._end_step is None else SynthesisFailure.RUNAWAY
        return None

    def stop(self, position: int) -> SynthesisFailure | None:
        """Record the step in which the stop token fired.

        Args:
            position: index of the most attended character.
        """
        self._record(position)
        seconds = self._steps * self._limits.step_seconds
        too_short = seconds < MIN_SECONDS_PER_CHARACTER * self._last
        return SynthesisFailure.CUT_OFF if too_short or self._furthest < self._end_zone else None

    @property
    def end(self) -> int | None:
        """Steps to keep if the stop token never fired; None if the end of the text was not attended."""
        return None if self._end_step is None else self._end_step + self._limits.steps(TAIL_SECONDS)

    def _record(self, position: int) -> None:
        self._steps += 1
        if position > self._furthest:
            self._furthest, self._last_move = position, self._steps
            if position >= self._last:
                self._end_step = self._steps
