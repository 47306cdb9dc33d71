"""Deletes what is over: ended jobs with their results, and uploads whose job has ended."""

import asyncio
import logging

from sqlalchemy import delete, exists, select

from src.errors import JobsUnavailable, StorageUnavailable
from src.jobs.database import Database
from src.jobs.model import CallbackState
from src.jobs.objects import JobObjects
from src.jobs.tables import callbacks, checkpoints, jobs, submissions
from src.scheduling.background_loop import BackgroundLoop

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 30.0
_AT_ONCE = 200
_CHECKPOINT_SECONDS = 600.0
"""Seconds for which the segments of an ended job are kept, for those who still read its events."""


class Expiry(BackgroundLoop):
    """An async context manager: it deletes what is over while it is open.

    Args:
        database: of jobs, open.
        objects: uploads and results.
        keep_seconds: seconds for which an ended job, and an Idempotency-Key, is kept.
    """

    def __init__(self, database: Database, objects: JobObjects, keep_seconds: float) -> None:
        super().__init__("expire-jobs")
        self._database = database
        self._objects = objects
        self._keep_seconds = keep_seconds

    async def _run(self) -> None:
        while True:
            more = False
            try:
                more = await self.delete_some() >= _AT_ONCE
            except (JobsUnavailable, StorageUnavailable) as error:
                log.warning("what is over stays for now: %s", error)
            except Exception:
                log.exception("what is over could not be deleted")
            await asyncio.sleep(0 if more else _PAUSE_SECONDS)

    async def delete_some(self) -> int:
        """Delete some of what is over; the largest number of anything that there was."""
        return max(await self._delete_jobs(), await self._objects.delete_due(_AT_ONCE))

    async def _delete_jobs(self) -> int:
        now = self._database.now()
        pending = exists().where(
            callbacks.c.job_id == jobs.c.id, callbacks.c.state == CallbackState.PENDING.value
        )
        over = select(jobs.c.id).where(jobs.c.expires_at <= now, ~pending).limit(_AT_ONCE)
        read = (
            select(checkpoints.c.job_id)
            .distinct()
            .join(jobs, jobs.c.id == checkpoints.c.job_id)
            .where(jobs.c.ended_at <= now - _CHECKPOINT_SECONDS)
            .limit(_AT_ONCE)
        )
        old = (
            select(submissions.c.id)
            .where(
                submissions.c.created_at <= now - self._keep_seconds,
                ~exists().where(jobs.c.submission_id == submissions.c.id),
            )
            .limit(_AT_ONCE)
        )
        async with self._database.read() as connection:
            jobs_over = list((await connection.execute(over)).scalars())
            checkpoints_read = list((await connection.execute(read)).scalars())
            submissions_old = list((await connection.execute(old)).scalars())
        if jobs_over or checkpoints_read or submissions_old:
            async with self._database.write() as connection:
                for table in (checkpoints, callbacks):
                    await connection.execute(delete(table).where(table.c.job_id.in_(jobs_over)))
                await connection.execute(
                    delete(checkpoints).where(checkpoints.c.job_id.in_(checkpoints_read))
                )
                await connection.execute(delete(jobs).where(jobs.c.id.in_(jobs_over)))
                await connection.execute(delete(submissions).where(submissions.c.id.in_(submissions_old)))
        return max(map(len, (jobs_over, checkpoints_read, submissions_old)))
