"""Distinguishes a slow model from one that hangs."""

import time
from collections.abc import Callable

_TIMES_SLOWEST = 10
"""Factor: a model hangs if a step takes this many times as long as its slowest recent step."""
_HALF_LIFE = 600.0
"""Half-life, in seconds of work, of the time of the slowest step."""
_LONGEST = 600.0
"""Maximum of the limit in seconds, however slow a step was."""


class StepProgress:
    """When a model last returned from a step, and how long it may take to return again.

    Written by one thread; may be read by any.

    Args:
        floor: minimum of the limit in seconds.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, floor: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._floor = floor
        self._clock = clock
        self._last = clock()
        self._slowest = 0.0

    def begin(self) -> None:
        """Report that work arrived at an idle model."""
        self._last = self._clock()

    def advance(self) -> None:
        """Report that the model returned from a step."""
        now = self._clock()
        took, self._last = now - self._last, now
        self._slowest = max(took, self._slowest * 0.5 ** (took / _HALF_LIFE))

    @property
    def age(self) -> float:
        """Seconds since the last step returned, or since work arrived."""
        return self._clock() - self._last

    @property
    def limit(self) -> float:
        """Seconds of `age` after which the model is taken to hang."""
        return max(self._floor, min(_LONGEST, _TIMES_SLOWEST * self._slowest))
