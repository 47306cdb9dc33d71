"""Live transcription: audio in while it is spoken, words out."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict
from urllib.parse import urlencode

from voz.connection import Connection
from voz.errors import ApiError, BrokenOff, ConnectionFailed

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_RELOADING = 1012
"""Close code with which a server ends a session because it stops."""


class LiveOptions(TypedDict, total=False):
    """Options of a live session. None of them is needed."""

    language: str | None
    languages: str
    """Detection chooses among these only; comma-separated."""
    prompt: str
    sample_rate: int
    """Hz, 8000 to 48000; 16000 if absent."""
    encoding: Literal["pcm_s16le", "mulaw", "alaw"]
    silence_ms: int
    """Milliseconds of silence that end an utterance."""
    interval_ms: int
    """Milliseconds of new audio between two updates."""
    partial: bool
    """False: final texts alone."""


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """A message of the server; `docs/live.md` lists them."""

    type: str
    """`ready`, `speech_started`, `speech_stopped`, `partial`, `final`, `error`, `usage`, `closed`, ..."""
    text: str
    """Of `partial`: all stable text of the utterance. Of `final`: its text. Of `error`: what went wrong."""
    tentative: str
    """Of `partial`: text after it that may change."""
    item_id: str | None
    """The utterance."""
    data: Mapping[str, Any]
    """The whole message."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            type=str(data.get("type", "")),
            text=str(data.get("text") or data.get("message") or ""),
            tentative=str(data.get("tentative") or ""),
            item_id=data.get("item_id"),
            data=data,
        )


class LiveSession:
    """A session. Send audio and iterate over the events at the same time; only `AsyncClient` makes one."""

    def __init__(self, socket: "ClientConnection") -> None:
        self._socket = socket

    async def send(self, audio: bytes) -> None:
        """Send raw mono audio, in the session's encoding and rate.

        Raises:
            BrokenOff: the session has ended.
        """
        await self._send(audio)

    async def commit(self) -> None:
        """The utterance ends here."""
        await self._send('{"type": "commit"}')

    async def stop(self) -> None:
        """No more audio: the last text comes, and the session ends."""
        await self._send('{"type": "stop"}')

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        from websockets.exceptions import ConnectionClosed

        try:
            async for message in self._socket:
                yield LiveEvent.of(json.loads(message))
        except ConnectionClosed as error:
            raise _broken(error) from error
        if self._socket.close_code == _RELOADING:
            raise BrokenOff("the server is stopping")

    async def _send(self, message: str | bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            raise _broken(error) from error


def _broken(error: Any) -> BrokenOff:
    received = error.rcvd
    reason = f"{received.reason or 'no reason given'} ({received.code})" if received else "no answer"
    return BrokenOff(f"the session broke off: {reason}")


@asynccontextmanager
async def session(connection: Connection, options: LiveOptions) -> AsyncIterator[LiveSession]:
    """A session while the block runs.

    Raises:
        ApiError: the server refuses it (no key, too many sessions).
        ConnectionFailed: no server answers.
    """
    from websockets.asyncio.client import connect, unix_connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in options.items()
        if value is not None
    }
    address = connection.address.replace("http", "ws", 1) + "/stt/live?" + urlencode(given)
    headers = {"X-API-Key": connection.key} if connection.key else {}
    opening = (
        unix_connect(connection.uds, address, additional_headers=headers)
        if connection.uds
        else connect(address, additional_headers=headers)
    )
    try:
        socket = await opening
    except InvalidStatus as error:
        body = _problem(error.response.body)
        raise ApiError.of(error.response.status_code, body) from error
    except (OSError, InvalidHandshake, TimeoutError) as error:
        raise ConnectionFailed(f"no live session at {connection.address}: {error}") from error
    try:
        yield LiveSession(socket)
    finally:
        await socket.close()


def _problem(body: bytes | bytearray | None) -> dict[str, Any]:
    try:
        found = json.loads(body or b"")
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}
