"""The queue as callers see it: submit, look up, list, cancel.

Jobs start by priority, and among those of one priority the keys take turns: start-time fair queueing (Goyal,
Vin and Cheng, 1996), with a job as the unit. A job gets its `turn` when it is submitted: the one after that
of its key's last job, but not before the turn that the queue has reached. So a key that submits a thousand
jobs does not keep another one's single job waiting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from src.errors import InvalidInput, NotFound, RateLimited
from src.jobs.database import Database
from src.jobs.model import Job, JobKind, JobState, NewJob, new_id
from src.jobs.outcomes import Ending, end_job
from src.jobs.tables import callbacks, checkpoints, jobs, objects, submissions

_RETRY_SECONDS = 60.0
COLUMNS = [
    column
    for column in jobs.c
    if column.name not in {"submission_id", "not_before", "lease_token", "lease_expires"}
]
"""What `job_of` wants to know."""


_KNOWN = frozenset(field.name for field in fields(Job))
_AS_NEW: dict[str, Any] = dict.fromkeys(
    ("started_at", "ended_at", "expires_at", "total_seconds", "result", "error")
)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The Idempotency-Key of a request, and a hash of all that it asks for."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Submission:
    """What a request has submitted."""

    jobs: tuple[Job, ...]
    batch_id: str | None
    replayed: bool
    """Whether an earlier request with the same Idempotency-Key did it."""


class JobQueue:
    """Jobs by owner.

    Args:
        database: of jobs, open.
        max_queued: jobs of one key that may wait.
        keep_seconds: seconds for which an ended job is kept.
    """

    def __init__(self, database: Database, max_queued: int, keep_seconds: float) -> None:
        self._database = database
        self._max_queued = max_queued
        self._keep_seconds = keep_seconds

    async def replay(self, owner: str, idempotency: IdempotencyKey) -> Submission | None:
        """What an earlier request with this Idempotency-Key has submitted; None if there was none.

        Raises:
            InvalidInput: it was another request.
        """
        async with self._database.read() as connection:
            return (await _replayed(connection, owner, idempotency))[0]

    async def submit(
        self, owner: str, new: Sequence[NewJob], *, batch: bool, idempotency: IdempotencyKey | None = None
    ) -> Submission:
        """Put jobs into the queue: all of them, or none.

        Raises:
            RateLimited: too many jobs of this key wait.
            InvalidInput: the Idempotency-Key came with another request.
        """
        try:
            return await self._submit(owner, new, batch, idempotency)
        except IntegrityError:  # a request with the same Idempotency-Key was faster
            if idempotency is None or (found := await self.replay(owner, idempotency)) is None:
                raise
            return found

    async def _submit(
        self, owner: str, new: Sequence[NewJob], batch: bool, idempotency: IdempotencyKey | None
    ) -> Submission:
        async with self._database.write() as connection:
            submission_id = None
            batch_id = new_id("batch") if batch else None
            now = await self._database.clock(connection)
            if idempotency is not None:
                found, earlier = await _replayed(connection, owner, idempotency)
                if found is not None:
                    return found
                submission_id = new_id("sub")
                if earlier is not None:
                    # its jobs are deleted. By its id: another request may have put a new one there meanwhile
                    await connection.execute(delete(submissions).where(submissions.c.id == earlier))
                await connection.execute(
                    insert(submissions).values(
                        id=submission_id,
                        owner=owner,
                        idempotency_key=idempotency.key,
                        fingerprint=idempotency.fingerprint,
                        batch_id=batch_id,
                        created_at=now,
                    )
                )
            queued, turn = await _place(connection, owner)
            if queued + len(new) > self._max_queued:
                raise RateLimited(
                    f"{queued} jobs of this key wait already; JOBS_MAX_QUEUED is {self._max_queued}",
                    _RETRY_SECONDS,
                )
            rows = [
                {
                    "id": new_id("job"),
                    "owner": owner,
                    "kind": job.kind,
                    "state": JobState.QUEUED,
                    "batch_id": batch_id,
                    "submission_id": submission_id,
                    "priority": job.priority,
                    "turn": turn + index,
                    "metadata": dict(job.metadata),
                    "spec": dict(job.spec),
                    "callback_url": job.callback_url,
                    "created_at": now,
                    "attempts": 0,
                    "not_before": now,
                    "done_seconds": 0.0,
                }
                for index, job in enumerate(new)
            ]
            await connection.execute(insert(jobs), rows)
            for row, job in zip(rows, new, strict=True):
                if job.upload is not None:
                    await connection.execute(
                        update(objects)
                        .where(objects.c.key == job.upload)
                        .values(job_id=row["id"], delete_at=None)
                    )
            stored = tuple(
                Job(**_AS_NEW | {name: row[name] for name in row if name in _KNOWN}) for row in rows
            )
            return Submission(stored, batch_id, replayed=False)

    async def find(self, owner: str, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: there is none with this id, or it is another key's.
        """
        async with self._database.read() as connection:
            return await _found(connection, owner, job_id)

    async def page(
        self,
        owner: str,
        limit: int,
        after: str | None = None,
        state: JobState | None = None,
        kind: JobKind | None = None,
        batch_id: str | None = None,
    ) -> list[Job]:
        """Jobs of a key, newest first, `limit` at most; those that are older than `after` if it is given."""
        query = select(*COLUMNS).where(jobs.c.owner == owner)
        for column, value in ((jobs.c.state, state), (jobs.c.kind, kind), (jobs.c.batch_id, batch_id)):
            if value is not None:
                query = query.where(column == str(value))
        if after is not None:
            query = query.where(jobs.c.id < after)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(jobs.c.id.desc()).limit(limit))
            return [job_of(row) for row in rows]

    async def position(self, job: Job) -> int:
        """The place of a queued job among all that wait, from 1."""
        async with self._database.read() as connection:
            before = await connection.execute(
                select(func.count()).where(jobs.c.state == JobState.QUEUED, _before(job))
            )
            return int(before.scalar_one()) + 1

    async def remove(self, owner: str, job_id: str) -> Job:
        """Cancel a job; delete it if it has ended. Returns it as it was.

        Raises:
            NotFound: as `find` raises it.
        """
        async with self._database.write() as connection:
            job = await _found(connection, owner, job_id, lock=True)
            now = await self._database.clock(connection)
            if job.state.ended:
                await connection.execute(
                    update(objects).where(objects.c.job_id == job_id).values(delete_at=now)
                )
                for table in (checkpoints, callbacks):
                    await connection.execute(delete(table).where(table.c.job_id == job_id))
                await connection.execute(delete(jobs).where(jobs.c.id == job_id))
            else:
                ending = Ending(JobState.CANCELLED)
                await end_job(connection, job, ending, now, self._keep_seconds)
            return job

    async def partial(self, job_id: str, first: int = 0, last: int | None = None) -> list[Mapping[str, Any]]:
        """Finished chunks of a transcription in order, from number `first` on; the `last` ones if given."""
        query = select(checkpoints.c.data).where(
            checkpoints.c.job_id == job_id, checkpoints.c.number >= first
        )
        async with self._database.read() as connection:
            if last is None:
                return list((await connection.execute(query.order_by(checkpoints.c.number))).scalars())
            rows = await connection.execute(query.order_by(checkpoints.c.number.desc()).limit(last))
            return list(rows.scalars())[::-1]


def job_of(row: Row[Any]) -> Job:
    """A job of a row with `COLUMNS`."""
    values = dict(row._mapping)
    return Job(**values | {"kind": JobKind(values["kind"]), "state": JobState(values["state"])})


def _before(job: Job) -> ColumnElement[bool]:
    """The condition on jobs that start before `job`."""
    return or_(
        jobs.c.priority > job.priority,
        and_(jobs.c.priority == job.priority, jobs.c.turn < job.turn),
        and_(jobs.c.priority == job.priority, jobs.c.turn == job.turn, jobs.c.id < job.id),
    )


async def _place(connection: AsyncConnection, owner: str) -> tuple[int, int]:
    """How many jobs of a key wait, and the turn of its next one."""
    mine = jobs.c.owner == owner, jobs.c.state == JobState.QUEUED
    found = await connection.execute(
        select(
            select(func.count()).select_from(jobs).where(*mine).scalar_subquery(),
            select(func.max(jobs.c.turn)).where(*mine).scalar_subquery(),
            select(func.max(jobs.c.turn)).where(jobs.c.state == JobState.RUNNING).scalar_subquery(),
            select(func.min(jobs.c.turn)).where(jobs.c.state == JobState.QUEUED).scalar_subquery(),
        )
    )
    queued, last, running, next_one = found.one()
    return queued, max(-1 if last is None else last, (running or 0) - 1, (next_one or 0) - 1) + 1


async def _found(connection: AsyncConnection, owner: str, job_id: str, lock: bool = False) -> Job:
    query = select(*COLUMNS).where(jobs.c.id == job_id, jobs.c.owner == owner)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    if row is None:
        raise NotFound("this key has no such job")
    return job_of(row)


async def _replayed(
    connection: AsyncConnection, owner: str, idempotency: IdempotencyKey
) -> tuple[Submission | None, str | None]:
    """What was submitted with this Idempotency-Key before, if any of it is left; and the id of that."""
    query = select(submissions).where(
        submissions.c.owner == owner, submissions.c.idempotency_key == idempotency.key
    )
    earlier = (await connection.execute(query)).first()
    if earlier is None:
        return None, None
    if earlier.fingerprint != idempotency.fingerprint:
        raise InvalidInput("this Idempotency-Key came with another request before", "Idempotency-Key")
    rows = await connection.execute(
        select(*COLUMNS).where(jobs.c.submission_id == earlier.id).order_by(jobs.c.turn)
    )
    found = tuple(map(job_of, rows))
    return Submission(found, earlier.batch_id, replayed=True) if found else None, earlier.id
