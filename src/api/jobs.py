"""Work that outlives its request."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from src.api.dependencies import ServicesDep
from src.api.disconnect import while_connected
from src.api.errors import problems
from src.api.job_answers import job_events, job_out, jobs_out
from src.api.job_requests import form_of, submit_jobs, wanted_jobs, with_fingerprint
from src.api.job_schemas import (
    SUBMISSION,
    BatchId,
    BatchOut,
    CallbackSecretOut,
    JobId,
    JobOut,
    JobsOut,
    JobType,
    State,
)
from src.api.links import absolute
from src.api.sse import event_stream
from src.jobs.model import JobKind, JobState

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobIdPath = Annotated[str, Path(alias="id", max_length=64)]


@router.post(
    "",
    status_code=202,
    summary="Submit a job, or many",
    response_model=JobOut | BatchOut,
    response_description="The job as it was taken, with its address in `Location`; or those of a batch",
    responses=problems(401, 408, 413, 415, 422, 429, 503),
    openapi_extra=SUBMISSION,
)
async def submit(
    request: Request,
    services: ServicesDep,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern="^[ -~]+$",
            description="Of your choice; a repeat with the same one answers with the jobs of the first time.",
        ),
    ] = None,
) -> Response:
    """A transcription of an upload (`multipart/form-data`), of an object in storage or of an address; a
    speech; or a batch of them (JSON). The work is done when there is time; `Location` is where to look.
    """
    async with form_of(request) as form:
        wanted = await wanted_jobs(request, services, form)
        idempotency = await with_fingerprint(key, wanted)
        submission = await while_connected(
            request, submit_jobs(services, _owner(request), wanted, idempotency)
        )
    services.jobs.runner.wake()
    if wanted.batch:
        jobs = await jobs_out(request, services, submission.jobs)
        body: JobOut | BatchOut = BatchOut(batch_id=submission.batch_id or "", jobs=jobs)
        location = f"/jobs?batch_id={submission.batch_id}"
    else:
        body = await job_out(request, services, submission.jobs[0])
        location = f"/jobs/{submission.jobs[0].id}"
    headers = {"Location": absolute(request, services, location)}
    if submission.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(body.model_dump_json(), 202, headers, "application/json")


@router.get("", summary="Jobs of this key", responses=problems(401, 422, 429, 503))
async def list_jobs(
    request: Request,
    services: ServicesDep,
    state: Annotated[State | None, Query()] = None,
    job_type: Annotated[JobType | None, Query(alias="type")] = None,
    batch_id: Annotated[BatchId | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[JobId | None, Query(description="`next_after` of the page before.")] = None,
) -> JobsOut:
    """Newest first, a page at a time."""
    found = await services.jobs.queue.page(
        _owner(request),
        limit + 1,
        after,
        None if state is None else JobState(state),
        None if job_type is None else JobKind(job_type),
        batch_id,
    )
    page = found[:limit]
    more = len(found) > limit
    return JobsOut(jobs=await jobs_out(request, services, page), next_after=page[-1].id if more else None)


@router.get("/callbacks/secret", summary="What signs this key's callbacks", responses=problems(401, 429, 503))
async def callback_secret(request: Request, services: ServicesDep) -> CallbackSecretOut:
    """Receivers check signatures with it, as the Standard Webhooks specification says."""
    return CallbackSecretOut(secret=await services.jobs.callbacks.secret_of(_owner(request)))


@router.get("/{id}", summary="A job", responses=problems(401, 404, 422, 429, 503))
async def get_job(request: Request, services: ServicesDep, job_id: JobIdPath) -> JobOut:
    """Its state, its place in the queue, its progress; then its result, or why there is none."""
    return await job_out(request, services, await services.jobs.queue.find(_owner(request), job_id))


@router.delete(
    "/{id}",
    status_code=204,
    response_description="It is cancelled, or forgotten if it had ended",
    summary="Cancel a job, or delete one that has ended",
    responses=problems(401, 404, 422, 429, 503),
)
async def delete_job(request: Request, services: ServicesDep, job_id: JobIdPath) -> None:
    """A job that waits or runs is cancelled. One that has ended is deleted, with its result."""
    await services.jobs.queue.remove(_owner(request), job_id)


@router.get(
    "/{id}/events",
    summary="A job as it goes on",
    response_class=Response,
    responses=problems(401, 404, 422, 429, 503)
    | {200: {"description": "Server-sent events", "content": {"text/event-stream": {}}}},
)
async def events(request: Request, services: ServicesDep, job_id: JobIdPath) -> Response:
    """Events `job` (the job, when it changes), `segment` (of a transcription, in order), at last `done`."""
    return await event_stream(request, job_events(request, services, _owner(request), job_id))


def _owner(request: Request) -> str:
    owner: str = request.scope["state"]["key_name"]
    return owner
