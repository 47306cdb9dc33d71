"""What is done with a job: its progress, and the Protocol of those who do it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from src.jobs.leases import Leases
from src.jobs.model import LeasedJob
from src.jobs.outcomes import Ending

Explain = Callable[[Exception], Mapping[str, Any]]
"""An error as callers are shown it: `type`, `title`, `status`, `detail`."""


class Assignment:
    """A job in work, and how far it is.

    Args:
        leased: the job.
        leases: where progress is saved.
    """

    def __init__(self, leased: LeasedJob, leases: Leases) -> None:
        self.leased = leased
        self.job = leased.job
        self._leases = leases
        self.done_seconds = leased.job.done_seconds
        """Seconds of audio that are done, by this worker and those before it."""

    async def finished(self) -> list[Mapping[str, Any]]:
        """What workers before this one have finished, in order."""
        return await self._leases.checkpoints(self.job.id)

    async def save(
        self,
        done_seconds: float,
        total_seconds: float | None = None,
        number: int | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Save progress. See `Leases.save`."""
        await self._leases.save(self.leased, done_seconds, total_seconds, number, data)
        self.done_seconds = max(self.done_seconds, done_seconds)


class Work(Protocol):
    """Does jobs of one kind."""

    async def __call__(self, assignment: Assignment) -> Ending:
        """Do a job to its end.

        Raises:
            LeaseLost: it is another worker's by now.
            Exception: it cannot be done, or not now.
        """
