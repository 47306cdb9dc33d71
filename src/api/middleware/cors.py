"""Browsers: which web pages of other origins may call the API."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from src.api.middleware.base import Guard

_MAX_AGE = 3600
"""Seconds for which a browser remembers the answer to a preflight."""
_EXPOSED = (
    "X-Request-ID",
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-Policy",
)
"""Headers that a page may read, besides those that every page may."""


class Cors(Guard):
    """Answers preflights, which carry no key, and marks every answer, refusals too, as readable.

    No cookies are allowed, since none are used: a page must know a key.

    Args:
        origins: such as `https://app.example.com`, or `*`.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(app)
        self._cors = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=_EXPOSED,
            max_age=_MAX_AGE,
        )

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._cors(scope, receive, send)

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        # browsers ask no permission for these: `OriginCheck`
        await self.app(scope, receive, send)
