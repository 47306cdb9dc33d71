"""SHA-256 of files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from src.weights.source import SourceFailed


def digest(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def verify(folder: Path, checksums: Mapping[str, str]) -> None:
    """Raise SourceFailed unless every file named is in the folder and has its SHA-256."""
    for name, expected in checksums.items():
        if not (folder / name).is_file():
            raise SourceFailed(f"{name} is missing")
        found = digest(folder / name)
        if found != expected:
            raise SourceFailed(f"{name} has SHA-256 {found}, expected {expected}")
