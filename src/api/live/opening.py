"""Accepts the WebSockets of live sessions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import WebSocket

from src.api.dependencies import Services
from src.api.live.connection import Connection
from src.api.usage import LiveUsage, metered_live

PROTOCOL = "realtime"
"""The sub-protocol that browsers offer beside their key; the answer must name it."""


async def accept(socket: WebSocket, until: float) -> Connection:
    """Accept a WebSocket of a session that must be over at `until`, a time of the event loop."""
    services: Services = socket.app.state.services
    await socket.accept(PROTOCOL if PROTOCOL in socket.scope["subprotocols"] else None)
    return Connection(socket, services.live_limits.idle, until)


@asynccontextmanager
async def opened(socket: WebSocket) -> AsyncIterator[tuple[Connection, LiveUsage]]:
    """Accept a live session of the caller's key, count it and meter it.

    Raises:
        RateLimited: the key has as many sessions as it may.
    """
    services: Services = socket.app.state.services
    with services.live_per_key.one_more(socket.scope["state"]["key_name"]):
        until = asyncio.get_running_loop().time() + services.live_limits.total
        connection = await accept(socket, until)
        with metered_live(socket) as usage:
            try:
                yield connection, usage
            except ConnectionResetError:
                return
        await connection.close()
