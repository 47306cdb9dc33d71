"""Who may come in.

The key is checked here, before a byte of the body is read: FastAPI parses a form before it runs
dependencies, and a stranger's 200 MB upload is not worth that.
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
    """Lets a caller with a valid key in, and everybody to the public routes.

    Args:
        keys: the valid ones.
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
        """Note whose key it is.

        Raises:
            Unauthorized: there is no key, or a wrong one.
            RateLimited: too many wrong keys came from this address.
        """
        authentication = policy_of(scope).authentication
        if authentication is Authentication.PUBLIC:
            return
        headers = Headers(scope=scope)
        key = headers.get("X-API-Key")
        if key is None and authentication is Authentication.KEY_OR_BEARER:
            scheme, _, token = headers.get("Authorization", "").partition(" ")
            key = token.strip() if scheme.lower() == "bearer" else None
        if not key:
            raise Unauthorized("the X-API-Key header is missing")
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
