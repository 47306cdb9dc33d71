"""Client secrets: short-lived keys for live sessions, which a server hands to its web page or app.

A secret is signed with the digest of the API key that made it. So it needs no memory, every worker knows it,
and it ends with its key.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

PREFIX = "ek_"
_SALT = "voz.client-secret"
_MAX_CHARS = 8_192


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """What a secret says."""

    key_name: str
    """Name of the API key that made it."""
    expires_at: int
    """Unix time."""
    session: Mapping[str, Any]
    """Settings of the session that it opens."""


class ClientSecrets:
    """Makes and checks client secrets.

    Args:
        digest_of: the digest of the API key with a name; None if there is none.
    """

    def __init__(self, digest_of: Callable[[str], bytes | None]) -> None:
        self._digest_of = digest_of

    def make(self, secret: ClientSecret) -> str:
        """The secret as a client sends it.

        Raises:
            ValueError: the session's settings are too long.
        """
        digest = self._digest_of(secret.key_name)
        if digest is None:
            raise ValueError("there is no such key any more")
        body = {"key": secret.key_name, "exp": secret.expires_at, "session": dict(secret.session)}
        text = PREFIX + _serializer(digest).dumps(body)
        if len(text) > _MAX_CHARS:
            raise ValueError("the session is too large for a client secret")
        return text

    def read(self, text: str) -> ClientSecret | None:
        """What a secret says; None if it is none of ours, or has expired."""
        if not text.startswith(PREFIX) or len(text) > _MAX_CHARS:
            return None
        signed = text.removeprefix(PREFIX)
        _, claimed = _serializer(b"").loads_unsafe(signed)
        name = claimed.get("key") if isinstance(claimed, dict) else None
        digest = self._digest_of(name) if isinstance(name, str) else None
        if digest is None:
            return None
        try:
            body = _serializer(digest).loads(signed)
        except BadData:
            return None
        if body["exp"] < time.time():
            return None
        return ClientSecret(body["key"], body["exp"], body["session"])


def _serializer(digest: bytes) -> URLSafeSerializer:
    return URLSafeSerializer(
        digest, salt=_SALT, signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
    )
