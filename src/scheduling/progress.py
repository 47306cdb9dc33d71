"""Tells a model that is slow from one that hangs."""

import time
from collections.abc import Callable

_TIMES_SLOWEST = 10
"""A model that has not returned for so many times its slowest recent step is taken to hang."""
_HALF_LIFE = 600.0
"""Seconds of work after which the time of a slow step counts half."""
_LONGEST = 600.0
"""Seconds that the limit never exceeds, however slow a step was."""


class StepProgress:
    """When a model last returned from a step, and how long it may take to return again.

    Written by one thread; may be read by any.

    Args:
        floor: the limit is never below so many seconds.
        clock: seconds that only grow.
    """

    def __init__(self, floor: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._floor = floor
        self._clock = clock
        self._last = clock()
        self._slowest = 0.0

    def begin(self) -> None:
        """Work came to a model that had none."""
        self._last = self._clock()

    def advance(self) -> None:
        """The model returned from a step."""
        now = self._clock()
        took, self._last = now - self._last, now
        self._slowest = max(took, self._slowest * 0.5 ** (took / _HALF_LIFE))

    @property
    def age(self) -> float:
        """Seconds since the last step returned, or since work came."""
        return self._clock() - self._last

    @property
    def limit(self) -> float:
        """Seconds of `age` after which the model is taken to hang."""
        return max(self._floor, min(_LONGEST, _TIMES_SLOWEST * self._slowest))
