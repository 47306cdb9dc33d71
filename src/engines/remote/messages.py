"""What crosses between a caller's process and a replica: arrays and plain data classes, for pickle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from src.engines.base import EngineInfo, Load, Voice
from src.observability.families import Family


class ReplicaLost(Exception):
    """A replica ended, or cannot be reached, before it answered. The row may be run on another one."""


@dataclass(frozen=True, slots=True)
class RowCall:
    """One row and the method of the engine that works on it."""

    method: str
    """Name of a method of the engine's Protocol."""
    arguments: tuple[Any, ...]
    """Its positional arguments before `request_id`; audio as `samples.packed` gives it."""
    request_id: str
    """The key of the replica's fair queue."""
    source: str
    """Identifies the calling process."""
    seconds: float
    """Estimated work: seconds of audio to read or to speak."""
    options: Mapping[str, Any] | None = None
    """Its keyword arguments."""
    background: bool = False
    """Whether nobody waits for the row (`scheduling/background.py`)."""
    trace: Mapping[str, str] | None = None
    """W3C trace context of the caller's request (`traceparent`); None if it is not traced."""


@dataclass(frozen=True, slots=True)
class ReplicaDescription:
    """What a replica runs. It does not change while the replica lives."""

    replica: str
    """Identifies the replica."""
    info: EngineInfo
    threads: int
    """CPU threads of its engine."""
    voices: tuple[Voice, ...] = ()
    """Voices of a text-to-speech engine; none for any other."""
    notices: tuple[str, ...] = ()
    """Messages for the operator."""


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """How busy a replica is now."""

    replica: str
    load: Load
    queued: Mapping[str, float]
    """Seconds of work that wait or run, by the `source` of their rows."""


class Replicas(Protocol):
    """The processes that run one engine. Their number may change at any time."""

    @property
    def source(self) -> str:
        """Identifies this process in `RowCall.source`."""

    async def call(self, row: RowCall, *, patient: bool = False) -> Any:
        """Run a row on one of them; returns what its engine returned, or the `VozError` that it raised.

        Waits for a replica while there is none. Cancelling the call cancels the row in the replica.

        Args:
            row: the row.
            patient: wait for a replica that gives no sign of life until it is known to have ended.

        Raises:
            ReplicaLost: the replica ended before it answered, or gives no sign of life while others do.
            Overloaded: too many rows wait for a replica.
            EngineFailed: the replica raised something that is not a `VozError`.
        """

    async def describe(self) -> Sequence[ReplicaDescription]:
        """Ask every replica what it runs. Replicas that do not answer are left out."""

    async def status(self) -> Sequence[ReplicaStatus]:
        """Ask every replica how busy it is. Replicas that do not answer are left out."""

    async def metrics(self) -> Mapping[str, Sequence[Family]]:
        """The metrics of every replica that answers, by replica."""
