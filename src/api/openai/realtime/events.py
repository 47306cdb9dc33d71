"""Server events of a transcription session."""

import secrets
from collections.abc import Iterator
from typing import Any

from src.engines.base import TokenLogprob
from src.errors import VozError
from src.services.live.events import Completed, Failed, LiveEvent, SpeechStarted, SpeechStopped, Words

_ITEM = "conversation.item.input_audio_transcription"


def event(kind: str, **fields: Any) -> dict[str, Any]:
    """A server event with an id of its own."""
    return {"type": kind, "event_id": f"event_{secrets.token_hex(10)}", **fields}


def error_event(message: str, code: str | None, param: str | None, event_id: str | None) -> dict[str, Any]:
    """An error after which the session stays open."""
    return event(
        "error",
        error={
            "type": "invalid_request_error",
            "code": code,
            "message": message,
            "param": param,
            "event_id": event_id,
        },
    )


class Narrator:
    """Turns the events of a live session into OpenAI's, in OpenAI's order."""

    def __init__(self) -> None:
        self._announced: set[str] = set()
        """Items whose start the client was told."""
        self._previous: str | None = None

    def tell(self, happened: LiveEvent, *, logprobs: bool = False) -> Iterator[dict[str, Any]]:
        """The events for what happened."""
        match happened:
            case SpeechStarted(item_id, at):
                self._announced.add(item_id)
                yield event(
                    "input_audio_buffer.speech_started", audio_start_ms=round(at * 1000), item_id=item_id
                )
            case SpeechStopped(item_id, at):
                if item_id in self._announced:
                    self._announced.discard(item_id)
                    yield event(
                        "input_audio_buffer.speech_stopped", audio_end_ms=round(at * 1000), item_id=item_id
                    )
                yield from self._committed(item_id)
            case Words(item_id, stable):
                if stable:
                    yield self._delta(item_id, stable)
            case Completed():
                yield from self._completed(happened, logprobs)
            case Failed(item_id, error):
                yield event(f"{_ITEM}.failed", item_id=item_id, content_index=0, error=_reason(error))

    def _committed(self, item_id: str) -> Iterator[dict[str, Any]]:
        before, self._previous = self._previous, item_id
        yield event("input_audio_buffer.committed", item_id=item_id, previous_item_id=before)
        item = {
            "id": item_id,
            "type": "message",
            "object": "realtime.item",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        yield event("conversation.item.added", item=item, previous_item_id=before)
        yield event("conversation.item.done", item=item, previous_item_id=before)

    def _delta(self, item_id: str, text: str) -> dict[str, Any]:
        return event(f"{_ITEM}.delta", item_id=item_id, content_index=0, delta=text)

    def _completed(self, done: Completed, logprobs: bool) -> Iterator[dict[str, Any]]:
        if done.rest:
            yield self._delta(done.item_id, done.rest)
        found = [one for segment in done.segments for one in segment.logprobs or ()]
        yield event(
            f"{_ITEM}.completed",
            item_id=done.item_id,
            content_index=0,
            transcript=done.text,
            usage={"type": "duration", "seconds": round(done.end - done.start, 2)},
            languages=[{"code": done.language}],
            logprobs=[_logprob(one) for one in found] if logprobs else None,
        )


def _logprob(one: TokenLogprob) -> dict[str, Any]:
    return {
        "token": one.token.decode(errors="replace"),
        "logprob": round(one.logprob, 4),
        "bytes": list(one.token),
    }


def _reason(error: Exception) -> dict[str, Any]:
    known = isinstance(error, VozError)
    return {
        "type": "server_error",
        "code": "transcription_failed",
        "message": str(error) if known else "the server failed; its log has the request_id",
        "param": None,
    }
