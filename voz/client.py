"""The client for programs that block."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from voz import calls
from voz.calls import Call, SpeechOptions, TextFormat, TranscriptionOptions
from voz.connection import DEFAULT_TIMEOUT, Connection
from voz.jobs_client import Jobs
from voz.results import LanguageGuess, Models, Readiness, Speech, SpeechPart, Transcription, Voice
from voz.retries import RetryPolicy
from voz.sources import AudioSource
from voz.streams import TranscriptionStream, errors_of_reading, speech_bytes, speech_parts

T = TypeVar("T")


class Client:
    """A Voz server. It may be used by several threads at once.

    Args:
        url: of the server; None: VOZ_URL, else this machine's port 8000.
        api_key: None: VOZ_API_KEY.
        timeout: seconds without any progress after which a call fails, or httpx's four timeouts.
        retries: attempts after the first, for what is safe to repeat.
        max_wait: seconds between two attempts at most. A server that asks for more is not asked again.
        uds: path of a Unix socket at which the server listens, in place of TCP.

    Every method may raise VozError: ConnectionFailed, TimedOut, or ApiError with the server's words.
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
        transport = httpx.HTTPTransport(uds=uds) if uds else None
        self._http = httpx.Client(**self._connection.arguments(), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    @property
    def jobs(self) -> Jobs:
        """Work that outlives its request."""
        return Jobs(self._call, self._open)

    def transcribe(self, file: AudioSource, **options: Unpack[TranscriptionOptions]) -> Transcription:
        """Transcribe a whole file: its text, and segments with their times."""
        return self._call(calls.transcribe(file, options))

    def transcribe_as(
        self, file: AudioSource, document: TextFormat, **options: Unpack[TranscriptionOptions]
    ) -> str:
        """Transcribe a whole file to plain text, SRT or WebVTT."""
        return self._call(calls.transcribe_as(file, document, options))

    @contextmanager
    def stream_transcription(
        self,
        file: AudioSource,
        document: TextFormat | None = None,
        **options: Unpack[TranscriptionOptions],
    ) -> Iterator[TranscriptionStream]:
        """Transcribe, and get each segment as soon as it is final.

        Leaving the block early stops the work. An error midway is raised while the stream is read.

        Args:
            document: also make the whole in this format.
        """
        with self._open(calls.stream_transcription(file, document, options)) as response:
            yield TranscriptionStream(response)

    def detect_language(self, file: AudioSource, languages: Sequence[str] = ()) -> tuple[LanguageGuess, ...]:
        """Which language is spoken, most probable first.

        Args:
            languages: choose among these only.
        """
        return self._call(calls.detect_language(file, languages))

    def speak(self, text: str, *, timestamps: bool = False, **options: Unpack[SpeechOptions]) -> Speech:
        """Speak a text into the server's storage, and get a link to the audio."""
        return self._call(calls.speak(text, timestamps, options))

    @contextmanager
    def stream_speech(self, text: str, **options: Unpack[SpeechOptions]) -> Iterator[Iterator[bytes]]:
        """Speak a text, and get the audio as it is made. Leaving the block early stops the work."""
        with self._open(calls.stream_speech(text, False, options)) as response:
            yield speech_bytes(response)

    @contextmanager
    def stream_speech_with_words(
        self, text: str, **options: Unpack[SpeechOptions]
    ) -> Iterator[Iterator[SpeechPart]]:
        """Speak a text, and get the audio as it is made and when each word is said."""
        with self._open(calls.stream_speech(text, True, options)) as response:
            yield speech_parts(response)

    def voices(self) -> tuple[Voice, ...]:
        """Who can speak; the first of a language is its default."""
        return self._call(calls.voices())

    def models(self) -> Models:
        """What runs, where, and how busy it is."""
        return self._call(calls.models())

    def ready(self) -> Readiness:
        """Whether the server can take work. Needs no key."""
        return self._call(calls.ready())

    def _call(self, call: Call[T]) -> T:
        with self._open(call) as response:
            with errors_of_reading():
                response.read()
            return call.read(response)

    @contextmanager
    def _open(self, call: Call[Any]) -> Iterator[httpx.Response]:
        """The answer to a call, repeated where that is safe; its body is not read yet."""
        response = self._attempts(call)
        try:
            yield response
        finally:
            response.close()

    def _attempts(self, call: Call[Any]) -> httpx.Response:
        attempt = 0
        while True:
            try:
                with call.arguments() as arguments:
                    response = self._http.send(self._http.build_request(**arguments), stream=True)
                if response.is_success or response.status_code in call.accepted:
                    return response
                try:
                    response.read()
                finally:
                    response.close()
            except httpx.TransportError as error:
                delay = self._connection.after_error(call, attempt, error)
            else:
                delay = self._connection.after_answer(call, attempt, response)
            time.sleep(delay)
            attempt += 1
