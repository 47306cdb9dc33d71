"""Archives from strangers: nothing is written outside the folder given, and nothing without bound.

`zipfile` and `tarfile` unpack; they bound no size, and a release may have a folder around everything.
"""

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from src.weights.source import SourceFailed

_MOST_MEMBERS = 1000
_MOST_BYTES = 8 << 30
_MOST_RATIO = 100
"""Weights hardly compress; a file that unpacks to a hundred times its size is not weights."""
_CHUNK = 1 << 20
_JUNK = ("__MACOSX", ".DS_Store")


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack a release archive. A single folder around everything, as such archives have, is left out.

    Reading a member to its end checks its CRC, so a damaged archive is found here at the latest.

    Raises:
        SourceFailed: not a zip, damaged, or made to write elsewhere or to fill the disk.
        OSError: a file cannot be written.
    """
    with _sound(archive), zipfile.ZipFile(archive) as opened:
        members = [info for info in opened.infolist() if not info.is_dir()]
        _bounded(archive, members)
        paths = {info.filename: _safe(info) for info in members}
        wanted = {name: path for name, path in paths.items() if not set(_JUNK) & set(path.parts)}
        tops = {path.parts[0] for path in wanted.values()}
        nested = len(tops) == 1 and all(len(path.parts) > 1 for path in wanted.values())
        for name, path in wanted.items():
            target = folder.joinpath(*path.parts[1 if nested else 0 :])
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(name) as source, target.open("xb") as sink:
                shutil.copyfileobj(source, sink, _CHUNK)


def join_from_zips(pieces: Iterable[tuple[Path, str]], target: Path, size: int) -> None:
    """Write members of one or more zip archives, one after the other, as one file of `size` bytes.

    Raises:
        SourceFailed: an archive is damaged, lacks its member, or the bytes are too many or too few.
        OSError: the file cannot be written.
    """
    left = size
    with target.open("xb") as sink:
        for archive, member in pieces:
            with _sound(archive, member), zipfile.ZipFile(archive) as opened:
                left -= opened.getinfo(member).file_size  # no more than this can be read of it
                if left < 0:
                    raise SourceFailed(f"{member} makes {target.name} longer than {size} bytes")
                with opened.open(member) as source:
                    shutil.copyfileobj(source, sink, _CHUNK)
    if left:
        raise SourceFailed(f"{target.name} came out with {size - left} bytes, expected {size}")


def copy_from_tar(archive: Path, members: Mapping[str, Path], size: int) -> None:
    """Write members of a compressed tar archive as files of `size` bytes each, in one pass.

    Args:
        members: by name in the archive, where each is to be written.
        size: of each member, in bytes.

    Raises:
        SourceFailed: as `join_from_zips`.
        OSError: a file cannot be written.
    """
    missing = set(members)
    with _sound(archive), tarfile.open(archive, "r:gz") as opened:
        for info in opened:
            if info.name not in missing:
                continue
            source = opened.extractfile(info)
            if source is None:
                raise SourceFailed(f"{info.name} of {archive.name} is not a file")
            if info.size != size:
                raise SourceFailed(f"{info.name} has {info.size} bytes, expected {size}")
            with members[info.name].open("xb") as sink:
                shutil.copyfileobj(source, sink, _CHUNK)
            missing.remove(info.name)
    if missing:
        raise SourceFailed(f"{archive.name} holds no {min(missing)}")


@contextmanager
def _sound(archive: Path, member: str = "") -> Iterator[None]:
    """What the standard library raises for a damaged archive, as SourceFailed."""
    try:
        yield
    except KeyError:
        raise SourceFailed(f"{archive.name} holds no {member}") from None
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise SourceFailed(f"{archive.name} is damaged or no archive ({error})") from None


def _bounded(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    total = sum(info.file_size for info in members)
    if len(members) > _MOST_MEMBERS or total > min(_MOST_BYTES, _MOST_RATIO * archive.stat().st_size):
        raise SourceFailed(
            f"{archive.name} would unpack to {len(members)} files of {total} bytes: that is no model"
        )


def _safe(info: zipfile.ZipInfo) -> PurePosixPath:
    path = PurePosixPath(info.filename)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if (
        path.is_absolute()
        or not path.parts
        or ".." in path.parts
        or "\\" in info.filename
        or kind not in (0, stat.S_IFREG)
    ):
        raise SourceFailed(f"the archive holds an unsafe path, {info.filename!r}")
    return path
