"""The folder that keeps finished models, so that nothing half done ever looks whole.

Own code: the hub's cache knows only the hub, and neither GitHub's releases nor the data packages have one.

    MODELS_DIR/
        whisper/base/            a finished model: its files, and manifest.json
        .tmp/whisper--base/...   one on its way; wiped by the next process that fetches this model
        .locks/whisper--base     held by the process that fetches it

A model is filled in `.tmp`, hashed, written through to the disk, given its manifest and renamed into
place. Without a manifest, or with a file of another size than it says, a folder is not a model.
"""

import datetime
import fcntl
import json
import logging
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from src.weights.source import digest

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"


def write_atomically(target: Path, text: str) -> None:
    """Write a small file so that a reader sees the old one or the new one, never a part."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


class ModelCache:
    """MODELS_DIR. A key is a folder below it, e.g. `whisper/base`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def folder(self, key: str) -> Path:
        return self.root / key

    def fault(self, key: str, *, needs: Collection[str] = (), hashes: bool = False) -> str | None:
        """Why the folder is not a finished model; None if it is one.

        Sizes only, unless `hashes` is set: this runs at every start.

        Args:
            needs: names of files that must be among those of the manifest.
        """
        folder = self.folder(key)
        if not folder.is_dir():
            return "it is not there"
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            files: dict[str, dict[str, Any]] = manifest["files"]
            if lacking := sorted(set(needs) - set(files)):
                return f"it was fetched without {lacking[0]}"
            return next(filter(None, (_damage(folder, *item, hashes) for item in files.items())), None)
        except FileNotFoundError as error:
            return f"{Path(error.filename).name} is missing"
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"{MANIFEST} is damaged"

    def matches(self, key: str, checksums: Mapping[str, str]) -> bool:
        """Whether the folder holds files with exactly these SHA-256."""
        folder = self.folder(key)
        return bool(checksums) and all(
            (folder / name).is_file() and digest(folder / name) == sha256
            for name, sha256 in checksums.items()
        )

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the only right, among all processes on this machine, to fetch this model.

        The kernel gives the lock back when its holder dies, however it dies.
        """
        path = self.root / ".locks" / _flat(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("%s: waiting for another process to finish downloading it", key)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def staging(self, key: str) -> Iterator[Path]:
        """An empty folder on the same file system to fill; gone at the end. Call it with the lock held."""
        around = self.root / ".tmp" / _flat(key)
        shutil.rmtree(around, ignore_errors=True)  # left by a process that was killed
        # not mkdtemp: its mode would follow the folder into place and shut other users out
        folder = around / secrets.token_hex(4)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(around, ignore_errors=True)

    def write_manifest(self, folder: Path, origin: str) -> None:
        """Say in `folder` which files it holds, and where they came from."""
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
        manifest = {
            "origin": origin,
            "fetched": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "files": {
                path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": digest(path)}
                for path in files
            },
        }
        write_atomically(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")

    def put(self, key: str, staged: Path, origin: str) -> None:
        """Move a staged folder into its place, whole or not at all. Call it with the lock held."""
        self.write_manifest(staged, origin)
        for path in [staged, *staged.rglob("*")]:
            _to_disk(path)
        place = self.folder(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            aside = place.with_name(f"{place.name}.old-{secrets.token_hex(4)}")
            place.rename(aside)
            if (aside / MANIFEST).exists():
                shutil.rmtree(aside)
            else:  # not ours to delete
                log.warning("%s was not put there by this program: kept as %s", place, aside)
        staged.rename(place)
        _to_disk(place.parent)


def _damage(folder: Path, name: str, expected: Mapping[str, Any], hashes: bool) -> str | None:
    size = (folder / name).stat().st_size
    if size != expected["size"]:
        return f"{name} has {size} bytes instead of {expected['size']}"
    if hashes and digest(folder / name) != expected["sha256"]:
        return f"{name} does not have the SHA-256 that it arrived with"
    return None


def _flat(key: str) -> str:
    return key.replace("/", "--")


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
