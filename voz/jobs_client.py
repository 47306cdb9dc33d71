"""`client.jobs`: work that outlives its request."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Any, TypeVar, Unpack

import httpx
from httpx_sse import EventSource, ServerSentEvent

from voz import jobs
from voz.calls import Call, error_of
from voz.errors import ApiError, BrokenOff, VozError
from voz.jobs import Job, JobPage, JobState, JobType, SpeechJobOptions, TranscriptionJobOptions
from voz.results import Segment
from voz.sources import AudioSource
from voz.streams import async_speech_bytes, errors_of_reading, event_data, speech_bytes

T = TypeVar("T")
JobEvent = Job | Segment
"""The job, whenever it changes, or the next segment of its transcription."""

_REOPEN_SECONDS = 1.0
_REOPENINGS = 30
"""Attempts in a row without an event, before the error of the last one is raised."""


class _Common:
    @staticmethod
    def transcription(
        *, url: str | None = None, key: str | None = None, **options: Unpack[TranscriptionJobOptions]
    ) -> dict[str, Any]:
        """A job for `submit_batch`: a recording at an https address, or in the server's storage (`key`)."""
        return jobs.transcription(url, key, options)

    @staticmethod
    def speech(text: str, **options: Unpack[SpeechJobOptions]) -> dict[str, Any]:
        """A job for `submit_batch`: a speech."""
        return jobs.speech(text, options)


class Jobs(_Common):
    """Jobs of this key. Only `Client` makes one."""

    def __init__(
        self,
        call: Callable[[Call[Any]], Any],
        opened: Callable[[Call[Any]], AbstractContextManager[httpx.Response]],
    ) -> None:
        self._call = call
        self._open = opened

    def submit(
        self,
        file: AudioSource,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[TranscriptionJobOptions],
    ) -> Job:
        """Have a recording of yours transcribed."""
        return _as(Job, self._call(jobs.submit_file(file, idempotency_key, options)))

    def submit_url(
        self, url: str, *, idempotency_key: str | None = None, **options: Unpack[TranscriptionJobOptions]
    ) -> Job:
        """Have a recording at an https address transcribed; the server fetches it."""
        body = jobs.transcription(url, None, options)
        return _as(Job, self._call(jobs.submit(body, idempotency_key)))

    def submit_speech(
        self, text: str, *, idempotency_key: str | None = None, **options: Unpack[SpeechJobOptions]
    ) -> Job:
        """Have a text spoken."""
        return _as(Job, self._call(jobs.submit(jobs.speech(text, options), idempotency_key)))

    def submit_batch(
        self, bodies: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> tuple[Job, ...]:
        """Submit many at once, all or none: what `transcription` and `speech` give."""
        found: tuple[Job, ...] = self._call(jobs.submit_batch(bodies, idempotency_key))
        return found

    def get(self, job_id: str) -> Job:
        """A job as it is now."""
        return _as(Job, self._call(jobs.get(job_id)))

    def list(
        self,
        *,
        state: JobState | None = None,
        type: JobType | None = None,  # noqa: A002 - the route's name for it
        batch_id: str | None = None,
    ) -> Iterator[Job]:
        """Jobs of this key, newest first, fetched page by page."""
        after: str | None = None
        while True:
            page = _as(JobPage, self._call(jobs.page(state, type, batch_id, 100, after)))
            yield from page.jobs
            after = page.next_after
            if after is None:
                return

    def cancel(self, job_id: str) -> None:
        """Cancel a job; one that has ended is deleted, with its result."""
        self._call(jobs.cancel(job_id))

    @contextmanager
    def events(self, job_id: str) -> Iterator[Iterator[JobEvent]]:
        """Follow a job: the job when it changes, and its segments. The last one is the ended job."""
        with self._open(jobs.events(job_id)) as response:
            yield _read(response)

    def wait(self, job_id: str, on_event: Callable[[JobEvent], None] | None = None) -> Job:
        """Wait until a job has ended, over restarts of the server too.

        Args:
            on_event: told of every event. After a restart, segments come again from the first one on.
        """
        failures = 0
        while True:
            try:
                with self.events(job_id) as found:
                    for event in found:
                        failures = 0
                        if on_event:
                            on_event(event)
                        if isinstance(event, Job) and event.ended:
                            return event
                raise BrokenOff("the events of the job ended before the job")
            except VozError as error:
                failures = _given_up(error, failures)
            time.sleep(_REOPEN_SECONDS)

    @contextmanager
    def result(self, job: Job) -> Iterator[Iterator[bytes]]:
        """The result of a job that succeeded, piece by piece: text, JSON or audio."""
        # not the client's own connection: storage elsewhere must not see the key
        with httpx.Client() as storage, storage.stream("GET", _link(job)) as response:
            if not response.is_success:
                response.read()
                raise error_of(response)
            yield speech_bytes(response)


class AsyncJobs(_Common):
    """Jobs of this key, for asyncio. Only `AsyncClient` makes one."""

    def __init__(
        self,
        call: Callable[[Call[Any]], Coroutine[Any, Any, Any]],
        opened: Callable[[Call[Any]], AbstractAsyncContextManager[httpx.Response]],
    ) -> None:
        self._call = call
        self._open = opened

    async def submit(
        self,
        file: AudioSource,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[TranscriptionJobOptions],
    ) -> Job:
        """Have a recording of yours transcribed."""
        return _as(Job, await self._call(jobs.submit_file(file, idempotency_key, options)))

    async def submit_url(
        self, url: str, *, idempotency_key: str | None = None, **options: Unpack[TranscriptionJobOptions]
    ) -> Job:
        """Have a recording at an https address transcribed; the server fetches it."""
        body = jobs.transcription(url, None, options)
        return _as(Job, await self._call(jobs.submit(body, idempotency_key)))

    async def submit_speech(
        self, text: str, *, idempotency_key: str | None = None, **options: Unpack[SpeechJobOptions]
    ) -> Job:
        """Have a text spoken."""
        return _as(Job, await self._call(jobs.submit(jobs.speech(text, options), idempotency_key)))

    async def submit_batch(
        self, bodies: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> tuple[Job, ...]:
        """Submit many at once, all or none: what `transcription` and `speech` give."""
        found: tuple[Job, ...] = await self._call(jobs.submit_batch(bodies, idempotency_key))
        return found

    async def get(self, job_id: str) -> Job:
        """A job as it is now."""
        return _as(Job, await self._call(jobs.get(job_id)))

    async def list(
        self,
        *,
        state: JobState | None = None,
        type: JobType | None = None,  # noqa: A002 - the route's name for it
        batch_id: str | None = None,
    ) -> AsyncIterator[Job]:
        """Jobs of this key, newest first, fetched page by page."""
        after: str | None = None
        while True:
            page = _as(JobPage, await self._call(jobs.page(state, type, batch_id, 100, after)))
            for job in page.jobs:
                yield job
            after = page.next_after
            if after is None:
                return

    async def cancel(self, job_id: str) -> None:
        """Cancel a job; one that has ended is deleted, with its result."""
        await self._call(jobs.cancel(job_id))

    @asynccontextmanager
    async def events(self, job_id: str) -> AsyncIterator[AsyncIterator[JobEvent]]:
        """Follow a job: the job when it changes, and its segments. The last one is the ended job."""
        async with self._open(jobs.events(job_id)) as response:
            yield _async_read(response)

    async def wait(self, job_id: str, on_event: Callable[[JobEvent], None] | None = None) -> Job:
        """Wait until a job has ended, over restarts of the server too. See `Jobs.wait`."""
        failures = 0
        while True:
            try:
                async with self.events(job_id) as found:
                    async for event in found:
                        failures = 0
                        if on_event:
                            on_event(event)
                        if isinstance(event, Job) and event.ended:
                            return event
                raise BrokenOff("the events of the job ended before the job")
            except VozError as error:
                failures = _given_up(error, failures)
            await asyncio.sleep(_REOPEN_SECONDS)

    @asynccontextmanager
    async def result(self, job: Job) -> AsyncIterator[AsyncIterator[bytes]]:
        """The result of a job that succeeded, piece by piece: text, JSON or audio."""
        async with httpx.AsyncClient() as storage, storage.stream("GET", _link(job)) as response:
            if not response.is_success:
                await response.aread()
                raise error_of(response)
            yield async_speech_bytes(response)


def _as(expected: type[T], value: Any) -> T:
    found: T = value
    return found


def _given_up(error: VozError, failures: int) -> int:
    """Count a failure to follow a job; raise it if following again is of no use."""
    final = isinstance(error, ApiError) and error.status < 500
    if final or failures >= _REOPENINGS:
        raise error
    return failures + 1


def _link(job: Job) -> str:
    if not job.result:
        raise ValueError(f"{job.id} is {job.state}: it has no result")
    url: str = job.result["url"]
    return url


def _event(event: ServerSentEvent) -> JobEvent | None:
    data = event_data(event)
    if event.event == "segment":
        return Segment.of(data)
    return Job.of(data) if event.event in ("job", "done") else None


def _read(response: httpx.Response) -> Iterator[JobEvent]:
    with errors_of_reading():
        for event in EventSource(response).iter_sse():
            if (found := _event(event)) is not None:
                yield found


async def _async_read(response: httpx.Response) -> AsyncIterator[JobEvent]:
    with errors_of_reading():
        async for event in EventSource(response).aiter_sse():
            if (found := _event(event)) is not None:
                yield found
