"""Archives from strangers: nothing is written outside the folder given, and nothing without bound."""

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

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
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [info for info in opened.infolist() if not info.is_dir()]
            _bounded(archive, members)
            paths = {info.filename: _safe(info) for info in members}
            wanted = {name: path for name, path in paths.items() if not _is_junk(path)}
            tops = {path.parts[0] for path in wanted.values()}
            nested = len(tops) == 1 and all(len(path.parts) > 1 for path in wanted.values())
            for name, path in wanted.items():
                target = folder.joinpath(*path.parts[1 if nested else 0 :])
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(name) as source, target.open("xb") as sink:
                    shutil.copyfileobj(source, sink, _CHUNK)
    except FileExistsError:
        raise SourceFailed(f"{archive.name} holds the same file twice") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SourceFailed(f"{archive.name} is not a sound zip archive ({error})") from None


def join_from_zips(pieces: Iterable[tuple[Path, str]], target: Path, size: int) -> None:
    """Write members of one or more zip archives, one after the other, as one file of `size` bytes.

    Raises:
        SourceFailed: an archive is damaged, lacks its member, or the bytes are too many or too few.
        OSError: the file cannot be written.
    """
    with target.open("xb") as sink:
        for archive, member in pieces:
            try:
                with zipfile.ZipFile(archive) as opened, opened.open(member) as source:
                    _copy(source, sink, size)
            except KeyError:
                raise SourceFailed(f"{archive.name} holds no {member}") from None
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise SourceFailed(f"{archive.name} is damaged ({error})") from None
        _complete(sink, target, size)


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
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for info in opened:
                if info.name not in missing:
                    continue
                source = opened.extractfile(info)
                if source is None:
                    raise SourceFailed(f"{info.name} of {archive.name} is not a file")
                with members[info.name].open("xb") as sink:
                    _copy(source, sink, size)
                    _complete(sink, members[info.name], size)
                missing.remove(info.name)
    except (tarfile.TarError, zlib.error, EOFError, KeyError) as error:
        raise SourceFailed(f"{archive.name} is damaged ({error})") from None
    if missing:
        raise SourceFailed(f"{archive.name} holds no {min(missing)}")


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


def _is_junk(path: PurePosixPath) -> bool:
    return any(part in _JUNK for part in path.parts)


def _copy(source: IO[bytes], sink: IO[bytes], most: int) -> None:
    while chunk := source.read(_CHUNK):
        if sink.tell() + len(chunk) > most:
            raise SourceFailed(f"a piece is longer than the {most} bytes it should help to make")
        sink.write(chunk)


def _complete(sink: IO[bytes], target: Path, size: int) -> None:
    if sink.tell() != size:
        raise SourceFailed(f"{target.name} came out with {sink.tell()} bytes, expected {size}")
