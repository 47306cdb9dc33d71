"""Jobs as callers see them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from src.api.dependencies import Services
from src.api.job_schemas import (
    CallbackAttemptOut,
    CallbackOut,
    JobErrorOut,
    JobOut,
    ProgressOut,
    ResultOut,
)
from src.api.links import absolute
from src.api.sse import Event
from src.api.transcripts import segment_out
from src.jobs.model import Callback, Job, JobState
from src.jobs.state import estimate
from src.jobs.transcriptions import segments_of, text_of

_PARTIAL_CHUNKS = 40
_PARTIAL_CHARACTERS = 10_000
_LOOK_SECONDS = 1.0
"""Between two looks at a job whose events are read."""
_CHUNKS_AT_ONCE = 50


async def job_out(request: Request, services: Services, job: Job, *, partial: bool = True) -> JobOut:
    """A job with all that is known of it; without its partial text, if that is not wanted."""
    jobs = services.jobs
    position = await jobs.queue.position(job) if job.state is JobState.QUEUED else None
    start, end = estimate(job, position, await jobs.monitor.throughput())
    callback = await jobs.callbacks.of_jobs([job.id]) if job.callback_url and job.state.ended else {}
    out = await _brief(request, services, job, callback.get(job.id))
    out.position = position
    out.estimated_start_at, out.estimated_end_at = _at(start), _at(end)
    if partial and job.state is JobState.RUNNING:
        chunks = await jobs.queue.partial(job.id, last=_PARTIAL_CHUNKS)
        text = "".join(map(text_of, chunks))
        out.partial_text = text[-_PARTIAL_CHARACTERS:].strip() or None
    return out


async def jobs_out(request: Request, services: Services, jobs: Sequence[Job]) -> list[JobOut]:
    """Jobs without what each would have to be asked for by itself."""
    told = [job.id for job in jobs if job.callback_url and job.state.ended]
    callbacks = await services.jobs.callbacks.of_jobs(told) if told else {}
    return [await _brief(request, services, job, callbacks.get(job.id)) for job in jobs]


async def job_events(
    request: Request, services: Services, owner: str, job_id: str
) -> AsyncGenerator[Event, None]:
    """The events of a job, until it has ended or the server stops.

    Raises:
        NotFound: this key has no such job.
        Overloaded: too many read events.
    """
    queue = services.jobs.queue
    place = services.jobs_admission.admit()
    try:
        chunks = index = 0
        told: dict[str, Any] = {}
        while True:
            job = await queue.find(owner, job_id)
            out = await job_out(request, services, job, partial=False)
            seen = out.model_dump(mode="json")
            changed = {name: seen[name] for name in ("state", "position", "progress")}
            if changed != told and not job.state.ended:
                told = changed
                yield "job", (await job_out(request, services, job)).model_dump(mode="json")
            while found := (await queue.partial(job_id, first=chunks))[:_CHUNKS_AT_ONCE]:
                for chunk in found:
                    for segment in segments_of(chunk):
                        words = bool(job.spec.get("word_timestamps"))
                        data = segment_out(segment, index, words)
                        yield "segment", data.model_dump(exclude=None if words else {"words"})
                        index += 1
                chunks += len(found)
            if job.state.ended:
                yield "done", seen
                return
            if services.shutdown.begun:
                return
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        place.release()


async def _brief(request: Request, services: Services, job: Job, callback: Callback | None) -> JobOut:
    return JobOut(
        id=job.id,
        type=job.kind.value,
        state=job.state.value,
        batch_id=job.batch_id,
        priority=job.priority,
        metadata=dict(job.metadata),
        created_at=_at(job.created_at) or "",
        started_at=_at(job.started_at),
        ended_at=_at(job.ended_at),
        expires_at=_at(job.expires_at),
        progress=ProgressOut(
            seconds=round(job.done_seconds, 2),
            total_seconds=None if job.total_seconds is None else round(job.total_seconds, 2),
        ),
        result=await _result(request, services, job),
        error=None if job.error is None else JobErrorOut.model_validate(job.error),
        callback=_callback(job, callback),
    )


async def _result(request: Request, services: Services, job: Job) -> ResultOut | None:
    if job.result is None:
        return None
    result = dict(job.result)
    expires = services.tts.config.url_expires
    storage = services.storage
    word_keys = result.pop("word_keys", None)
    words = {
        form: absolute(request, services, await storage.url(key, expires))
        for form, key in (word_keys or {}).items()
    }
    url = absolute(request, services, await storage.url(result.pop("key"), expires))
    return ResultOut(url=url, expires_in=expires, word_urls=words or None, **result)


def _callback(job: Job, callback: Callback | None) -> CallbackOut | None:
    if job.callback_url is None:
        return None
    if callback is None:
        return CallbackOut(url=job.callback_url, state="waiting", attempts=[])
    attempts = [
        CallbackAttemptOut(at=_at(one["at"]) or "", status=one["status"], error=one["error"])
        for one in callback.attempts
    ]
    return CallbackOut(
        url=callback.url,
        id=callback.id,
        state=callback.state.value,
        attempts=attempts,
        next_attempt_at=_at(callback.next_at),
    )


def _at(seconds: float | None) -> str | None:
    """A Unix time in ISO 8601."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
