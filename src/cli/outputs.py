"""Files that appear whole or not at all."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """Write `target`: it takes its place when the block ends, and nothing of it stays if the block raises."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("x+b") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def is_done(target: Path, source: Path) -> bool:
    """Whether `target` is there and not older than what it is made of."""
    try:
        return target.stat().st_mtime >= source.stat().st_mtime
    except FileNotFoundError:
        return False
