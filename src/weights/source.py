"""What a source of weights is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class SourceFailed(Exception):
    """One source did not work; the message is the reason, on one line, for a person to read."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place that weights can be had from."""

    name: str
    """For the log and for the error that lists what was tried."""
    fetch: Callable[[Path], None]
    """Fills the empty folder it is given, or raises SourceFailed or OSError."""


@dataclass(frozen=True, slots=True)
class Part:
    """Files of a model that come from one place together, and the places to try, in order."""

    what: str
    sources: tuple[Source, ...]
    checksums: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by file name, where one is known whatever the source."""
    subfolder: str = ""
    """Where the files go inside the model's folder."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the store keeps it: one folder, filled from one or several parts."""

    key: str
    """Folder below MODELS_DIR, e.g. `whisper/base`."""
    parts: Callable[[], tuple[Part, ...]]
    """Called only when something has to be fetched: looking up a catalogue may cost seconds."""
    check: Callable[[Path], None]
    """Raises SourceFailed unless the files in this folder are a usable model. Run on arrival only."""
    advice: str
    """What to do when every source has failed."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Files that, with these SHA-256, are taken for this model even if the store did not put them there."""
