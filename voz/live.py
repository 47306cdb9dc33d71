"""Live transcription: audio in while it is spoken, words out."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict
from urllib.parse import urlencode

from voz.connection import Connection
from voz.errors import ApiError, BrokenOff, ConnectionFailed
from voz.resending import Unacknowledged

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed

    _Dial = Callable[[str], Awaitable[ClientConnection]]
    """Connects to `/stt/live` with this behind it."""

_NORMAL, _RELOADING = 1000, 1012
"""Close codes with which a server ends a session: all is said; it stops."""
_LOST = frozenset({1001, 1006, 1011})
"""Close codes of a proxy, or of a server that hears nothing from its client any more."""
_PING_SECONDS, _PONG_SECONDS = 5.0, 10.0
"""A connection without an answer to a ping for so long is broken."""
_ANSWER_SECONDS = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
"""Seconds between two attempts to connect again."""
_UNKNOWN = 5
"""Attempts after which a session that is not found is gone. Other worker processes do not know it."""
_PING = '{"type": "ping"}'
_ASK_BYTES = 64 * 1024
"""Bytes of audio after which the server is asked what it has."""


class LiveOptions(TypedDict, total=False):
    """Options of a live session. None of them is needed."""

    language: str | None
    languages: str
    """Detection chooses among these only; comma-separated."""
    prompt: str
    sample_rate: int
    """Hz, 8000 to 48000; 16000 if absent."""
    encoding: Literal["pcm_s16le", "mulaw", "alaw", "webm", "ogg"]
    """`webm` and `ogg`: a recording while it is made, with Opus, as browsers' `MediaRecorder` writes it."""
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
    """`partial`: all stable text of the utterance; `final`: its text; `error`: what went wrong."""
    tentative: str
    """Text after `text` that may change. Only `partial` has it."""
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
    """A session. Send audio and iterate over the events at the same time; only `AsyncClient` makes one.

    If the connection breaks, the session goes on over another one: audio that the server does not have is
    sent again, and no event comes twice. It is tried for as long as the server waits
    (`resumable` of `ready`).
    """

    def __init__(self, dial: "_Dial", socket: "ClientConnection") -> None:
        self._dial = dial
        self._socket = socket
        self._lock = asyncio.Lock()
        """Held while something is sent, and while the connection is replaced."""
        self._unacknowledged = Unacknowledged()
        self._session = ""
        self._resumable = 0.0
        self._seen = 0
        self._asked = 0
        self._over = False

    async def send(self, audio: bytes) -> None:
        """Send audio in the session's encoding: raw and mono, or a piece of a recording.

        Raises:
            BrokenOff: the session has ended.
        """
        await self._send(audio)
        if self._session and self._unacknowledged.sent - self._asked >= _ASK_BYTES:
            self._asked = self._unacknowledged.sent
            await self._send(_PING)

    async def commit(self) -> None:
        """The utterance ends here."""
        await self._send('{"type": "commit"}')

    async def stop(self) -> None:
        """No more audio: the last text comes, and the session ends."""
        await self._send('{"type": "stop"}')

    async def close(self) -> None:
        """End the session, and forget what is not transcribed yet."""
        self._over = True
        await self._socket.close()

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        from websockets.exceptions import ConnectionClosed

        while not self._over:
            socket = self._socket
            try:
                message = await socket.recv()
            except ConnectionClosed as error:
                async with self._lock:
                    if self._socket is socket and not self._over:
                        if error.rcvd is not None and error.rcvd.code == _NORMAL:
                            return
                        try:
                            await self._connect_again(error)
                        except BrokenOff:
                            if not self._over:
                                raise
                continue
            event = LiveEvent.of(json.loads(message))
            self._note(event.data)
            if event.type != "pong":
                yield event

    async def _send(self, message: str | bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        async with self._lock:
            if message != _PING:
                self._unacknowledged.add(message)
            try:
                await self._socket.send(message)
            except ConnectionClosed as error:
                await self._connect_again(error)

    def _note(self, message: Mapping[str, Any]) -> None:
        self._seen = message.get("seq", self._seen)
        if "received" in message:
            self._unacknowledged.acknowledge(message["received"], message.get("commands"))
        match message.get("type"):
            case "ready":
                self._session = message.get("session", "")
                self._resumable = message.get("resumable", 0.0)
            case "closed":
                self._over = True
            case "error" if message.get("item_id") is None:
                self._session = ""  # it is over

    async def _connect_again(self, broken: "ConnectionClosed") -> None:
        """Go on with the session over another connection.

        Raises:
            BrokenOff: it has ended, or cannot be reached for too long.
        """
        lost = broken.rcvd is None or broken.rcvd.code in _LOST
        if self._over or not self._session or not lost:
            raise _broken(broken) from broken
        loop = asyncio.get_running_loop()
        until = loop.time() + self._resumable
        pause, unknown = _FIRST_PAUSE, 0
        while (found := await self._resumed()) is None or isinstance(found, int):
            unknown += found == 404
            if found in (401, 403) or unknown == _UNKNOWN or loop.time() + pause > until:
                raise _broken(broken) from broken
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            if self._over:  # closed meanwhile
                raise _broken(broken) from broken
            pause = min(2 * pause, _LONGEST_PAUSE)
        if self._over:  # closed meanwhile
            await found.close()
            raise _broken(broken) from broken
        self._socket = found

    async def _resumed(self) -> "ClientConnection | int | None":
        """A connection of the session, or the status of the answer if it is refused, or None."""
        from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

        try:
            socket = await self._dial(f"/{self._session}")
        except InvalidStatus as error:
            return error.response.status_code
        except (OSError, InvalidHandshake, TimeoutError):
            return None
        try:
            await socket.send(json.dumps({"type": "resume", "seq": self._seen}))
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = json.loads(await socket.recv())
            if answer.get("type") != "resumed":
                raise BrokenOff(f"the session cannot go on: {answer.get('message')}")
            self._note(answer)
            rest = self._unacknowledged.rest(answer["received"])
            if rest is None:
                raise BrokenOff("the session cannot go on: more audio was lost than is kept")
            for message in rest:
                await socket.send(message)
        except (ConnectionClosed, TimeoutError):
            await socket.close()
            return None
        except BaseException:
            await socket.close()
            raise
        return socket


def _broken(error: "ConnectionClosed") -> BrokenOff:
    received = error.rcvd
    if received is not None and received.code == _RELOADING:
        return BrokenOff("the server is stopping")
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
    address = connection.address.replace("http", "ws", 1) + "/stt/live"
    settings: dict[str, Any] = {
        "additional_headers": {"X-API-Key": connection.key} if connection.key else {},
        "ping_interval": _PING_SECONDS,
        "ping_timeout": _PONG_SECONDS,
        "open_timeout": _ANSWER_SECONDS,
    }

    async def dial(more: str) -> "ClientConnection":
        if connection.uds:
            return await unix_connect(connection.uds, address + more, **settings)
        return await connect(address + more, **settings)

    try:
        socket = await dial("?" + urlencode(given))
    except InvalidStatus as error:
        body = _problem(error.response.body)
        raise ApiError.of(error.response.status_code, body) from error
    except (OSError, InvalidHandshake, TimeoutError) as error:
        raise ConnectionFailed(f"no live session at {connection.address}: {error}") from error
    opened = LiveSession(dial, socket)
    try:
        yield opened
    finally:
        await opened.close()


def _problem(body: bytes | bytearray | None) -> dict[str, Any]:
    try:
        found = json.loads(body or b"")
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}
