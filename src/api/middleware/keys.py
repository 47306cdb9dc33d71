"""Checks API keys before a byte of the body is read.

A FastAPI dependency would run too late: FastAPI parses a form first, even a 200 MB upload without a key.
"""

import logging

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from src.access.failed_keys import FailedKeys
from src.api.errors import refuse
from src.api.middleware.base import Guard
from src.api.policy import Authentication, policy_of
from src.core.security import ApiKeys
from src.errors import RateLimited, Unauthorized
from src.observability.telemetry import annotate

log = logging.getLogger(__name__)


class KeyCheck(Guard):
    """Refuses requests without a valid key, except on public routes.

    Args:
        keys: the valid keys.
        failed: counts wrong keys by address; None: they are not limited.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys, failed: FailedKeys | None = None) -> None:
        super().__init__(app)
        self._keys = keys
        self._failed = failed or FailedKeys(None)

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._check(scope)
        except (Unauthorized, RateLimited) as error:
            await refuse(scope, receive, send, error)
            return
        await self.app(scope, receive, send)

    websocket = http

    async def _check(self, scope: Scope) -> None:
        """Check the key, and store its name in the scope.

        Raises:
            Unauthorized: there is no key, or a wrong one.
            RateLimited: too many wrong keys came from this address.
        """
        authentication = policy_of(scope).authentication
        if authentication is Authentication.PUBLIC:
            return
        headers = Headers(scope=scope)
        key = headers.get("X-API-Key", "").strip()  # white space around a value is not a part of it
        if not key and authentication is Authentication.KEY_OR_BEARER:
            scheme, _, token = headers.get("Authorization", "").partition(" ")
            key = token.strip() if scheme.lower() == "bearer" else ""
        if not key:
            raise Unauthorized(
                "the X-API-Key header is missing"
                if authentication is Authentication.KEY
                else "no API key came: send it as `Authorization: Bearer KEY` or as `X-API-Key: KEY`"
            )
        await self._keys.refresh()
        name = self._keys.name_of(key)
        client = scope.get("client")
        wait = self._failed.wait(client[0] if client else "", name)
        if wait:
            raise RateLimited("too many wrong API keys came from this address", retry_after=wait)
        if name is None:
            raise Unauthorized("this API key is not valid")
        scope["state"]["key_name"] = name
        annotate(key=name)
