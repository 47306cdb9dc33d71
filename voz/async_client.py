"""The client for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from voz import calls, live
from voz.calls import Call, SpeechOptions, TextFormat, TranscriptionOptions
from voz.connection import DEFAULT_TIMEOUT, Connection
from voz.jobs_client import AsyncJobs
from voz.live import LiveOptions, LiveSession
from voz.results import LanguageGuess, Models, Readiness, Speech, SpeechPart, Transcription, Voice
from voz.retries import RetryPolicy
from voz.sources import AudioSource
from voz.streams import (
    AsyncTranscriptionStream,
    async_speech_bytes,
    async_speech_parts,
    errors_of_reading,
)

T = TypeVar("T")


class AsyncClient:
    """A Voz server, for asyncio. Arguments, methods and errors are those of `Client`.

    Cancelling a call, or leaving a stream's block, closes its connection, and the server stops its work.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | httpx.Timeout = DEFAULT_TIMEOUT,
        retries: int = 3,
        max_wait: float = 60.0,
        uds: str | None = None,
    ) -> None:
        self._connection = Connection(url, api_key, timeout, RetryPolicy(retries, max_wait), uds)
        transport = httpx.AsyncHTTPTransport(uds=uds) if uds else None
        self._http = httpx.AsyncClient(**self._connection.arguments(), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    @property
    def jobs(self) -> AsyncJobs:
        """Work that outlives its request."""
        return AsyncJobs(self._call, self._open)

    async def transcribe(self, file: AudioSource, **options: Unpack[TranscriptionOptions]) -> Transcription:
        """Transcribe a whole file: its text, and segments with their times."""
        return await self._call(calls.transcribe(file, options))

    async def transcribe_as(
        self, file: AudioSource, document: TextFormat, **options: Unpack[TranscriptionOptions]
    ) -> str:
        """Transcribe a whole file to plain text, SRT or WebVTT."""
        return await self._call(calls.transcribe_as(file, document, options))

    @asynccontextmanager
    async def stream_transcription(
        self,
        file: AudioSource,
        document: TextFormat | None = None,
        **options: Unpack[TranscriptionOptions],
    ) -> AsyncIterator[AsyncTranscriptionStream]:
        """Transcribe, and get each segment as soon as it is final.

        Leaving the block early stops the work. An error midway is raised while the stream is read.

        Args:
            document: also make the whole in this format.
        """
        async with self._open(calls.stream_transcription(file, document, options)) as response:
            yield AsyncTranscriptionStream(response)

    def live(self, **options: Unpack[LiveOptions]) -> AbstractAsyncContextManager[LiveSession]:
        """Transcribe audio while it is spoken; needs the package `websockets`."""
        return live.session(self._connection, options)

    async def detect_language(
        self, file: AudioSource, languages: Sequence[str] = ()
    ) -> tuple[LanguageGuess, ...]:
        """Which language is spoken, most probable first.

        Args:
            languages: choose among these only.
        """
        return await self._call(calls.detect_language(file, languages))

    async def speak(self, text: str, *, timestamps: bool = False, **options: Unpack[SpeechOptions]) -> Speech:
        """Speak a text into the server's storage, and get a link to the audio."""
        return await self._call(calls.speak(text, timestamps, options))

    @asynccontextmanager
    async def stream_speech(
        self, text: str, **options: Unpack[SpeechOptions]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Speak a text, and get the audio as it is made. Leaving the block early stops the work."""
        async with self._open(calls.stream_speech(text, False, options)) as response:
            yield async_speech_bytes(response)

    @asynccontextmanager
    async def stream_speech_with_words(
        self, text: str, **options: Unpack[SpeechOptions]
    ) -> AsyncIterator[AsyncIterator[SpeechPart]]:
        """Speak a text, and get the audio as it is made and when each word is said."""
        async with self._open(calls.stream_speech(text, True, options)) as response:
            yield async_speech_parts(response)

    async def voices(self) -> tuple[Voice, ...]:
        """Who can speak; the first of a language is its default."""
        return await self._call(calls.voices())

    async def models(self) -> Models:
        """What runs, where, and how busy it is."""
        return await self._call(calls.models())

    async def ready(self) -> Readiness:
        """Whether the server can take work. Needs no key."""
        return await self._call(calls.ready())

    async def _call(self, call: Call[T]) -> T:
        async with self._open(call) as response:
            with errors_of_reading():
                await response.aread()
            return call.read(response)

    @asynccontextmanager
    async def _open(self, call: Call[Any]) -> AsyncIterator[httpx.Response]:
        """The answer to a call, repeated where that is safe; its body is not read yet."""
        response = await self._attempts(call)
        try:
            yield response
        finally:
            await response.aclose()

    async def _attempts(self, call: Call[Any]) -> httpx.Response:
        attempt = 0
        while True:
            try:
                with call.arguments() as arguments:
                    response = await self._http.send(self._http.build_request(**arguments), stream=True)
                if response.is_success or response.status_code in call.accepted:
                    return response
                try:
                    await response.aread()
                finally:
                    await response.aclose()
            except httpx.TransportError as error:
                delay = self._connection.after_error(call, attempt, error)
            else:
                delay = self._connection.after_answer(call, attempt, response)
            await asyncio.sleep(delay)
            attempt += 1
