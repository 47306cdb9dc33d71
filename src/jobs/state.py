"""How the queue is doing: estimates for callers, numbers for metrics."""

import asyncio
import logging
import time
from dataclasses import dataclass

from sqlalchemy import func, select

from src.errors import JobsUnavailable
from src.jobs.database import Database
from src.jobs.model import CallbackState, Job, JobKind, JobState
from src.jobs.tables import callbacks, jobs
from src.observability import metrics
from src.scheduling.background_loop import BackgroundLoop

log = logging.getLogger(__name__)

_FRESH_SECONDS = 5.0
"""Seconds for which a measured throughput is good enough."""
_GAUGE_SECONDS = 5.0
_RECENT = 50
"""Ended jobs that the throughput is taken from."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast jobs are done."""

    seconds: dict[JobKind, float]
    """Mean time of a recent job, by kind."""
    concurrency: int
    """Jobs that are in work at once."""
    now: float
    """Time of the measurement, in Unix time."""


@dataclass(frozen=True, slots=True)
class QueueState:
    by_state: dict[JobState, int]
    oldest_queued_seconds: float
    """Age of the oldest job that waits; 0 if none does."""
    callbacks_pending: int


class QueueMonitor(BackgroundLoop):
    """Measures the queue as a whole. An async context manager: gauges follow the queue while it is open.

    Args:
        database: of jobs, open.
        concurrency: jobs that one worker does at once.
    """

    def __init__(self, database: Database, concurrency: int) -> None:
        super().__init__("measure-jobs")
        self._database = database
        self._concurrency = max(1, concurrency)
        self._throughput: Throughput | None = None
        self._measured_at = 0.0
        self._lock = asyncio.Lock()

    async def throughput(self) -> Throughput:
        """The recent throughput."""
        async with self._lock:
            if self._throughput is None or time.monotonic() - self._measured_at > _FRESH_SECONDS:
                self._throughput, self._measured_at = await self._measure(), time.monotonic()
            return self._throughput

    async def state(self) -> QueueState:
        """Numbers of jobs that wait and run, and of callbacks that wait."""
        living = [JobState.QUEUED.value, JobState.RUNNING.value]
        async with self._database.read() as connection:
            counted = await connection.execute(
                select(jobs.c.state, func.count(), func.min(jobs.c.created_at), self._database.now())
                .where(jobs.c.state.in_(living))
                .group_by(jobs.c.state)
            )
            rows = counted.all()
            pending = await connection.execute(
                select(func.count()).where(callbacks.c.state == CallbackState.PENDING.value)
            )
            waiting = int(pending.scalar_one())
        ages = [now - oldest for state, _, oldest, now in rows if state == JobState.QUEUED]
        by_state = {JobState(state): 0 for state in living}
        by_state |= {JobState(state): count for state, count, _, _ in rows}
        return QueueState(by_state, max(0.0, *ages, 0.0), waiting)

    async def _run(self) -> None:
        while True:
            try:
                state = await self.state()
                by_state = {name.value: count for name, count in state.by_state.items()}
                metrics.jobs_state(by_state, state.oldest_queued_seconds, state.callbacks_pending)
            except JobsUnavailable as error:
                log.warning("the queue of jobs cannot be measured: %s", error)
            except Exception:
                log.exception("the queue of jobs cannot be measured")
            await asyncio.sleep(_GAUGE_SECONDS)

    async def _measure(self) -> Throughput:
        means: dict[JobKind, float] = {}
        async with self._database.read() as connection:
            recent = (
                select(jobs.c.kind, (jobs.c.ended_at - jobs.c.started_at).label("seconds"))
                .where(jobs.c.state == JobState.SUCCEEDED)
                .order_by(jobs.c.ended_at.desc())
                .limit(_RECENT)
                .subquery()
            )
            for kind, mean in await connection.execute(
                select(recent.c.kind, func.avg(recent.c.seconds)).group_by(recent.c.kind)
            ):
                means[JobKind(kind)] = float(mean)
            running = await connection.execute(
                select(func.count(), self._database.now()).where(jobs.c.state == JobState.RUNNING)
            )
            count, now = running.one()
        return Throughput(means, max(int(count), self._concurrency), float(now))


def estimate(job: Job, position: int | None, throughput: Throughput) -> tuple[float | None, float | None]:
    """When a job should start and end, in Unix time; None where nothing tells.

    A job that is in work goes on at its own pace; any other takes as long as recent ones of its kind did.
    """
    usual = throughput.seconds.get(job.kind)
    if job.state is JobState.RUNNING and job.started_at is not None:
        elapsed = throughput.now - job.started_at
        if job.total_seconds and job.done_seconds:
            left = max(0.0, job.total_seconds - job.done_seconds)
            return None, throughput.now + elapsed * left / job.done_seconds
        return None, None if usual is None else max(throughput.now, job.started_at + usual)
    if job.state is not JobState.QUEUED or position is None or not throughput.seconds:
        return None, None
    mean = sum(throughput.seconds.values()) / len(throughput.seconds)
    start = throughput.now + (position - 1) // throughput.concurrency * mean
    return start, start + (mean if usual is None else usual)
