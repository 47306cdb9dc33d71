"""Which web pages may open a WebSocket.

A browser asks no permission before it opens one, as it does before other requests to another origin
(`Cors`). It only names the page's origin, and the server must look at it (RFC 6455, 10.2).
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from src.api.errors import refuse
from src.api.middleware.base import Guard
from src.api.policy import policy_of
from src.errors import OriginRefused

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class OriginCheck(Guard):
    """Refuses WebSockets of web pages that are neither the server's own nor allowed, before the handshake.

    A page is the server's own if its host and port are those that the browser asked for. Its scheme may
    differ, because a proxy in front may have ended TLS. Programs other than browsers send no origin.

    Args:
        origins: such as `https://app.example.com`, or `*` (CORS_ALLOW_ORIGINS).
        public_url: address of the server, for proxies that do not pass on what the browser asked for; may be
            empty (PUBLIC_URL).
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str] = (), public_url: str = "") -> None:
        super().__init__(app)
        self._all = "*" in origins
        self._allowed = frozenset(origin.lower() for origin in origins)
        self._public = _place(public_url)

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin")
        if origin is None or not policy_of(scope).checks_origin or self._is_allowed(origin.lower(), scope):
            await self.app(scope, receive, send)
            return
        refused = f"pages of {origin[:100]} may not open this (CORS_ALLOW_ORIGINS)"
        await refuse(scope, receive, send, OriginRefused(refused))

    def _is_allowed(self, origin: str, scope: Scope) -> bool:
        if self._all or origin in self._allowed:
            return True
        page = _place(origin)
        if page is None:
            return False
        asked = _place(f"{urlsplit(origin).scheme}://{Headers(scope=scope).get('host', '')}")
        return page in (asked, self._public)


def _place(address: str) -> tuple[str, int] | None:
    """Host and port of an address; None if it has none, as the origin `null` of a local file."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None
