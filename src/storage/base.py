"""The storage Protocol, which S3 (`core/s3_handler.py`) and the local folder (`local.py`) implement."""

from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Protocol, Self


class Storage(Protocol):
    """Objects under keys.

    Entering opens the storage and checks it. If it cannot be used, StorageMisconfigured says what to do.
    Every method may raise StorageUnavailable.
    """

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

    def read(self, key: str) -> AsyncGenerator[bytes, None]:
        """The content of an object of any size, piece by piece. To be closed, if it is not read to its end.

        Raises:
            NotFound: there is none.
        """
        ...

    async def exists(self, key: str) -> bool:
        """Whether there is an object under `key`."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the object under `key`. It is no error if there is none."""
        ...

    async def url(self, key: str, expires: int) -> str:
        """A link that anybody can GET for `expires` seconds. A path, if this server serves it."""
        ...

    async def check(self) -> None:
        """Check for the readiness probe that storage can be used. It returns soon."""
        ...
