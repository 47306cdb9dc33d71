"""What a model's files are, as one short string: it changes when they do, whatever they are called."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from src.weights.model_cache import MANIFEST


def fingerprint(files: Iterable[Path]) -> str:
    """SHA-256 (hexadecimal) over the content of files, without reading them again.

    A file that came through the model store stands in a manifest with the SHA-256 it arrived with, which
    is the same on every machine. Any other file, and one that was written after its manifest, counts by
    its size and the time of its last change.

    Raises:
        OSError: a file is not there.
    """
    manifests: dict[Path, _Manifest] = {}
    parts = []
    for file in files:
        stat = file.stat()
        for folder in (file.parent, file.parent.parent):
            if folder not in manifests:
                manifests[folder] = _Manifest(folder)
            known = manifests[folder].sha256(file, stat.st_size, stat.st_mtime_ns)
            if known is not None:
                break
        parts.append([file.name, known or [stat.st_size, stat.st_mtime_ns]])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class _Manifest:
    """The manifest of a folder; empty if there is none, or none that can be read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: Mapping[str, Mapping[str, Any]] = {}
        self._written = 0
        try:
            self._files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
            self._written = (folder / MANIFEST).stat().st_mtime_ns
        except (OSError, ValueError, KeyError, TypeError):
            return

    def sha256(self, file: Path, size: int, changed: int) -> str | None:
        try:
            entry = self._files[file.relative_to(self._folder).as_posix()]
            return str(entry["sha256"]) if entry["size"] == size and changed <= self._written else None
        except (KeyError, TypeError):
            return None
