"""What a source of weights is, and how its files are verified.

Own code: plain values, so that the hub, releases and data packages all fit.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class SourceFailed(Exception):
    """One source did not work; the message is the reason, on one line, for a person to read."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place that weights can be had from."""

    name: str
    """Name of the source in the log, and in the error that lists what was tried."""
    fetch: Callable[[Path], None]
    """Fills the empty folder it is given, or raises SourceFailed or OSError."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by file name, where it is known."""


@dataclass(frozen=True, slots=True)
class Component:
    """Files of a model that come from one source together, and the sources to try, in order."""

    what: str
    sources: tuple[Source, ...]
    subfolder: str = ""
    """Folder inside the model's folder that the files go to."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the store keeps it: one folder, filled from one or several components."""

    key: str
    """Folder below MODELS_DIR, e.g. `whisper/base`."""
    components: Callable[[], tuple[Component, ...]]
    """Called only when something has to be fetched: looking up a catalogue may cost seconds."""
    check: Callable[[Path], None]
    """Raises SourceFailed unless the files in this folder are a usable model. Run on arrival only."""
    option: str
    """Option of `python -m src.weights` that fetches it, e.g. `--stt base`."""
    instead: str
    """What else to do when every source has failed."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Files that, with these SHA-256, are taken for this model even if the store did not put them there."""
    needs: Collection[str] = ()
    """Names of files without which the folder is not whole, e.g. one of an earlier version."""


def digest(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def verify(folder: Path, checksums: Mapping[str, str]) -> None:
    """Raise SourceFailed unless every file named is in the folder and has its SHA-256."""
    for name, expected in checksums.items():
        if not (folder / name).is_file():
            raise SourceFailed(f"{name} is missing")
        if (found := digest(folder / name)) != expected:
            raise SourceFailed(f"{name} has SHA-256 {found}, expected {expected}")
