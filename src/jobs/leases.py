"""The queue as workers see it: claim, renew, save progress, end.

A worker that claims a job gets a lease on it, with a token, and renews it. If it dies, the lease runs out,
and another worker claims the job. Every write names the token (it is a fencing token): a worker that was
only slow, and whose job another has by now, changes nothing.
"""

import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update

from src.errors import EngineFailed, VozError
from src.jobs.database import Database
from src.jobs.model import JobState, LeasedJob
from src.jobs.outcomes import Ending, end_job
from src.jobs.queue import COLUMNS, job_of
from src.jobs.tables import checkpoints, jobs

_PAUSE, _LONGEST_PAUSE = 3.0, 300.0
"""Seconds before a job is begun again whose worker has died twice, and at most."""


class LeaseLost(VozError):
    """The job is another worker's by now, or was cancelled."""


class Leases:
    """Jobs that workers have in hand.

    Args:
        database: of jobs, open.
        seconds: of a lease.
        max_attempts: how often a job may be begun without progress before it counts as failed.
        keep_seconds: seconds for which an ended job is kept.
        explain: an error as callers are shown it.
    """

    def __init__(
        self,
        database: Database,
        seconds: float,
        max_attempts: int,
        keep_seconds: float,
        explain: Callable[[Exception], Mapping[str, Any]],
    ) -> None:
        self._database = database
        self.seconds = seconds
        self.max_attempts = max_attempts
        self._keep_seconds = keep_seconds
        self._explain = explain

    async def claim(self, count: int) -> list[LeasedJob]:
        """The next jobs, `count` at most: those that waited, and those whose worker has died."""
        if not await self._any():
            return []
        async with self._database.write() as connection:
            now = await self._database.clock(connection)
            await self._take_back(connection, now)
            ready = (
                select(jobs.c.id)
                .where(jobs.c.state == JobState.QUEUED, jobs.c.not_before <= now)
                .order_by(jobs.c.priority.desc(), jobs.c.turn, jobs.c.id)
                .limit(count)
                .with_for_update(skip_locked=True)
            )
            claimed = []
            for job_id in list((await connection.execute(ready)).scalars()):
                token = secrets.token_hex(16)
                row = await connection.execute(
                    update(jobs)
                    .where(jobs.c.id == job_id)
                    .values(
                        state=JobState.RUNNING.value,
                        lease_token=token,
                        lease_expires=now + self.seconds,
                        attempts=jobs.c.attempts + 1,
                    )
                    .returning(*COLUMNS)
                )
                job = job_of(row.one())
                if job.started_at is None:
                    await connection.execute(update(jobs).where(jobs.c.id == job_id).values(started_at=now))
                claimed.append(LeasedJob(job, token))
            return claimed

    async def renew(self, leased: Sequence[LeasedJob]) -> set[str]:
        """Renew leases; the ids of the jobs that are still this worker's."""
        async with self._database.write() as connection:
            kept = set()
            for one in leased:
                changed = await connection.execute(
                    self._of(one).values(lease_expires=self._database.now() + self.seconds)
                )
                if changed.rowcount == 1:
                    kept.add(one.job.id)
            return kept

    async def checkpoints(self, job_id: str) -> list[Mapping[str, Any]]:
        """What a transcription has finished, in order."""
        query = select(checkpoints.c.data).where(checkpoints.c.job_id == job_id)
        async with self._database.read() as connection:
            return list((await connection.execute(query.order_by(checkpoints.c.number))).scalars())

    async def save(
        self,
        leased: LeasedJob,
        done_seconds: float,
        total_seconds: float | None = None,
        number: int | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Save progress, and what was finished. It renews the lease as well.

        Args:
            leased: the job.
            done_seconds: seconds of audio that are done.
            total_seconds: of how many, if that is known.
            number: of the chunk that was finished.
            data: what is needed to go on after it.

        Raises:
            LeaseLost: the job is not this worker's any more.
        """
        async with self._database.write() as connection:
            changed = await connection.execute(
                self._of(leased).values(
                    done_seconds=done_seconds,
                    total_seconds=total_seconds,
                    **({} if number is None else {"attempts": 1}),
                    lease_expires=self._database.now() + self.seconds,
                )
            )
            if changed.rowcount != 1:
                raise LeaseLost(leased.job.id)
            if number is not None:
                # those of an earlier release may have been cut in other places
                await connection.execute(
                    delete(checkpoints).where(
                        checkpoints.c.job_id == leased.job.id, checkpoints.c.number >= number
                    )
                )
                await connection.execute(
                    insert(checkpoints).values(job_id=leased.job.id, number=number, data=dict(data or {}))
                )

    async def end(self, leased: LeasedJob, ending: Ending) -> None:
        """End a job, once and for all.

        Raises:
            LeaseLost: the job is not this worker's any more.
        """
        async with self._database.write() as connection:
            now = await self._database.clock(connection)
            mine = jobs.c.lease_token == leased.token
            if not await end_job(connection, leased.job, ending, now, self._keep_seconds, mine):
                raise LeaseLost(leased.job.id)

    async def give_back(self, leased: LeasedJob, after: float = 0.0, blameless: bool = True) -> None:
        """Put a job back into its place in the queue; nothing happens if it is not this worker's any more.

        Args:
            leased: the job.
            after: seconds in which nobody claims it.
            blameless: whether this beginning does not count among its attempts.
        """
        async with self._database.write() as connection:
            await connection.execute(
                self._of(leased).values(
                    state=JobState.QUEUED.value,
                    lease_token=None,
                    lease_expires=None,
                    attempts=jobs.c.attempts - int(blameless),
                    not_before=self._database.now() + after,
                )
            )

    def _of(self, leased: LeasedJob) -> Any:
        return update(jobs).where(jobs.c.id == leased.job.id, jobs.c.lease_token == leased.token)

    async def _any(self) -> bool:
        """Whether there is anything to claim: an idle worker should not lock the database once a second."""
        now = self._database.now()
        async with self._database.read() as connection:
            for condition in (
                (jobs.c.state == JobState.QUEUED, jobs.c.not_before <= now),
                (jobs.c.state == JobState.RUNNING, jobs.c.lease_expires < now),
            ):
                if (await connection.execute(select(jobs.c.id).where(*condition).limit(1))).first():
                    return True
        return False

    async def _take_back(self, connection: Any, now: float) -> None:
        """Put jobs whose lease has run out back into the queue; those begun too often have failed."""
        over = (
            select(*COLUMNS)
            .where(jobs.c.state == JobState.RUNNING, jobs.c.lease_expires < now)
            .with_for_update(skip_locked=True)
        )
        for row in (await connection.execute(over)).all():
            job = job_of(row)
            if job.attempts >= self.max_attempts:
                error = self._explain(
                    EngineFailed(f"the server ended {job.attempts} times while it worked on this job")
                )
                await end_job(connection, job, Ending(JobState.FAILED, error=error), now, self._keep_seconds)
                continue
            await connection.execute(
                update(jobs)
                .where(jobs.c.id == job.id)
                .values(
                    state=JobState.QUEUED.value,
                    lease_token=None,
                    lease_expires=None,
                    not_before=now + _pause(job.attempts),
                )
            )


def _pause(attempts: int) -> float:
    """Seconds before a job is begun again whose worker died.

    Once is bad luck. A job that is in hand each time may be the cause, and is kept apart from the others.
    """
    return 0.0 if attempts < 2 else min(_LONGEST_PAUSE, _PAUSE * 2 ** (attempts - 2)) * random.uniform(1, 1.5)
