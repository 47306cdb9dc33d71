"""What a client of a realtime session sends, and what it is answered."""

import base64
import binascii
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from src.api.dependencies import Services
from src.api.live.connection import Connection, both
from src.api.openai.realtime.events import Narrator, error_event, event
from src.api.openai.realtime.session import RealtimeSession
from src.api.usage import LiveUsage
from src.engines.base import STT_SAMPLE_RATE
from src.errors import InvalidInput, NotFound
from src.services.live.session import LiveSession

_MIN_COMMIT_SECONDS = 0.1
"""Less audio counts as none, as at OpenAI."""


class Conversation:
    """One session over one connection.

    Args:
        session: the settings that it begins with.
    """

    def __init__(
        self, services: Services, connection: Connection, usage: LiveUsage, session: RealtimeSession
    ) -> None:
        self._services = services
        self._connection = connection
        self._usage = usage
        self._session = session
        self._pcm = session.new_stream()
        self._narrator = Narrator()
        self._id = f"sess_{secrets.token_hex(12)}"
        self._expires = int(time.time() + services.live_limits.total)

    async def serve(self) -> None:
        """The whole conversation, until the client leaves."""
        async with LiveSession(self._services.stt, self._session.options) as self._live:
            await self._connection.send(event("session.created", session=self._shown()))
            await both(self._read, self._write)

    def _shown(self) -> dict[str, Any]:
        shown = {"id": self._id, "object": "realtime.transcription_session", "expires_at": self._expires}
        return shown | self._session.shown

    async def _read(self) -> None:
        while True:
            message = await self._connection.receive()
            event_id: str | None = None
            try:
                body = _parsed(message)
                event_id = body.get("event_id") if isinstance(body.get("event_id"), str) else None
                await self._obey(body)
            except (InvalidInput, NotFound) as error:
                code = "model_not_found" if isinstance(error, NotFound) else "invalid_value"
                code = getattr(error, "code", code)
                param = getattr(error, "field", "") or None
                await self._connection.send(error_event(str(error), code, param, event_id))

    async def _write(self) -> None:
        async for happened in self._live:
            for one in self._narrator.tell(happened, logprobs=self._session.wants_logprobs):
                await self._connection.send(one)

    async def _obey(self, body: Mapping[str, Any]) -> None:
        match body.get("type"):
            case "session.update":
                await self._update(body.get("session"))
            case "input_audio_buffer.append":
                await self._append(body.get("audio"))
            case "input_audio_buffer.commit":
                await self._commit()
            case "input_audio_buffer.clear":
                self._live.clear()
                await self._connection.send(event("input_audio_buffer.cleared"))
            case str(other):
                raise _Refused(
                    f"{other[:100]!r} is no event of a transcription session; there are session.update, "
                    "input_audio_buffer.append, input_audio_buffer.commit and input_audio_buffer.clear",
                    "type",
                    "unsupported_event",
                )
            case _:
                raise _Refused("an event needs a `type`", "type", "missing_required_parameter")

    async def _update(self, change: Any) -> None:
        if not isinstance(change, Mapping):
            raise _Refused("`session` is missing", "session", "missing_required_parameter")
        if change.get("type", "transcription") != "transcription":
            raise _Refused(
                "this server has transcription sessions only: session.type must be `transcription`",
                "session.type",
                "invalid_value",
            )
        before = self._session.format
        self._session.update(change)
        self._live.configure(self._session.options)
        if self._session.format != before:
            self._pcm = self._session.new_stream()
        await self._connection.send(event("session.updated", session=self._shown()))

    async def _append(self, audio: Any) -> None:
        if not isinstance(audio, str):
            raise _Refused("`audio` is missing", "audio", "missing_required_parameter")
        try:
            data = base64.b64decode(audio, validate=True)
        except (binascii.Error, ValueError):
            raise _Refused("`audio` is not base64", "audio", "invalid_value") from None
        samples = self._pcm.push(data)
        await self._usage.add(len(samples) / STT_SAMPLE_RATE)
        await self._live.push(samples)

    async def _commit(self) -> None:
        if self._live.pending_seconds < _MIN_COMMIT_SECONDS:
            raise _Refused(
                "there is nothing to commit: the buffer has less than 100 ms of audio",
                None,
                "input_audio_buffer_commit_empty",
            )
        await self._live.commit()


class _Refused(InvalidInput):
    """An event of the client that is answered with an error of its own code."""

    def __init__(self, message: str, field: str | None, code: str) -> None:
        super().__init__(message, field or "")
        self.code = code


def _parsed(message: str | bytes) -> dict[str, Any]:
    try:
        body = json.loads(message)
    except ValueError:
        raise _Refused("an event must be JSON", None, "invalid_json") from None
    if not isinstance(body, dict):
        raise _Refused("an event must be a JSON object", None, "invalid_json")
    return body
