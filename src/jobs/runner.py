"""Claims jobs and works on them, in every worker process.

A job that is cancelled, or whose lease has passed to another worker, is noticed when the leases are renewed.
When the process stops, its jobs go back into the queue at once, and others go on where it was.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self

from src.errors import FetchFailed, JobsUnavailable, RateLimited, VozError
from src.jobs.leases import LeaseLost, Leases
from src.jobs.model import JobKind, JobState, LeasedJob
from src.jobs.outcomes import Ending
from src.jobs.work import Assignment, Explain, Work
from src.observability import metrics
from src.observability.telemetry import begin_request, origin
from src.scheduling.background import background_work

log = logging.getLogger(__name__)

Stopping = Callable[[], bool]
"""Whether the server stops."""
Charge = Callable[[str, float], None]
"""Counts seconds of audio for a key."""

_POLL_SECONDS = 1.0
"""Between two looks at an empty queue; a job that this process takes is begun at once."""
_STOP_SECONDS = 0.25
"""Between two looks at whether the server stops."""
_RENEWALS = 3
"""How often a lease is renewed before it would run out."""
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 300.0
"""Seconds before a job is begun again that could not be done."""
_END_TRIES = 5


class JobRunner:
    """An async context manager: jobs are worked on while it is open.

    Args:
        leases: of jobs.
        works: does the jobs of each kind.
        concurrency: jobs at once; 0: none.
        stopping: whether the server stops.
        explain: an error as callers are shown it.
        charge: counts seconds of audio for a key.
    """

    def __init__(
        self,
        leases: Leases,
        works: Mapping[JobKind, Work],
        concurrency: int,
        stopping: Stopping,
        explain: Explain,
        charge: Charge,
    ) -> None:
        self._leases = leases
        self._works = works
        self._concurrency = concurrency
        self._stopping = stopping
        self._explain = explain
        self._charge = charge
        self._running: dict[str, tuple[LeasedJob, asyncio.Task[None]]] = {}
        self._lost: set[str] = set()
        self._changed = asyncio.Event()
        self._closed = False
        self._renewed = time.monotonic()
        self._loops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        if self._concurrency:
            self._loops = [
                asyncio.create_task(self._claim_for_ever(), name="claim-jobs"),
                asyncio.create_task(self._renew_for_ever(), name="renew-leases"),
            ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._changed.set()
        if self._loops:
            claiming, renewing = self._loops
            # not cancelled: a claim that is under way would leave jobs that nobody works on
            await asyncio.gather(claiming, return_exceptions=True)
            await self._hand_back()
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    @property
    def running(self) -> int:
        """Jobs in work."""
        return len(self._running)

    def wake(self) -> None:
        """Look at the queue now: a job was submitted."""
        self._changed.set()

    async def _claim_for_ever(self) -> None:
        looked = 0.0
        while not self._closed:
            if self._stopping():
                await self._hand_back()
                return
            if self._changed.is_set() or time.monotonic() - looked >= _POLL_SECONDS:
                self._changed.clear()
                looked = time.monotonic() + random.uniform(0, _POLL_SECONDS / 4)
                free = self._concurrency - len(self._running)
                if free > 0:
                    await self._guarded(self._claim(free))
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _claim(self, count: int) -> None:
        for leased in await self._leases.claim(count):
            task = asyncio.create_task(self._work(leased), name=leased.job.id)
            self._running[leased.job.id] = leased, task

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._leases.seconds / _RENEWALS)
            await self._guarded(self._renew())
            if self._running and time.monotonic() - self._renewed > self._leases.seconds:
                # others may have them by now
                self._drop(set(self._running))

    async def _renew(self) -> None:
        leased = [one for one, _ in self._running.values()]
        began = time.monotonic()
        kept = await self._leases.renew(leased) if leased else set()
        self._renewed = began
        self._drop({one.job.id for one in leased} - kept)

    def _drop(self, job_ids: set[str]) -> None:
        """Stop working on jobs that are not this process's any more."""
        for job_id in job_ids:
            if job_id in self._running:
                self._lost.add(job_id)
                self._running[job_id][1].cancel()

    async def _hand_back(self) -> None:
        tasks = [task for _, task in self._running.values()]
        if tasks:
            log.info("%d jobs go back into the queue", len(tasks))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, step: Coroutine[Any, Any, None]) -> None:
        """A step that may fail: the next one tries again."""
        try:
            await step
        except JobsUnavailable as error:
            log.error("jobs wait: %s", error)
        except Exception:
            log.exception("the queue of jobs could not be looked at")

    async def _work(self, leased: LeasedJob) -> None:
        job = leased.job
        begin_request(job.id)
        assignment = Assignment(leased, self._leases)
        outcome = "handed back"
        began = time.monotonic()
        try:
            with background_work():
                ending = await self._works[job.kind](assignment)
            await self._end(leased, ending)
            if ending.result is not None:
                assignment.done_seconds = ending.result["duration"]
            outcome = ending.state.value
        except asyncio.CancelledError:
            if job.id in self._lost:
                outcome = "lost"
            else:
                await asyncio.shield(self._give_back(leased))
        except LeaseLost:
            outcome = "lost"
        except Exception as error:
            outcome = await self._failed(leased, assignment, error)
        finally:
            self._running.pop(job.id, None)
            self._lost.discard(job.id)
            self._changed.set()
            seconds = assignment.done_seconds - job.done_seconds
            if seconds > 0:
                self._charge(job.owner, seconds)
            metrics.job_left(job.kind.value, outcome, max(0.0, seconds))
            log.info(
                "job %s: %s", job.kind.value, outcome,
                extra={"job": job.id, "key": job.owner, "ms": round((time.monotonic() - began) * 1000)},
            )  # fmt: skip

    async def _failed(self, leased: LeasedJob, assignment: Assignment, error: Exception) -> str:
        """Put a job back that may do better later; any other has failed. Returns what became of it."""
        job = leased.job
        # an attempt that finished something does not count
        attempts = 1 if assignment.done_seconds > job.done_seconds else job.attempts
        if _temporary(error) and attempts < self._leases.max_attempts:
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempts - 1)) * random.uniform(1, 1.25)
            log.warning("job %s is tried again in %.0f s: %s", job.id, pause, error)
            await self._guarded(self._leases.give_back(leased, pause, blameless=False))
            return "put off"
        if not isinstance(error, VozError):
            log.error("unexpected in a job: %s", origin(error), exc_info=error)
        try:
            await self._end(leased, Ending(JobState.FAILED, error=self._explain(error)))
        except LeaseLost:
            return "lost"
        except JobsUnavailable as unavailable:  # its lease runs out, and it is tried again
            log.error("%s", unavailable)
            return "lost"
        return JobState.FAILED.value

    async def _end(self, leased: LeasedJob, ending: Ending) -> None:
        """End a job. The work is done: a database that does not answer for a moment must not cost it."""
        for left in range(_END_TRIES, 0, -1):
            try:
                await self._leases.end(leased, ending)
            except JobsUnavailable:
                if left == 1:
                    raise
                await asyncio.sleep(1)
            else:
                return

    async def _give_back(self, leased: LeasedJob) -> None:
        await self._guarded(self._leases.give_back(leased))


def _temporary(error: Exception) -> bool:
    """Whether another try may succeed: the machine was at fault, and not the job."""
    if isinstance(error, FetchFailed):
        return error.temporary
    unavailable = hasattr(error, "retry_after") and not isinstance(error, RateLimited)
    return unavailable or isinstance(error, OSError)
