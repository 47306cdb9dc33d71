"""The base class of every middleware. No kind of connection passes by accident."""

from abc import ABC, abstractmethod

from starlette.types import ASGIApp, Receive, Scope, Send

WEBSOCKET = "WEBSOCKET"
"""Method of a WebSocket in logs, metrics and spans."""
SWITCHING_PROTOCOLS = 101
"""The HTTP status of a WebSocket that was accepted."""
HEAD_MESSAGES = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
"""The ASGI messages that begin an answer and carry its headers."""


class Guard(ABC):
    """A middleware with a method for HTTP and one for WebSockets. Other connections are refused."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self.http(scope, receive, send)
            case "websocket":
                await self.websocket(scope, receive, send)
            case "lifespan":
                await self.lifespan(scope, receive, send)
            case other:
                raise RuntimeError(f"{type(self).__name__} knows no {other!r} connections")

    @abstractmethod
    async def http(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    @abstractmethod
    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    async def lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
