"""The reader through which FFmpeg gets the bytes of an upload, with a limit on reads."""

import io
from typing import BinaryIO

from src.errors import NotAudio

_TIMES = 20
_SPARE = 64 * 2**20
_CALL = 512
"""Minimum number of bytes that each call counts, so that endless seeking is limited as well."""


class LimitedReader:
    """A file without a name (FFmpeg would guess the format from it), with a limit on the bytes that are read.

    Some demuxers follow offsets in the file, and a hostile file can make them loop. Nothing is raised within
    FFmpeg's callbacks, where errors may be ignored. The file seems to end, and `check` raises the error.

    Args:
        file: a seekable file; it is not closed.
        size: size of the file in bytes.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = _TIMES * size + _SPARE
        self._error: Exception | None = None

    def read(self, count: int) -> bytes:
        try:
            data = self._file.read(count) if self._left > 0 else b""
        except Exception as error:
            self._error = error
            return b""
        self._left -= max(len(data), _CALL)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._left -= _CALL
        try:
            return self._file.seek(offset, whence) if self._left > 0 else -1
        except ValueError as error:
            if self._file.closed:
                self._error = error
            return -1  # before the start of the file
        except Exception as error:
            self._error = error
            return -1

    def tell(self) -> int:
        return self._file.tell()

    def check(self) -> None:
        """Raise the error, if there was one: NotAudio, or an error of the file itself."""
        if self._error is not None:
            raise self._error
        if self._left <= 0:
            raise NotAudio("the file sends its reader round in circles")
