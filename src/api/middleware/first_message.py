"""The key in the first message of a WebSocket, for clients that can set no header."""

import asyncio
import json
from typing import Self

from starlette.types import Message, Receive, Send

from src.api.errors import close
from src.errors import Unauthorized

_SECONDS = 10.0
"""In which the first message must come."""
_MAX_CHARS = 16_384
_TRY_AGAIN_LATER, _POLICY_VIOLATION, _NOT_FOUND = 1013, 1008, 4404
_CODES = {404: _NOT_FOUND, 429: _TRY_AGAIN_LATER, 503: _TRY_AGAIN_LATER}
"""Close codes for the statuses of refusals."""


class FirstMessage:
    """The first message of a WebSocket, read before the application sees the connection.

    The connection is accepted for it. The application accepts it once more, which is not sent, and reads the
    message again.
    """

    def __init__(self, message: Message, receive: Receive, send: Send) -> None:
        self._messages: list[Message] = [{"type": "websocket.connect"}, message]
        self._receive = receive
        self._send = send

    @classmethod
    async def of(cls, receive: Receive, send: Send) -> Self | None:
        """Accept the connection and wait for its first message; None if it was closed."""
        await receive()
        await send({"type": "websocket.accept"})
        try:
            async with asyncio.timeout(_SECONDS):
                message = await receive()
        except TimeoutError:
            await close(send, Unauthorized("no API key came"))
            return None
        return None if message["type"] == "websocket.disconnect" else cls(message, receive, send)

    @property
    def key(self) -> str:
        """`api_key` of the message; empty if it has none."""
        text = self._messages[1].get("text") or ""
        if len(text) > _MAX_CHARS:
            return ""
        try:
            body = json.loads(text)
        except ValueError:
            return ""
        key = body.get("api_key") if isinstance(body, dict) else None
        return key.strip() if isinstance(key, str) else ""

    async def receive(self) -> Message:
        """The messages for the application."""
        return self._messages.pop(0) if self._messages else await self._receive()

    async def send(self, message: Message) -> None:
        """Pass on a message of the application; a refusal closes the connection, which is open already."""
        match message["type"]:
            case "websocket.accept" | "websocket.http.response.body":
                return
            case "websocket.http.response.start":
                code = _CODES.get(message["status"], _POLICY_VIOLATION)
                await self._send({"type": "websocket.close", "code": code})
            case _:
                await self._send(message)
