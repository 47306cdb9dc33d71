"""The storage Protocol, which S3 and the local folder implement, and the rules for keys."""

import re
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_LONGEST_KEY = 512


class Storage(Protocol):
    """Objects under keys. Entering opens the storage and checks it: it raises StorageMisconfigured with
    what to do. Every method may raise StorageUnavailable."""

    name: str
    """`s3` or `local`."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def put(self, key: str, chunks: AsyncIterator[bytes], content_type: str) -> int:
        """Store what `chunks` yields, as it comes, in bounded memory; returns the bytes written.

        The object is seen whole or not at all. If `chunks` raises, storage fails or the caller is cancelled,
        nothing of it stays, now or as soon as storage answers again.
        """
        ...

    async def get(self, key: str) -> bytes | None:
        """A small object (some KB), or None if there is none."""
        ...

    async def exists(self, key: str) -> bool:
        """Whether there is an object under `key`."""
        ...

    async def delete(self, key: str) -> None:
        """No error if there is none."""
        ...

    async def url(self, key: str, expires: int) -> str:
        """A link that anybody can GET for `expires` seconds; below this server if it begins with `/`."""
        ...

    async def check(self) -> None:
        """Return soon if storage can be used; for the readiness probe."""
        ...


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
