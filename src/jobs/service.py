"""The parts of jobs, together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from src.errors import ConfigurationError
from src.jobs.addresses import AddressGuard, tls_context
from src.jobs.callbacks import CallbackQueue, CallbackSender
from src.jobs.database import Database, parse_address
from src.jobs.expiry import Expiry
from src.jobs.fetch import Fetcher
from src.jobs.leases import Leases
from src.jobs.model import JobKind, NewJob
from src.jobs.objects import JobObjects
from src.jobs.queue import IdempotencyKey, JobQueue, Submission
from src.jobs.runner import Charge, JobRunner, Stopping
from src.jobs.speeches import SpeechWork
from src.jobs.state import QueueMonitor
from src.jobs.transcriptions import Render, TranscriptionWork
from src.jobs.work import Explain, Work
from src.scheduling.admission import UploadSpace
from src.services.stt import SttService
from src.services.tts import TtsService
from src.storage.base import Storage

MAX_ATTEMPTS = 10
"""How often a job may be begun without progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsConfig:
    """What an operator decides."""

    database_url: str
    concurrency: int
    """Jobs that a worker process does at once."""
    max_queued: int
    """Jobs of one key that may wait."""
    keep_seconds: float
    """Seconds for which an ended job and its result are kept."""
    lease_seconds: float
    fetch_seconds: float
    """Seconds that fetching one recording may take."""
    callback_secret: str
    max_bytes: int
    """Maximum size of a recording in bytes."""
    certificates: Path | None = None
    """PEM file of authorities to trust besides the public ones."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """What routes use of jobs."""

    queue: JobQueue
    callbacks: CallbackQueue
    monitor: QueueMonitor
    objects: JobObjects
    runner: JobRunner
    guard: AddressGuard

    async def submit_upload(
        self, owner: str, job: NewJob, chunks: AsyncIterator[bytes], idempotency: IdempotencyKey | None
    ) -> Submission:
        """Store a recording, then submit the job that reads it. Raises as `JobQueue.submit` does.

        Raises:
            StorageUnavailable: it cannot be stored.
        """
        key = await self.objects.put("upload", chunks, "application/octet-stream")
        submission = None
        try:
            job = replace(job, spec={**job.spec, "upload": key})
            submission = await self.queue.submit(owner, [job], batch=False, idempotency=idempotency)
        finally:
            if submission is None or submission.replayed:
                await asyncio.shield(self.objects.drop(key))
        return submission


@asynccontextmanager
async def open_jobs(
    config: JobsConfig,
    guard: AddressGuard,
    storage: Storage,
    stt: SttService,
    tts: TtsService,
    space: UploadSpace,
    *,
    stopping: Stopping,
    explain: Explain,
    render: Render,
    charge: Charge,
) -> AsyncIterator[Jobs]:
    """Open the database, and work on jobs while the block runs.

    Args:
        config: what an operator decides.
        guard: which addresses may be connected to.
        storage: of uploads and results.
        stt: that transcribes.
        tts: that speaks.
        space: disk space for recordings that are being read.
        stopping: whether the server stops.
        explain: an error as callers are shown it.
        render: writes a transcript.
        charge: counts seconds of audio for a key.

    Raises:
        ConfigurationError, DatabaseUnavailable: the database cannot be used.
    """
    try:
        tls = tls_context(config.certificates)
    except OSError as error:
        raise ConfigurationError(f"SSL_CERT_FILE cannot be used: {error}") from None
    async with (
        Database(parse_address(config.database_url)) as database,
        Fetcher(guard, config.fetch_seconds, tls) as fetcher,
    ):
        objects = JobObjects(database, storage)
        leases = Leases(database, config.lease_seconds, MAX_ATTEMPTS, config.keep_seconds, explain)
        callbacks = CallbackQueue(database, config.callback_secret)
        works: dict[JobKind, Work] = {
            JobKind.TRANSCRIPTION: TranscriptionWork(stt, objects, fetcher, space, config.max_bytes, render),
            JobKind.SPEECH: SpeechWork(tts, objects),
        }
        runner = JobRunner(leases, works, config.concurrency, stopping, explain, charge)
        jobs = Jobs(
            queue=JobQueue(database, config.max_queued, config.keep_seconds),
            callbacks=callbacks,
            monitor=QueueMonitor(database, config.concurrency),
            objects=objects,
            runner=runner,
            guard=guard,
        )
        async with (
            jobs.monitor,
            CallbackSender(callbacks, guard, tls),
            Expiry(database, objects, config.keep_seconds),
            runner,
        ):
            yield jobs
