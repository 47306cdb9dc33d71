"""One client of a live session: its messages in, events out, and its limits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from src.api.dependencies import Services
from src.api.usage import metered
from src.errors import InvalidInput, TooSlow
from src.services.usage import UsageMeter

PROTOCOL = "realtime"
"""The sub-protocol that browsers offer beside their key; the answer must name it."""
_SEND_SECONDS = 20.0
"""Seconds that a message may take to leave: a client that does not read is cut off then."""


class Connection:
    """Messages of one WebSocket.

    Args:
        socket: accepted already.
        idle_seconds: longest wait for a message.
        max_seconds: longest time that the connection may be open.
    """

    def __init__(self, socket: WebSocket, idle_seconds: float, max_seconds: float) -> None:
        self._socket = socket
        self._idle_seconds = idle_seconds
        self._until = asyncio.get_running_loop().time() + max_seconds

    async def receive(self) -> str | bytes | None:
        """The next message; None when the client has left.

        Raises:
            TooSlow: nothing came for too long, or the session is over.
        """
        left = self._until - asyncio.get_running_loop().time()
        if left <= 0:
            raise TooSlow("the session has lasted as long as it may (LIVE_MAX_SECONDS); open another one")
        try:
            async with asyncio.timeout(min(left, self._idle_seconds)):
                message = await self._socket.receive()
        except TimeoutError:
            if left <= self._idle_seconds:
                return await self.receive()
            raise TooSlow(f"no message came for {self._idle_seconds:g} s (LIVE_IDLE_TIMEOUT)") from None
        if message["type"] == "websocket.disconnect":
            return None
        data: str | bytes | None = message.get("bytes")
        if data is None:
            data = message.get("text")
        if data is None:
            raise InvalidInput("a message has neither text nor bytes")
        return data

    async def send(self, message: dict[str, Any]) -> None:
        """Send a JSON message.

        Raises:
            TooSlow: the client does not read.
        """
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._socket.send_json(message)
        except TimeoutError:
            raise TooSlow("the client does not read what it is sent") from None
        except (WebSocketDisconnect, RuntimeError):
            raise ConnectionResetError("the client has left") from None


@asynccontextmanager
async def opened(socket: WebSocket) -> AsyncIterator[tuple[Connection, UsageMeter]]:
    """Accept a live session of the caller's key, count it and meter it.

    Raises:
        RateLimited: the key has as many sessions as it may.
    """
    services: Services = socket.app.state.services
    with services.live_per_key.one_more(socket.scope["state"]["key_name"]):
        await socket.accept(PROTOCOL if PROTOCOL in socket.scope["subprotocols"] else None)
        connection = Connection(socket, services.live_limits.idle, services.live_limits.total)
        with metered(socket) as meter:
            try:
                yield connection, meter
            except ConnectionResetError:
                return
        await socket.close()


async def both(reading: Callable[[], Awaitable[None]], writing: Callable[[], Awaitable[None]]) -> None:
    """Read and write at once, until the writer ends; an error of either ends the other, and is raised."""
    reader = asyncio.ensure_future(reading())
    writer = asyncio.ensure_future(writing())
    try:
        await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_EXCEPTION)
        for task in (reader, writer):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
    finally:
        for task in (reader, writer):
            task.cancel()
        await asyncio.gather(reader, writer, return_exceptions=True)
