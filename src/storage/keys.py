"""Keys of stored objects: how they are made and checked."""

import re
import secrets
from datetime import UTC, datetime

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_LONGEST_KEY = 512


def new_key(extension: str) -> str:
    """A key that nobody can guess (192 random bits), by date: `2026/11/22/<32 characters>.wav`."""
    return f"{datetime.now(UTC):%Y/%m/%d}/{secrets.token_urlsafe(24)}.{extension}"


def is_key(key: str) -> bool:
    """Whether `key` may name an object: plain segments, none of which is empty or begins with a dot."""
    return len(key) <= _LONGEST_KEY and _KEY.fullmatch(key) is not None


def checked(key: str) -> str:
    """`key` itself.

    Raises:
        ValueError: it may not name an object. Keys are made by us, so this is a bug, not bad input.
    """
    if not is_key(key):
        raise ValueError(f"not a storage key: {key[:100]!r}")
    return key
