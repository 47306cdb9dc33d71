"""API keys: several at once, compared in constant time, named in logs but never shown."""

import hashlib
import hmac
from collections.abc import Sequence

from pydantic import SecretStr


class ApiKeys:
    """The keys that open the API.

    Keys are kept as SHA-256 digests, and every digest is compared on every call, so that the time taken
    tells neither how much of a key was right nor which one it was.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._digests = [_digest(key.get_secret_value()) for key in keys]

    def name_of(self, candidate: str | None) -> str | None:
        """A short public name of the key (for logs), or None if it is not one of ours."""
        if not candidate:
            return None
        digest = _digest(candidate)
        found = None
        for known in self._digests:
            if hmac.compare_digest(known, digest):
                found = known
        return f"key-{found.hex()[:8]}" if found else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
