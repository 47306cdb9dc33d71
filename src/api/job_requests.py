"""What a request for jobs asks for: a form with an upload, or JSON."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.datastructures import FormData, UploadFile

from src.api import speaking, transcribing
from src.api.dependencies import Services
from src.api.job_schemas import (
    BatchIn,
    JobIn,
    JobOptions,
    SpeechJobIn,
    TranscriptionJobIn,
    TranscriptionOptions,
    UploadJobIn,
)
from src.api.policy import MAX_JSON_BYTES
from src.errors import InvalidInput, NotAudio, TooLarge
from src.jobs.model import JobKind, NewJob
from src.jobs.queue import IdempotencyKey, Submission
from src.scheduling.executors import FORMATTING, STORAGE
from src.storage.keys import is_key

_FORM_LIMITS: dict[str, Any] = {"max_files": 1, "max_fields": 128, "max_part_size": 16_384}
_PIECE = 2**20
_TAGS = frozenset(kind.value for kind in JobKind)
_RESERVED = ("jobs/", "index/")
"""Beginnings of storage keys that are the server's own."""
_JOB: TypeAdapter[TranscriptionJobIn | SpeechJobIn] = TypeAdapter(JobIn)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Jobs that are to be submitted."""

    jobs: Sequence[NewJob]
    batch: bool
    upload: BinaryIO | None = None
    """The recording of the only job, which is to be stored first."""
    size: int = 0
    """Its bytes."""


async def wanted_jobs(request: Request, services: Services, form: FormData | None) -> Wanted:
    """The jobs of a request.

    Args:
        form: the body, if it is a form; else it is read as JSON.

    Raises:
        RequestValidationError, InvalidInput, TooLarge, NotAudio: the request is wrong.
    """
    if form is not None:
        return await _upload(services, form)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_JSON_BYTES:
            raise TooLarge(f"a request for jobs has {MAX_JSON_BYTES // 2**20} MB at most")
    # a thousand texts take a while
    parsed = await FORMATTING.run(_parse, bytes(body))
    if not isinstance(parsed, BatchIn):
        return Wanted([await _new_job(services, request, parsed)], batch=False)
    jobs = []
    for index, job in enumerate(parsed.jobs):
        try:
            jobs.append(await _new_job(services, request, job))
        except InvalidInput as error:
            raise InvalidInput(f"jobs.{index}: {error}", f"jobs.{index}.{error.field}".rstrip(".")) from None
    return Wanted(jobs, batch=True)


async def with_fingerprint(key: str | None, wanted: Wanted) -> IdempotencyKey | None:
    """An Idempotency-Key, with a hash of what its request asks for; None if there is none."""
    if key is None:
        return None
    asked = [
        [job.kind, dict(job.spec), job.priority, dict(job.metadata), job.callback_url] for job in wanted.jobs
    ]
    digest = await FORMATTING.run(
        lambda: hashlib.sha256(json.dumps([wanted.batch, asked], sort_keys=True).encode())
    )
    if wanted.upload is not None:
        async for piece in pieces(wanted.upload):
            await STORAGE.run(digest.update, piece)
    return IdempotencyKey(key, digest.hexdigest())


async def pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    """A file from its beginning."""
    await STORAGE.run(file.seek, 0)
    while piece := await STORAGE.run(file.read, _PIECE):
        yield piece


@asynccontextmanager
async def form_of(request: Request) -> AsyncIterator[FormData | None]:
    """The body of a form; None if it is none."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        yield None
        return
    async with request.form(**_FORM_LIMITS) as form:
        yield form


async def submit_jobs(
    services: Services, owner: str, wanted: Wanted, idempotency: IdempotencyKey | None
) -> Submission:
    """Put jobs into the queue, their upload into storage; for a repeat, find what it has submitted before."""
    jobs = services.jobs
    if idempotency is not None and (done := await jobs.queue.replay(owner, idempotency)) is not None:
        return done
    if wanted.upload is None:
        return await jobs.queue.submit(owner, wanted.jobs, batch=wanted.batch, idempotency=idempotency)
    return await jobs.submit_upload(owner, wanted.jobs[0], pieces(wanted.upload), idempotency)


def _parse(body: bytes) -> TranscriptionJobIn | SpeechJobIn | BatchIn:
    try:
        content = from_json(body)
    except ValueError as error:
        wrong = {"type": "json_invalid", "loc": ("body", 0), "msg": "", "ctx": {"error": str(error)}}
        raise RequestValidationError([wrong]) from None
    try:
        if isinstance(content, dict) and "jobs" in content:
            return BatchIn.model_validate_json(body, strict=True)
        return _JOB.validate_json(body, strict=True)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> RequestValidationError:
    """Pydantic's findings, with places in the body as callers know them: without the tags of the union."""
    found = error.errors(include_url=False, include_input=False)
    return RequestValidationError(
        [{**item, "loc": ("body", *(part for part in item["loc"] if part not in _TAGS))} for item in found]
    )


async def _upload(services: Services, form: FormData) -> Wanted:
    file = form.get("file")
    fields: dict[str, Any] = {name: value for name, value in form.multi_items() if name != "file"}
    if "languages" in fields:
        fields["languages"] = form.getlist("languages")
    if file is None:
        raise RequestValidationError([{"type": "missing", "loc": ("body", "file"), "msg": "Field required"}])
    if not isinstance(file, UploadFile):
        wrong = {"type": "value_error", "loc": ("body", "file"), "msg": "Expected UploadFile"}
        raise RequestValidationError([wrong])
    try:
        options = UploadJobIn.model_validate(fields)
    except ValidationError as error:
        raise _invalid(error) from None
    size = file.size or 0
    if not size:
        raise NotAudio("the file is empty")
    job = _transcription(services, options, {"bytes": size})
    return Wanted([job], batch=False, upload=file.file, size=size)


async def _new_job(services: Services, request: Request, job: TranscriptionJobIn | SpeechJobIn) -> NewJob:
    if isinstance(job, SpeechJobIn):
        return await _speech(services, request, job)
    if job.url is not None:
        _check_address(services, job.url, "url")
        return _transcription(services, job, {"url": job.url})
    if not is_key(job.key or "") or (job.key or "").startswith(_RESERVED):
        raise InvalidInput(
            "no object may have this key: letters, digits and . _ - / only (of any other object, give a "
            f"presigned address), and none that begins with {' or '.join(_RESERVED)}",
            "key",
        )
    return _transcription(services, job, {"key": job.key})


def _transcription(services: Services, job: TranscriptionOptions, source: dict[str, Any]) -> NewJob:
    spec = {
        "language": transcribing.known_language(services, job.language),
        "languages": list(transcribing.candidate_languages(services, job.languages)),
        "task": job.task,
        "response_format": job.response_format.value,
        "word_timestamps": job.word_timestamps,
        "prompt": job.prompt,
        "track": job.track,
        "beam_size": job.beam_size,
        "max_line_width": job.max_line_width,
        "max_line_count": job.max_line_count,
    }
    return _with_options(services, JobKind.TRANSCRIPTION, spec | source, job)


async def _speech(services: Services, request: Request, job: SpeechJobIn) -> NewJob:
    found = await speaking.speech_request(
        request,
        services,
        job.text,
        voice=job.voice,
        language=job.language,
        audio_format=job.format,
        speed=job.speed,
        timestamps=job.timestamps,
        markup=job.markup,
        lexicon=job.lexicon,
    )
    services.tts.check_length(found)
    spec = {
        "text": found.text,
        "voice": found.voice.id,
        "language": found.language,
        "format": found.format.value,
        "speed": found.speed,
        "timestamps": found.timestamps,
        "markup": found.markup,
        "lexicon": job.lexicon,
    }
    return _with_options(services, JobKind.SPEECH, spec, job)


def _with_options(services: Services, kind: JobKind, spec: dict[str, Any], job: JobOptions) -> NewJob:
    if job.callback_url is not None:
        _check_address(services, job.callback_url, "callback_url")
    return NewJob(
        kind=kind,
        spec=spec,
        priority=job.priority,
        metadata=job.metadata,
        callback_url=job.callback_url,
    )


def _check_address(services: Services, url: str, field: str) -> None:
    if not url.lower().startswith("https:") and not services.jobs.guard.allows_plain:
        raise InvalidInput("the address must begin with https://", field)
