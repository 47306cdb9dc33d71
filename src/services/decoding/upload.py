"""An upload as a file descriptor, the only thing of it that a decoder process gets."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO


@contextmanager
def descriptor_of(file: BinaryIO) -> Iterator[int]:
    """A descriptor that leads to the file's content: its own, or that of a copy in memory."""
    # its own `fileno` would move it to the disk
    in_memory = isinstance(file, tempfile.SpooledTemporaryFile) and not getattr(file, "_rolled", True)
    if not in_memory:
        try:
            own = file.fileno()
        except OSError:  # io.UnsupportedOperation: bytes
            in_memory = True
    if not in_memory:
        yield own
        return
    file.seek(0)
    linux = sys.platform == "linux"
    with os.fdopen(os.memfd_create("upload"), "wb") if linux else tempfile.TemporaryFile() as copy:
        copy.write(file.read())
        copy.flush()
        yield copy.fileno()
