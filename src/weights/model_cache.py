"""The folder that keeps finished models, so that nothing half done ever looks whole.

Own code: the hub's cache knows only the hub, and neither GitHub's releases nor the data packages have one.

    MODELS_DIR/
        whisper/base/            a finished model: its files, and manifest.json
        .tmp/whisper--base/...   one on its way; wiped by the next process that fetches this model
        .locks/whisper--base     held by the process that fetches it
        .failed/whisper--base    why it could not be had, for a day

A model is filled in `.tmp`, hashed, written through to the disk, given its manifest and renamed into
place. Without a manifest (unless its checksums are known), or with a file of another size than the manifest
says, a folder is not a model.
"""

import datetime
import fcntl
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from src.weights.source import SourceFailed, digest, verify

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_ASK_AGAIN_SECONDS = 24 * 3600.0


class ModelCache:
    """MODELS_DIR. A key is a folder below it, e.g. `whisper/base`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def folder(self, key: str) -> Path:
        return self.root / key

    def fault(
        self,
        key: str,
        checksums: Mapping[str, str] | None = None,
        *,
        needs: Collection[str] = (),
        hashes: bool = False,
    ) -> str | None:
        """Why the folder is not a finished model; None if it is one.

        Sizes only, unless `hashes` is set or a person put the files there: this runs at every start.

        Args:
            checksums: a folder without a manifest is a finished model if its files have these SHA-256.
            needs: names of files that must be among those of the manifest.
            hashes: compare the SHA-256 of every file with that of the manifest.
        """
        folder = self.folder(key)
        try:
            if checksums and not (folder / MANIFEST).is_file():
                verify(folder, checksums)
            else:
                _compare(folder, needs, hashes)
        except SourceFailed as error:
            return str(error)
        return None

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the only right, among all processes on this machine, to fetch this model.

        The kernel gives the lock back when its holder dies, however it dies.
        """
        path = self._hidden("locks", key)
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
        around = self._hidden("tmp", key)
        shutil.rmtree(around, ignore_errors=True)  # left by a process that was killed
        # not mkdtemp: its mode would follow the folder into place and shut other users out
        folder = around / secrets.token_hex(4)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(around, ignore_errors=True)

    def put(self, key: str, staged: Path, origin: str) -> None:
        """Move a staged folder into its place, whole or not at all. Call it with the lock held."""
        write_manifest(staged, origin)
        os.sync()  # after a power cut, no file has its length but not its content
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
        self._hidden("failed", key).unlink(missing_ok=True)

    def note_failure(self, key: str, reason: str) -> None:
        """Remember for a day that a model could not be had, if MODELS_DIR can be written to."""
        note = self._hidden("failed", key)
        with suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(reason, encoding="utf-8")

    def recent_failure(self, key: str) -> str | None:
        """Why the model could not be had, if that was noted within the last day."""
        note = self._hidden("failed", key)
        with suppress(OSError):
            age = time.time() - note.stat().st_mtime
            if 0 <= age < _ASK_AGAIN_SECONDS:
                return f"{note.read_text(encoding='utf-8')} ({age / 3600:.1f} hours ago)"
        return None

    def _hidden(self, folder: str, key: str) -> Path:
        return self.root / f".{folder}" / key.replace("/", "--")


def write_manifest(folder: Path, origin: str) -> None:
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
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def recorded(folder: Path) -> Mapping[str, Any]:
    """The manifest's `size` and `sha256` by file name. Raises OSError, ValueError, KeyError or TypeError."""
    found: Mapping[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    return found


def _compare(folder: Path, needs: Collection[str], hashes: bool) -> None:
    """Raise SourceFailed unless the folder is as its manifest says."""
    try:
        files = recorded(folder)
        if lacking := sorted(set(needs) - set(files)):
            raise SourceFailed(f"it was fetched without {lacking[0]}")
        for name, expected in files.items():
            size = (folder / name).stat().st_size
            if size != expected["size"]:
                raise SourceFailed(f"{name} has {size} bytes instead of {expected['size']}")
            if hashes and digest(folder / name) != expected["sha256"]:
                raise SourceFailed(f"{name} does not have the SHA-256 that it arrived with")
    except FileNotFoundError as error:
        raise SourceFailed(f"{Path(error.filename).name} is missing") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SourceFailed(f"{MANIFEST} is damaged") from None
