"""Storage in a local folder, with signed links that expire. It is the default without S3.

Files stay until they are deleted: an expired link does not remove its file. To remove old files, run
`find STORAGE_DIR -name '*.wav' -mtime +7 -delete` from cron.
"""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import hmac
import os
import secrets
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, ParamSpec, Self, TypeVar

from itsdangerous import Signer

from src.errors import Forbidden, NotFound, StorageMisconfigured, StorageUnavailable
from src.scheduling.executors import STORAGE
from src.storage.keys import checked, is_key

P = ParamSpec("P")
T = TypeVar("T")

_CONTENT_TYPES = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
}
_SECRET_BYTES = 32
_ABANDONED_AFTER = 86_400.0
"""Seconds without a write after which an unfinished file counts as abandoned."""
_CHECK_SECONDS = 3.0
_READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class LocalObject:
    path: Path
    size: int
    """Size in bytes."""
    content_type: str


class LocalStorage:
    """Objects as files below `folder`. Several worker processes may share the folder.

    `folder/.incoming` has the files that are being written, and `folder/.link-secret` the secret that signs
    links. No key can name either. Everything else in `folder` is a whole object.
    """

    name = "local"

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._incoming = self._folder / ".incoming"
        self._signer: Signer | None = None

    async def __aenter__(self) -> Self:
        try:
            secret = await asyncio.to_thread(self._prepare)
        except OSError as error:
            raise StorageMisconfigured(
                f"STORAGE_DIR {self._folder} cannot be used: {error.strerror}. It must be a folder that the "
                "server may write to, on a disk with space left"
            ) from error
        self._signer = Signer(secret, salt="voz.files", key_derivation="hmac", digest_method=hashlib.sha256)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signer = None

    async def put(self, key: str, chunks: AsyncIterator[bytes], content_type: str) -> int:
        """See `Storage.put`. When the file is served, its content type follows from the key's extension."""
        writer = _Writer(self._folder / checked(key), self._incoming)
        total = 0
        try:
            await _in_thread(writer.open)
            async for chunk in chunks:
                await _in_thread(writer.write, chunk)
                total += len(chunk)
            await _in_thread(writer.commit)
        except BaseException:
            # handed to a thread before anything can cancel it; a second cancellation only stops the waiting
            await asyncio.shield(STORAGE.submit(writer.abandon))
            raise
        return total

    async def get(self, key: str) -> bytes | None:
        return await _in_thread(self._read, self._folder / checked(key))

    async def read(self, key: str) -> AsyncGenerator[bytes, None]:
        # opened anew for each piece: nothing stays open if the reader leaves
        path, offset = self._folder / checked(key), 0
        while chunk := await _in_thread(_read_piece, path, offset):
            yield chunk
            offset += len(chunk)

    async def exists(self, key: str) -> bool:
        return await _in_thread(_size, self._folder / checked(key)) is not None

    async def delete(self, key: str) -> None:
        await _in_thread(_remove, self._folder / checked(key))

    async def url(self, key: str, expires: int) -> str:
        deadline = int(time.time()) + expires
        return f"/files/{checked(key)}?expires={deadline}&signature={self._signature(key, deadline)}"

    async def open(self, key: str, expires: int, signature: str) -> LocalObject:
        """The file behind a link that `url` made.

        Args:
            expires: Unix time in seconds, as in the link.

        Raises:
            Forbidden: the link was not made here, was altered, or has expired.
            NotFound: the file has been deleted since.
        """
        # not Signer.verify_signature: it decodes base64, where the last character has spellings to spare
        if not is_key(key) or not hmac.compare_digest(
            self._signature(key, expires).encode(), signature.encode(errors="replace")
        ):
            raise Forbidden("this link was not made by this server, or has been altered")
        if time.time() >= expires:
            raise Forbidden("this link has expired")
        path = self._folder / key
        size = await _in_thread(_size, path)
        if size is None:
            raise NotFound("this file has been deleted")
        return LocalObject(path, size, _CONTENT_TYPES.get(path.suffix, "application/octet-stream"))

    async def check(self) -> None:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await _in_thread(self._check)
        except TimeoutError:
            raise StorageUnavailable(
                f"the storage folder did not answer within {_CHECK_SECONDS:g} s"
            ) from None

    def _signature(self, key: str, deadline: int) -> str:
        if self._signer is None:
            raise RuntimeError("the storage is not open")
        return self._signer.get_signature(f"{key}\n{deadline}").decode("ascii")

    def _prepare(self) -> bytes:
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._check()
        for leftover in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another worker was faster
                if time.time() - leftover.stat().st_mtime > _ABANDONED_AFTER:
                    leftover.unlink()
        return _shared_secret(self._folder)

    def _check(self) -> None:
        if not os.access(self._incoming, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if os.statvfs(self._folder).f_bavail == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @staticmethod
    def _read(path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None


class _Writer:
    """Writes one file into the storage. Blocking; another thread may call `abandon` at any moment."""

    def __init__(self, target: Path, incoming: Path) -> None:
        self._target = target
        self._incoming = incoming
        self._lock = threading.Lock()
        self._abandoned = False
        self._file: IO[bytes] | None = None
        self._temporary: Path | None = None
        self._inode: int | None = None

    def open(self) -> None:
        with self._lock:
            if self._abandoned:
                return
            handle, name = tempfile.mkstemp(dir=self._incoming)
            self._temporary = Path(name)
            self._file = os.fdopen(handle, "wb", buffering=0)

    def write(self, chunk: bytes) -> None:
        with self._lock:
            rest = memoryview(chunk)
            while rest and self._file is not None:
                rest = rest[self._file.write(rest) :]

    def commit(self) -> None:
        with self._lock:
            if self._file is None or self._temporary is None:
                return
            os.fsync(self._file.fileno())
            self._inode = os.fstat(self._file.fileno()).st_ino
            self._file.close()
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._temporary.replace(self._target)
            folder = os.open(self._target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # or a power cut could forget the name
            finally:
                os.close(folder)

    def abandon(self) -> None:
        """Delete what was written, and the finished file unless another `put` has replaced it."""
        with self._lock:
            self._abandoned = True
            if self._temporary is not None:
                with contextlib.suppress(OSError):
                    self._temporary.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                if self._inode is not None and self._target.stat().st_ino == self._inode:
                    self._target.unlink()
            if self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.close()
                self._file = None


def _shared_secret(folder: Path) -> bytes:
    """The secret that signs links. The first worker makes it."""
    path = folder / ".link-secret"
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released by close, and by the system if this process dies
        if not path.exists():
            handle, name = tempfile.mkstemp(dir=folder / ".incoming")  # mode 600
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(_SECRET_BYTES))
                file.flush()
                os.fsync(handle)
            Path(name).replace(path)
        secret = path.read_bytes()
    finally:
        os.close(lock)
    if len(secret) < _SECRET_BYTES:
        raise StorageMisconfigured(
            f"{path} is damaged: delete it (links handed out so far then stop working)"
        )
    return secret


def _remove(path: Path) -> None:
    with contextlib.suppress(NotADirectoryError, IsADirectoryError):  # then no object has this key
        path.unlink(missing_ok=True)


def _read_piece(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(_READ_BYTES)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFound("there is no such object in storage") from None


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    with _answering():
        return await STORAGE.run(work, *args, **kwargs)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageUnavailable("the disk of the storage folder is full", retry_after=60) from error
        reason = error.strerror or type(error).__name__
        raise StorageUnavailable(f"the storage folder cannot be used: {reason}") from error
