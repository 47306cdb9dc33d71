"""Checks API keys before a byte of the body is read.

A FastAPI dependency would run too late: FastAPI parses a form first, even a 200 MB upload without a key.
"""

import logging

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from src.access.client_secrets import ClientSecrets
from src.access.failed_keys import FailedKeys
from src.api.errors import close, refuse
from src.api.middleware.base import Guard
from src.api.middleware.first_message import FirstMessage
from src.api.policy import Authentication, policy_of
from src.core.security import ApiKeys
from src.errors import RateLimited, Unauthorized
from src.observability.telemetry import annotate

log = logging.getLogger(__name__)

_KEY_PROTOCOL = "openai-insecure-api-key."
"""Browsers can set no header of a WebSocket: OpenAI's clients there offer the key as a sub-protocol."""


class KeyCheck(Guard):
    """Refuses requests without a valid key, except on public routes.

    Args:
        keys: the valid keys.
        secrets: reads client secrets; None: none is valid.
        failed: counts wrong keys by address; None: they are not limited.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: ApiKeys,
        secrets: ClientSecrets | None = None,
        failed: FailedKeys | None = None,
    ) -> None:
        super().__init__(app)
        self._keys = keys
        self._secrets = secrets
        self._failed = failed or FailedKeys(None)

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._check(scope)
        except (Unauthorized, RateLimited) as error:
            await refuse(scope, receive, send, error)
            return
        await self.app(scope, receive, send)

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not policy_of(scope).key_in_message or _key_in_headers(scope):
            await self.http(scope, receive, send)
            return
        first = await FirstMessage.of(receive, send)
        if first is None:
            return
        try:
            await self._check(scope, first.key)
        except (Unauthorized, RateLimited) as error:
            await close(send, error)
            return
        await self.app(scope, first.receive, first.send)

    async def _check(self, scope: Scope, key: str = "") -> None:
        """Check the key, and store its name in the scope.

        Args:
            scope: of the connection.
            key: that came otherwise than in the headers.

        Raises:
            Unauthorized: there is no key, or a wrong one.
            RateLimited: too many wrong keys came from this address.
        """
        authentication = policy_of(scope).authentication
        if authentication is Authentication.PUBLIC:
            return
        key = key or _key_in_headers(scope)
        if not key:
            raise Unauthorized(
                "the X-API-Key header is missing"
                if authentication is Authentication.KEY
                else "no API key came: send it as `Authorization: Bearer KEY` or as `X-API-Key: KEY`"
            )
        await self._keys.refresh()
        name = self._keys.name_of(key)
        if name is None and self._secrets and policy_of(scope).takes_client_secrets:
            secret = self._secrets.read(key)
            if secret is not None:
                name = secret.key_name
                scope["state"]["client_session"] = secret.session
        client = scope.get("client")
        wait = self._failed.wait(client[0] if client else "", name)
        if wait:
            raise RateLimited("too many wrong API keys came from this address", retry_after=wait)
        if name is None:
            raise Unauthorized("this API key is not valid")
        scope["state"]["key_name"] = name
        annotate(key=name)


def _key_in_headers(scope: Scope) -> str:
    """The key in the headers that this route's policy allows; empty if there is none."""
    headers = Headers(scope=scope)
    key = headers.get("X-API-Key", "").strip()  # white space around a value is not a part of it
    if not key and policy_of(scope).authentication is Authentication.KEY_OR_BEARER:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        key = token.strip() if scheme.lower() == "bearer" else ""
        if not key and scope["type"] == "websocket":
            offered = (
                one.removeprefix(_KEY_PROTOCOL)
                for one in scope["subprotocols"]
                if one.startswith(_KEY_PROTOCOL)
            )
            key = next(offered, "")
    return key
