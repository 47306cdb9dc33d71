"""The bytes of a stream in its decoder process, as they come from the server."""

import os
import select
from collections.abc import Callable

from src.errors import NotAudio

_MAX_WITHOUT_AUDIO = 256 * 1024
"""Bytes without any audio after which a stream is broken. Opus has 64 KB a second at the most."""


class Pipe:
    """Reads a descriptor for FFmpeg.

    Args:
        descriptor: of a socket or a pipe.
        waits: called with the number of bytes that were taken, before more of them are waited for. All audio
            that these hold has been decoded then.
        goes_on: called when more bytes have come.
    """

    def __init__(self, descriptor: int, waits: Callable[[int], None], goes_on: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._waits = waits
        self._goes_on = goes_on
        self._taken = 0
        self._without_audio = 0
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLIN)

    def read(self, size: int) -> bytes:
        """Wait for the next bytes, `size` at the most; none at the end.

        Raises:
            NotAudio: there was no audio for too many bytes.
        """
        if self._without_audio > _MAX_WITHOUT_AUDIO:
            raise NotAudio("the stream is broken: it has no audio any more")
        if not self._ready.poll(0):
            self._waits(self._taken)
        data = os.read(self._descriptor, size)
        self._taken += len(data)
        self._without_audio += len(data)
        self._goes_on()
        return data

    def has_audio(self) -> None:
        """There was audio in the bytes so far."""
        self._without_audio = 0
