"""Limits a key, as plain ASGI after `KeyCheck`: refuses, counts, and tells every caller how they stand."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.api.errors import answer
from src.core.errors import RateLimited
from src.core.rate_limits import RateLimiter, Standing
from src.core.telemetry import noted

_UNLIMITED = frozenset({"/metrics"})


class RateLimit:
    """Refuses the requests of a key that is over a limit; public routes have no key and so no limit.

    Audio is charged from what the request `note`d as `audio_seconds`, also where it failed or was left.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                await self._app(scope, receive, send)
            finally:
                self._limiter.close()
            return
        key_name = scope.get("state", {}).get("key_name")
        if key_name is None or scope["path"] in _UNLIMITED:
            await self._app(scope, receive, send)
            return
        standing = await self._limiter.take(key_name)
        charged = False

        def charge() -> None:
            nonlocal charged
            if charged:
                return
            charged = True
            facts = noted()
            if not facts.get("cached"):
                self._limiter.charge(key_name, float(facts.get("audio_seconds", 0)))

        async def send_with_standing(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_headers(standing))
            elif not message.get("more_body"):
                charge()  # now, so that a request that follows this answer finds it counted
            await send(message)

        if standing.refused is not None:
            refused = standing.refused
            detail = f"this key may use {refused.limit} {refused.unit} in {refused.length} s"
            response = answer(
                RateLimited(f"{detail}; more in {refused.reset} s", retry_after=refused.reset),
                scope["state"]["request_id"],
            )
            await response(scope, receive, send_with_standing)
            return
        try:
            await self._app(scope, receive, send_with_standing)
        finally:
            charge()


def _headers(standing: Standing) -> dict[str, str]:
    """The `RateLimit` headers of the IETF draft (version 6), for the limit that is the nearest to used up."""
    if not standing.windows:
        return {}
    nearest = min(standing.windows, key=lambda window: window.remaining / window.limit)
    policy = (f'{window.limit};w={window.length};comment="{window.unit}"' for window in standing.windows)
    return {
        "RateLimit-Limit": str(nearest.limit),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(nearest.reset),
        "RateLimit-Policy": ", ".join(policy),
    }
