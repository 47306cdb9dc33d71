"""One client of a live session: its messages in, events out, and its limits."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from src.api.errors import close
from src.errors import InvalidInput, TooSlow

_ABNORMAL = 1006
_CLOSE_SECONDS = 5.0
"""Seconds for a close frame, which waits behind all that the client has not read."""
_SEND_SECONDS = 20.0
"""Seconds that a message may take to leave: a client that does not read is cut off then."""


class Left(ConnectionResetError):
    """The client has closed the connection, as one does who does not come back."""


class Broken(ConnectionResetError):
    """The connection has ended without a word of the client."""


class Connection:
    """Messages of one WebSocket.

    Args:
        socket: accepted already.
        idle_seconds: longest wait for a message.
        until: time of the event loop at which the session must be over.
    """

    def __init__(self, socket: WebSocket, idle_seconds: float, until: float) -> None:
        self._socket = socket
        self._idle_seconds = idle_seconds
        self.until = until
        self._closed = False
        self._unread: str | bytes | None = None

    def unread(self, message: str | bytes) -> None:
        """Let `receive` return a message again."""
        self._unread = message

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            Left, Broken: the client has gone.
            TooSlow: nothing came for too long, or the session is over.
        """
        if self._unread is not None:
            message, self._unread = self._unread, None
            return message
        left = self.until - asyncio.get_running_loop().time()
        if left <= 0:
            raise TooSlow("the session has lasted as long as it may (LIVE_MAX_SECONDS); open another one")
        try:
            async with asyncio.timeout(min(left, self._idle_seconds)):
                event = await self._socket.receive()
        except TimeoutError:
            if left <= self._idle_seconds:
                return await self.receive()
            raise TooSlow(f"no message came for {self._idle_seconds:g} s (LIVE_IDLE_TIMEOUT)") from None
        if event["type"] == "websocket.disconnect":
            # uvicorn gives a lost connection the code of a close frame without one, but no reason
            if "reason" in event and event.get("code") != _ABNORMAL:
                raise Left("the client has left")
            raise Broken("the connection was lost")
        data: str | bytes | None = event.get("bytes")
        if data is None:
            data = event.get("text")
        if data is None:
            raise InvalidInput("a message has neither text nor bytes")
        return data

    async def send(self, message: dict[str, Any]) -> None:
        """Send a JSON message. Raises as `send_text` does."""
        await self.send_text(json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    async def send_text(self, text: str) -> None:
        """Send a message.

        Raises:
            TooSlow: the client does not read.
            ConnectionResetError: it has gone.
        """
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._socket.send_text(text)
        except TimeoutError:
            raise TooSlow("the client does not read what it is sent") from None
        except (WebSocketDisconnect, RuntimeError):
            raise ConnectionResetError("the client has left") from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, unless it is closed."""
        if not self._closed:
            self._closed = True
            with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._socket.close(code, reason)

    async def end(self, error: Exception | None) -> None:
        """Close it because the session is over: with the code that fits the error, if that is why."""
        if error is None:
            await self.close()
        elif not self._closed:
            self._closed = True
            with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await close(self._socket.send, error)


async def both(reading: Callable[[], Awaitable[None]], writing: Callable[[], Awaitable[None]]) -> None:
    """Read and write at once, until the writer ends; an error of either ends the other, and is raised."""
    reader = asyncio.ensure_future(reading())
    writer = asyncio.ensure_future(writing())
    try:
        await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        if reader.done() and reader.exception() is None:
            await asyncio.wait({writer})
        for task in (reader, writer):
            if task.done() and (error := task.exception()) is not None:
                raise error
    finally:
        for task in (reader, writer):
            task.cancel()
        await asyncio.gather(reader, writer, return_exceptions=True)
