"""Answers that come piece by piece. Each is opened by `with`, and read by iterating over it once."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent

from voz.errors import ApiError, BrokenOff, TimedOut
from voz.results import Segment, SpeechPart, SpokenWord, Transcription


@contextmanager
def errors_of_reading() -> Iterator[None]:
    """Turn httpx's errors while a body is read into ours."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise TimedOut(f"the server sent nothing for too long: {type(error).__name__}") from error
    except (httpx.TransportError, httpx.StreamError) as error:
        raise BrokenOff(f"the answer broke off: {error or type(error).__name__}") from error


class _Transcript:
    """Reads the events of a transcription."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.result: Transcription | None = None
        self.document: str | None = None

    def take(self, event: ServerSentEvent) -> Segment | None:
        data = event_data(event)
        if event.event == "segment":
            self.segments.append(Segment.of(data))
            return self.segments[-1]
        if event.event == "done":
            self.result = Transcription.of(data, tuple(self.segments))
            self.document = data.get("document")
        return None

    def end(self) -> None:
        if self.result is None:
            raise BrokenOff("the answer ended before the transcription was whole")


class _TranscriptionStream:
    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._transcript = _Transcript()

    @property
    def result(self) -> Transcription:
        """The whole, once every segment has been read.

        Raises:
            RuntimeError: they have not.
        """
        if self._transcript.result is None:
            raise RuntimeError("the stream has not been read to its end")
        return self._transcript.result

    @property
    def document(self) -> str:
        """The whole as `text`, `srt` or `vtt`, if `document=` asked for it.

        Raises:
            RuntimeError: the stream has not been read to its end, or no document was asked for.
        """
        if self._transcript.document is None:
            raise RuntimeError("no document was asked for, or the stream has not been read to its end")
        return self._transcript.document


class TranscriptionStream(_TranscriptionStream):
    """Segments, each as soon as it is final; then `result`, and `document` if one was asked for."""

    def __iter__(self) -> Iterator[Segment]:
        with errors_of_reading():
            for event in EventSource(self._response).iter_sse():
                if (segment := self._transcript.take(event)) is not None:
                    yield segment
        self._transcript.end()


class AsyncTranscriptionStream(_TranscriptionStream):
    """The same as `TranscriptionStream`, read with `async for`."""

    async def __aiter__(self) -> AsyncIterator[Segment]:
        with errors_of_reading():
            async for event in EventSource(self._response).aiter_sse():
                if (segment := self._transcript.take(event)) is not None:
                    yield segment
        self._transcript.end()


class _Parts:
    """Reads the events of a speech with its words' times."""

    def __init__(self) -> None:
        self._done = False

    def take(self, event: ServerSentEvent) -> SpeechPart | None:
        data = event_data(event)
        match event.event:
            case "audio":
                return SpeechPart(audio=base64.b64decode(data["audio"]))
            case "words":
                return SpeechPart(words=tuple(map(SpokenWord.of, data["words"])))
            case "done":
                self._done = True
        return None

    def end(self) -> None:
        if not self._done:
            raise BrokenOff("the answer ended before the speech was whole")


def speech_parts(response: httpx.Response) -> Iterator[SpeechPart]:
    """Parts of a speech, as they are made."""
    parts = _Parts()
    with errors_of_reading():
        for event in EventSource(response).iter_sse():
            if (part := parts.take(event)) is not None:
                yield part
    parts.end()


async def async_speech_parts(response: httpx.Response) -> AsyncIterator[SpeechPart]:
    """Parts of a speech, as they are made."""
    parts = _Parts()
    with errors_of_reading():
        async for event in EventSource(response).aiter_sse():
            if (part := parts.take(event)) is not None:
                yield part
    parts.end()


def speech_bytes(response: httpx.Response) -> Iterator[bytes]:
    """The audio, as it is made."""
    with errors_of_reading():
        yield from response.iter_bytes()


async def async_speech_bytes(response: httpx.Response) -> AsyncIterator[bytes]:
    """The audio, as it is made."""
    with errors_of_reading():
        async for chunk in response.aiter_bytes():
            yield chunk


def event_data(event: ServerSentEvent) -> dict[str, Any]:
    """An event's data; an event that is an error is raised."""
    data = json.loads(event.data) if event.data else {}
    if not isinstance(data, dict):
        data = {}
    if event.event == "error":
        raise ApiError.of(int(data.get("status") or 500), data)
    return data
