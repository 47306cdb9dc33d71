"""How many live sessions are admitted: as many as fit by what they cost, and none while they lag."""

import time
from collections.abc import Callable

from src.errors import Overloaded
from src.scheduling.admission import AdmissionController, Place
from src.scheduling.live_load import MAX_LAG, LiveLoad

_RETRY_SECONDS = 10.0


class LiveAdmission(AdmissionController):
    """Admits live sessions.

    Args:
        load: what they cost.
        limit: sessions at once (LIVE_SESSIONS); None: as many as fit.
        timeout: see `AdmissionController`.
        clock: seconds; never goes back.
    """

    def __init__(
        self,
        load: LiveLoad,
        limit: int | None,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            "live transcription", (lambda: load.most_sessions) if limit is None else limit, timeout
        )
        self.load = load
        self._clock = clock

    @property
    def lag(self) -> float:
        """For how many seconds unread audio had waited at recent updates."""
        return self.load.lag(self._clock())

    def admit(self) -> Place:
        """Take a place; the caller must release it.

        Raises:
            Overloaded: all places are taken, or the sessions that are open lag.
        """
        if self.in_flight and self.lag > MAX_LAG:
            raise Overloaded(
                f"live sessions lag by {self.lag:.1f} s, so no other is opened", retry_after=_RETRY_SECONDS
            )
        return super().admit()
