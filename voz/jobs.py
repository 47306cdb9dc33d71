"""Jobs: what they are, and what each method sends."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypedDict

import httpx

from voz.calls import Call, SpeechOptions, TextFormat, TranscriptionOptions, read_nothing, transcription_form
from voz.sources import AudioSource, opening

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
JobType = Literal["transcription", "speech"]
ResultFormat = TextFormat | Literal["json", "verbose_json"]

_ENDED = frozenset({"succeeded", "failed", "cancelled"})


class JobOptions(TypedDict, total=False):
    """Options of every job. None of them is needed."""

    priority: int
    """-10 to 10; a higher one starts first."""
    metadata: Mapping[str, str]
    """Yours, given back as it came."""
    callback_url: str | None
    """Where a signed message is sent when the job has ended."""


class TranscriptionJobOptions(TranscriptionOptions, JobOptions, total=False):
    """Options of a transcription, and of every job."""

    response_format: ResultFormat
    """What the result is; `verbose_json` if absent."""


class SpeechJobOptions(SpeechOptions, JobOptions, total=False):
    """Options of a speech, and of every job."""

    timestamps: bool
    """Also keep when each word is said."""


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: as the direct route would have said it."""

    kind: str
    title: str
    status: int
    detail: str


@dataclass(frozen=True, slots=True)
class Job:
    """Work that outlives its request. Times are ISO 8601, UTC; what is not known yet is None."""

    id: str
    type: str
    state: str
    """`queued`, `running`, `succeeded`, `failed`, `cancelled`."""
    created_at: str
    started_at: str | None = None
    ended_at: str | None = None
    expires_at: str | None = None
    """When an ended job is deleted, with its result."""
    position: int | None = None
    """Place in the queue, from 1."""
    estimated_start_at: str | None = None
    estimated_end_at: str | None = None
    seconds: float = 0.0
    """Seconds of audio that are read or made."""
    total_seconds: float | None = None
    partial_text: str | None = None
    """The end of what a running transcription has read so far."""
    batch_id: str | None = None
    priority: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    """`url`, `format`, `duration`, `language`, ...: as the server describes it."""
    error: JobError | None = None

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self.state in _ENDED

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        progress = data.get("progress") or {}
        error = data.get("error")
        return cls(
            id=data["id"],
            type=data["type"],
            state=data["state"],
            created_at=data["created_at"],
            started_at=data.get("started_at"),
            ended_at=data.get("ended_at"),
            expires_at=data.get("expires_at"),
            position=data.get("position"),
            estimated_start_at=data.get("estimated_start_at"),
            estimated_end_at=data.get("estimated_end_at"),
            seconds=progress.get("seconds") or 0.0,
            total_seconds=progress.get("total_seconds"),
            partial_text=data.get("partial_text"),
            batch_id=data.get("batch_id"),
            priority=data.get("priority", 0),
            metadata=dict(data.get("metadata") or {}),
            result=data.get("result"),
            error=error
            and JobError(
                str(error.get("type", "")).removeprefix("urn:voz:"),
                error.get("title", ""),
                error.get("status", 0),
                error.get("detail", ""),
            ),
        )


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first."""

    jobs: tuple[Job, ...]
    next_after: str | None
    """`after` of the next page; None: this is the last one."""


def _job(answer: httpx.Response) -> Job:
    return Job.of(answer.json())


def _page(answer: httpx.Response) -> JobPage:
    body = answer.json()
    return JobPage(tuple(map(Job.of, body["jobs"])), body.get("next_after"))


def _key(given: str | None) -> dict[str, str]:
    """The Idempotency-Key, with which a submission can be sent again after its connection broke."""
    return {"Idempotency-Key": given or secrets.token_hex(16)}


def submit_file(file: AudioSource, key: str | None, options: TranscriptionJobOptions) -> Call[Job]:
    given: dict[str, Any] = dict(options)
    if "metadata" in given:
        given["metadata"] = json.dumps(dict(given["metadata"]))
    upload, again = opening(file)
    return Call(
        "POST", "/jobs", _job, form=transcription_form(given), headers=_key(key), upload=upload,
        repeatable=again, idempotent=True,
    )  # fmt: skip


def transcription(url: str | None, key: str | None, options: TranscriptionJobOptions) -> dict[str, Any]:
    """The body of a job for a recording on the web or in storage."""
    body: dict[str, Any] = {"type": "transcription", "url": url, "key": key, **options}
    if "words" in body:
        body["word_timestamps"] = body.pop("words")
    return {name: value for name, value in body.items() if value is not None}


def speech(text: str, options: SpeechJobOptions) -> dict[str, Any]:
    """The body of a job for a speech."""
    return {"type": "speech", "text": text, **options}


def submit(body: Mapping[str, Any], key: str | None) -> Call[Job]:
    return Call("POST", "/jobs", _job, json=body, headers=_key(key), idempotent=True)


def submit_batch(bodies: Sequence[Mapping[str, Any]], key: str | None) -> Call[tuple[Job, ...]]:
    def read(answer: httpx.Response) -> tuple[Job, ...]:
        return tuple(map(Job.of, answer.json()["jobs"]))

    return Call("POST", "/jobs", read, json={"jobs": list(bodies)}, headers=_key(key), idempotent=True)


def get(job_id: str) -> Call[Job]:
    return Call("GET", f"/jobs/{job_id}", _job)


def page(
    state: JobState | None, kind: JobType | None, batch_id: str | None, limit: int, after: str | None
) -> Call[JobPage]:
    asked = {"state": state, "type": kind, "batch_id": batch_id, "limit": str(limit), "after": after}
    params = {name: value for name, value in asked.items() if value is not None}
    return Call("GET", "/jobs", _page, params=params)


def cancel(job_id: str) -> Call[None]:
    return Call("DELETE", f"/jobs/{job_id}", read_nothing)


def events(job_id: str) -> Call[None]:
    return Call("GET", f"/jobs/{job_id}/events", read_nothing)
