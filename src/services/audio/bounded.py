"""The only thing that FFmpeg is given of an upload: its bytes, and not without end."""

import io
from typing import BinaryIO

from src.errors import NotAudio

_TIMES = 20
_SPARE = 64 * 2**20
_CALL = 512
"""What a call costs at least, so that seeking for ever is bounded too."""


class BoundedReader:
    """A file without a name (FFmpeg would guess the format from it), read a bounded number of times over.

    Some demuxers follow offsets in the file, and can be sent round in circles by them. Nothing is raised from
    within FFmpeg's callbacks, where errors may be passed over: the file seems to end, and `check` tells why.

    Args:
        file: seekable; it is not closed.
        size: its bytes.
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
        """Raise what went wrong, if anything did: NotAudio, or what the file itself raised."""
        if self._error is not None:
            raise self._error
        if self._left <= 0:
            raise NotAudio("the file sends its reader round in circles")
