"""Where the audio of a request comes from."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

AudioSource = str | os.PathLike[str] | bytes | BinaryIO
"""A path, the bytes of a file, or a file that is open for reading."""

Upload = tuple[str, BinaryIO]
"""A file's name and its content."""
Opening = Callable[[], AbstractContextManager[Upload]]
"""Opens a source for one attempt."""


def opening(source: AudioSource) -> tuple[Opening, bool]:
    """How to open `source` for an attempt, and whether that can be done more than once."""
    if isinstance(source, bytes):
        content = source

        @contextmanager
        def from_memory() -> Iterator[Upload]:
            yield "audio", io.BytesIO(content)

        return from_memory, True
    if isinstance(source, str | os.PathLike):
        path = Path(source)

        @contextmanager
        def from_disk() -> Iterator[Upload]:
            with path.open("rb") as file:
                yield path.name, file

        return from_disk, True
    file = source
    again = file.seekable()
    start = file.tell() if again else 0

    @contextmanager
    def from_file() -> Iterator[Upload]:
        if again:
            file.seek(start)
        yield Path(str(getattr(file, "name", "audio"))).name or "audio", file

    return from_file, again
