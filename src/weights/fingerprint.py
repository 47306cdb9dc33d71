"""What a model's files are, as one short string: it changes when they do, whatever they are called.

Own code: the speech cache needs it at every start, so it must not read gigabytes again to hash them.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from src.weights.model_cache import MANIFEST, recorded


def fingerprint(files: Iterable[Path]) -> str:
    """SHA-256 (hexadecimal) over the content of files, without reading them again.

    A file that came through the model store stands in a manifest with the SHA-256 it arrived with, which
    is the same on every machine. Any other file, and one that was written after its manifest, counts by
    its size and the time of its last change.

    Raises:
        OSError: a file is not there.
    """
    parts = []
    for file in files:
        stat = file.stat()
        parts.append([file.name, _recorded(file, stat) or [stat.st_size, stat.st_mtime_ns]])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _recorded(file: Path, stat: os.stat_result) -> str | None:
    """The SHA-256 in the manifest of the file's folder, or of the folder above."""
    for folder in (file.parent, file.parent.parent):
        try:
            entry = recorded(folder)[file.relative_to(folder).as_posix()]
            if entry["size"] == stat.st_size and stat.st_mtime_ns <= (folder / MANIFEST).stat().st_mtime_ns:
                return str(entry["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None
