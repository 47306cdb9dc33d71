"""How a job ends: once, with its callback, in one transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from src.jobs.model import CallbackState, Job, JobState, new_id
from src.jobs.tables import callbacks, jobs, objects


@dataclass(frozen=True, slots=True)
class Ending:
    """The last state of a job."""

    state: JobState
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    objects: Sequence[str] = ()
    """Keys of the result's objects."""


async def end_job(
    connection: AsyncConnection,
    job: Job,
    ending: Ending,
    now: float,
    keep_seconds: float,
    *conditions: ColumnElement[bool],
) -> bool:
    """End a job that has not ended.

    Its upload is to be deleted, its result's objects belong to it, and its receiver is to be told.

    Args:
        connection: in a transaction that may write.
        job: as it was read, in this transaction or before.
        ending: its last state.
        now: of the database.
        keep_seconds: how long it is kept.
        conditions: further ones, such as that the caller still has its lease.

    Returns:
        False if a condition does not hold; then nothing is changed.
    """
    values: dict[str, Any] = {
        "state": ending.state.value,
        "ended_at": now,
        "expires_at": now + keep_seconds,
        "lease_token": None,
        "lease_expires": None,
    }
    if ending.result is not None:
        values |= {"result": dict(ending.result), "done_seconds": ending.result["duration"]}
        values["total_seconds"] = ending.result["duration"]
    if ending.error is not None:
        values["error"] = dict(ending.error)
    changed = await connection.execute(
        update(jobs)
        .where(
            jobs.c.id == job.id,
            jobs.c.state.in_([JobState.QUEUED.value, JobState.RUNNING.value]),
            *conditions,
        )
        .values(**values)
    )
    if changed.rowcount != 1:
        return False
    await connection.execute(
        update(objects).where(objects.c.job_id == job.id).values(delete_at=now)  # the upload
    )
    for key in ending.objects:
        await connection.execute(
            update(objects).where(objects.c.key == key).values(job_id=job.id, delete_at=now + keep_seconds)
        )
    if job.callback_url is not None:
        await connection.execute(
            insert(callbacks).values(
                id=new_id("msg"),
                job_id=job.id,
                owner=job.owner,
                url=job.callback_url,
                body=_message(job, ending, now),
                state=CallbackState.PENDING.value,
                created_at=now,
                next_at=now,
                attempts=[],
            )
        )
    return True


def _message(job: Job, ending: Ending, now: float) -> str:
    """The body of the callback, in the shape that Standard Webhooks recommends."""
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {
        "id": job.id,
        "type": job.kind.value,
        "state": ending.state.value,
        "batch_id": job.batch_id,
        "metadata": dict(job.metadata),
        "error": None if ending.error is None else dict(ending.error),
    }
    return json.dumps(
        {"type": f"job.{ending.state.value}", "timestamp": at, "data": data}, ensure_ascii=False
    )
