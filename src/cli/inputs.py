"""The files that a command is to read: names, patterns, folders, and `-` for standard input."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

STDIN = "-"
_SUFFIXES = frozenset(
    {
        ".3gp",
        ".aac",
        ".aif",
        ".aiff",
        ".amr",
        ".au",
        ".avi",
        ".caf",
        ".flac",
        ".flv",
        ".m4a",
        ".m4b",
        ".m4v",
        ".mka",
        ".mkv",
        ".mov",
        ".mp2",
        ".mp3",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mpga",
        ".oga",
        ".ogg",
        ".ogv",
        ".opus",
        ".ra",
        ".ts",
        ".wav",
        ".weba",
        ".webm",
        ".wma",
        ".wmv",
    }
)  # fmt: skip
"""What is taken from a folder. A file that is named is always taken."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file to read, or what stands for one that cannot be found."""

    name: str
    """Name of the input as it is shown."""
    path: Path | None
    """None: standard input."""
    place: Path
    """Where its output belongs, below the folder for outputs; without the output's suffix."""
    problem: str = ""
    """Why there is nothing to read."""


def find(names: Sequence[str]) -> list[Input]:
    """The files that `names` mean, each once, in order. What is not found is an input with a problem.

    A folder means the recordings below it, hidden ones left out, and their outputs keep its structure.
    """
    found: list[Input] = []
    seen: set[Path | None] = set()
    for name in names:
        for one in _expanded(name):
            key = one.path.resolve() if one.path else None
            if one.problem or key not in seen:
                found.append(one)
            seen.add(key)
    return _distinct(found)


def _expanded(name: str) -> Iterator[Input]:
    if name == STDIN:
        yield Input("standard input", None, Path("stdin"))
        return
    path = Path(name)
    if path.is_dir():
        yield from _below(path)
    elif path.exists():
        yield Input(name, path, Path(path.stem))
    elif glob.has_magic(name):  # a shell that found nothing, or a pattern in quotes
        matches = sorted(Path(match) for match in glob.iglob(name, recursive=True))  # noqa: PTH207 - absolute ones, too
        files = [match for match in matches if match.is_file()]
        yield from (Input(str(match), match, Path(match.stem)) for match in files)
        if not files:
            yield Input(name, None, Path(), "nothing matches this pattern")
    else:
        yield Input(name, None, Path(), "no such file or folder")


def _below(folder: Path) -> Iterator[Input]:
    any_found = False
    for around, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(around, name)
            if path.suffix.lower() in _SUFFIXES and not name.startswith("."):
                any_found = True
                yield Input(str(path), path, path.relative_to(folder).with_suffix(""))
    if not any_found:
        yield Input(str(folder), None, Path(), "there are no recordings in this folder")


def _distinct(inputs: Sequence[Input]) -> list[Input]:
    """Where outputs would have one name, as those of a.mp3 and a.wav, each keeps its input's suffix."""
    places: dict[Path, int] = {}
    for one in inputs:
        if not one.problem:
            places[one.place] = places.get(one.place, 0) + 1
    return [
        Input(one.name, one.path, one.place.with_name(one.place.name + one.path.suffix))
        if one.path and places.get(one.place, 0) > 1
        else one
        for one in inputs
    ]
