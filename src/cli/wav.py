"""Completes the header of a WAV file that came as a stream."""

import struct
from typing import BinaryIO

_FIRST = 12
"""Bytes before the first chunk: RIFF, the size of the rest, WAVE."""
_MOST = 2**32 - 1


def complete(file: BinaryIO) -> None:
    """Write the sizes into the header. A server that streams does not know them at the beginning.

    Args:
        file: open for reading and writing. What is no WAV file is left as it is.
    """
    size = file.seek(0, 2)
    file.seek(0)
    riff, _, kind = struct.unpack("<4sI4s", file.read(_FIRST).ljust(_FIRST))
    if (riff, kind) != (b"RIFF", b"WAVE"):
        return
    at = _FIRST
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            file.seek(at + 4)
            file.write(struct.pack("<I", min(_MOST, size - at - 8)))
            file.seek(4)
            file.write(struct.pack("<I", min(_MOST, size - 8)))
            return
        at += 8 + length + length % 2
