"""What live sessions cost, how many fit, and how far apart their updates are.

All follows from what is measured: the cost of an update and of a final text, in seconds of the engine, and
the audio that they were for. The cost of a session is

    share * update / interval + rest        seconds of the engine for each second of its audio,

where `share` is the part of the audio that updates read (the rest is silence), `update` the cost of one and
`rest` that of final texts. As many sessions fit as cost no more than a part of the engine at the widest
interval that is still pleasant. The interval of the sessions that speak now is the narrowest at which all of
them cost no more than that. Where the engine has other work as well, updates take longer than their cost
says, and the interval widens by what is observed. No task, no thread; time comes in as arguments.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

_USABLE = 0.8
"""Share of the engine that live sessions may use. A queue grows without limit where work takes all of it."""
_WIDEST_PLEASANT = 1.2
"""Seconds between updates with as many sessions as fit."""
MAX_INTERVAL = 3.0
"""Seconds between updates on a machine that is too slow."""
_MEMORY = 120.0
"""Seconds of audio after which what was measured weighs a third of what is new."""
_LATE = 0.8
"""Part of the interval that an update may take. Beyond, the interval widens."""
_LEAST_SHARE = 0.2
"""Whoever is silent may speak: sessions are not taken to be cheaper than with this part of speech."""
_WIDEN, _NARROW = 1.1, 0.97
_MAX_STRETCH = 8.0
_LAG_MEMORY = 10.0
"""Seconds after which a lag weighs a third of a new one."""
INTERVAL = 0.4
"""Seconds between updates that a session asks for if its client does not say."""
_STRAIN = 1.5
"""Seconds of lag beyond which final texts are made in a quicker way."""
MAX_LAG = 2.0
"""Seconds of lag beyond which no session is admitted."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the engine."""

    update: float = 0.09
    """Seconds of the engine for one update."""
    rest: float = 0.06
    """Seconds of the engine for a second of audio besides its updates: its final texts."""
    share: float = 0.8
    """Part of the audio that updates read."""

    @classmethod
    def with_update(cls, seconds: float) -> "Cost":
        """The cost where an update takes `seconds`, and the rest in proportion, as with `base` on a CPU."""
        return cls(update=seconds, rest=0.6 * seconds)

    def of_session(self, interval: float) -> float:
        """Seconds of the engine for a second of a session's audio, with updates `interval` seconds apart."""
        return self.share * self.update / interval + self.rest


class LiveLoad:
    """The live sessions of one process.

    Args:
        cores: seconds that the engine has each second: CPU cores, or GPUs. Asked each time, because replicas
            come and go.
        start: what is assumed until sessions have been measured.
    """

    def __init__(self, cores: Callable[[], float], start: Cost | None = None) -> None:
        self.speaking = 0
        """Sessions in which somebody speaks now."""
        self.sessions = 0
        """Sessions that are open."""
        self._cores = cores
        self._stretch = 1.0
        self._lag = 0.0
        self._lag_at = 0.0
        self.assume(start or Cost())

    def assume(self, cost: Cost) -> None:
        """Begin anew with a cost that was found otherwise, as if it had been measured for a while."""
        self._audio = _MEMORY
        self._read = cost.share * _MEMORY
        self._updates = self._read  # one a second
        self._updating = self._updates * cost.update
        self._finals = cost.rest * _MEMORY

    @property
    def cost(self) -> Cost:
        """The cost that was measured lately."""
        return Cost(
            update=self._updating / self._updates,
            rest=self._finals / self._audio,
            share=min(1.0, self._read / self._audio),
        )

    @property
    def most_sessions(self) -> int:
        """Number of sessions that fit; at least one."""
        return max(1, int(_USABLE * self._cores() / self.cost.of_session(_WIDEST_PLEASANT)))

    def interval(self, wanted: float) -> float:
        """Seconds between the updates of a session that would like `wanted`."""
        cost = self.cost
        left = _USABLE * self._cores() - self.sessions * cost.rest
        needed = self.speaking * cost.update / left if left > 0 else MAX_INTERVAL
        return max(wanted, min(MAX_INTERVAL, max(wanted, needed) * self._stretch))

    def lag(self, now: float) -> float:
        """For how many seconds unread audio had waited at recent updates: a running mean, which fades."""
        return self._lag * math.exp(-max(0.0, now - self._lag_at) / _LAG_MEMORY)

    def strained(self, now: float) -> bool:
        """Whether the engine does not keep up, although the interval has widened."""
        return self.lag(now) > _STRAIN

    def received(self, seconds: float) -> None:
        """Audio of a session has come, speech or not."""
        kept = _MEMORY / (_MEMORY + seconds)
        self._audio = (self._audio + seconds) * kept
        self._finals *= kept
        if self._read > _LEAST_SHARE * self._audio:
            self._read *= kept
            self._updates *= kept
            self._updating *= kept

    def updated(self, cost: float, read: float, took: float, wanted: float, lag: float, now: float) -> None:
        """An update has ended.

        Args:
            cost: seconds of the engine.
            read: seconds of audio that no update had read before.
            took: seconds from its start to its end.
            wanted: as for `interval`.
            lag: for how many seconds audio has waited that is not read yet.
            now: seconds of a clock that never goes back.
        """
        self._updates += 1
        self._updating += cost
        self._read += read
        late = took > _LATE * self.interval(wanted)
        self._stretch = min(_MAX_STRETCH, max(1.0, self._stretch * (_WIDEN if late else _NARROW)))
        self._lag = self.lag(now) + 0.2 * (lag - self.lag(now))
        self._lag_at = now

    def refused(self) -> None:
        """An update was refused because too many rows wait."""
        self._stretch = min(_MAX_STRETCH, self._stretch * 1.5)

    def completed(self, cost: float) -> None:
        """A final text is there; `cost` in seconds of the engine."""
        self._finals += cost
