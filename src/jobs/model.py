"""What a job is."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class JobKind(StrEnum):
    TRANSCRIPTION = "transcription"
    SPEECH = "speech"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether it is final."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class CallbackState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job as it is submitted."""

    kind: JobKind
    spec: Mapping[str, Any]
    """Its options, and the source of a transcription: `upload`, `key` or `url`. JSON."""
    priority: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    callback_url: str | None = None

    @property
    def upload(self) -> str | None:
        """The storage key of its upload."""
        key: str | None = self.spec.get("upload")
        return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it is stored. Times are Unix times in seconds."""

    id: str
    owner: str
    """Name of the API key that it belongs to."""
    kind: JobKind
    state: JobState
    batch_id: str | None
    priority: int
    turn: int
    """Position of the job among those of its priority (`queue.py`)."""
    metadata: Mapping[str, str]
    spec: Mapping[str, Any]
    callback_url: str | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    expires_at: float | None
    attempts: int
    """How many workers have begun it since it last made progress."""
    done_seconds: float
    """Seconds of audio that are read or made."""
    total_seconds: float | None
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """A job that this process may work on, as long as it renews the lease."""

    job: Job
    token: str
    """Every write names it: a worker whose lease has passed to another cannot write any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A message to the receiver of a job."""

    id: str
    job_id: str
    owner: str
    url: str
    body: str
    state: CallbackState
    created_at: float
    next_at: float | None
    attempts: tuple[Mapping[str, Any], ...]
    """Each with `at`, `status` and `error`."""


def new_id(prefix: str) -> str:
    """An id that sorts by time and cannot be guessed: 48 bits of milliseconds and 80 random ones."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
