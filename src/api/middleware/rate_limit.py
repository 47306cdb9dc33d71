"""Applies the rate limits of a key, after `KeyCheck`, and adds the `RateLimit` headers."""

from functools import partial

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.access.rate_limits import QuotaStatus, RateLimiter, over
from src.api.errors import refuse
from src.api.middleware.base import HEAD_MESSAGES, Guard
from src.api.policy import policy_of


class RateLimit(Guard):
    """Refuses the requests of a key that is over a limit; public routes have no key and so no limit.

    Routes report the seconds of audio that they used through `scope["state"]["consume_audio"]`
    (`api/usage.py`).
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        super().__init__(app)
        self._limiter = limiter

    async def lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            self._limiter.close()

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        key_name = scope["state"].get("key_name")
        if key_name is None or self._limiter.is_unlimited or not policy_of(scope).rate_limited:
            await self.app(scope, receive, send)
            return
        quota = await self._limiter.acquire(key_name)
        scope["state"]["consume_audio"] = partial(self._limiter.consume_audio, key_name)
        scope["state"]["check_audio"] = partial(self._limiter.check_audio, key_name)

        async def send_with_quota(message: Message) -> None:
            if message["type"] in HEAD_MESSAGES:
                message.setdefault("headers", [])
                MutableHeaders(scope=message).update(_headers(quota))
            await send(message)

        if quota.refused is not None:
            await refuse(scope, receive, send_with_quota, over(quota.refused))
            return
        await self.app(scope, receive, send_with_quota)

    websocket = http


def _headers(quota: QuotaStatus) -> dict[str, str]:
    """The `RateLimit` headers of the IETF draft (version 6), for the limit with the least remaining."""
    if not quota.windows:
        return {}
    nearest = min(quota.windows, key=lambda window: window.remaining / window.limit)
    policy = (f'{window.limit};w={window.length};comment="{window.unit}"' for window in quota.windows)
    return {
        "RateLimit-Limit": str(nearest.limit),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(nearest.reset),
        "RateLimit-Policy": ", ".join(policy),
    }
