"""Model repositories on the Hugging Face hub, fetched with `huggingface_hub`.

The library resumes, retries, and knows the user's token, cache, mirror and offline switch. What it lacks is
added here: a verdict on a dead host within seconds (one bounded request for each host before it starts; it
would retry for minutes), the check of every large file's SHA-256, and an end to a stalled transfer: therefore
it runs as a process of its own.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from src.weights.download import Downloader
from src.weights.source import Source, SourceFailed, verify
from src.weights.tools import run_tool

_NEVER = (".gitattributes", "*.md")
_SNAPSHOT = """
import os, sys, threading, time
from huggingface_hub import constants, snapshot_download

def end_with(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)

threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
constants.DOWNLOAD_CHUNK_SIZE = 1 << 16
try:
    snapshot_download(sys.argv[1], revision=sys.argv[2], local_dir=sys.argv[3], allow_patterns=sys.argv[4:])
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""
"""Arguments: repository, commit, folder, files. The library's own chunks are 10 MB: with them a slow network
would look stalled, and a broken connection would lose up to as much."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Files of one model repository."""

    name: str
    """`owner/model`."""
    allow: Sequence[str] | None = None
    """Patterns of the files wanted; None: all."""
    ignore: Sequence[str] | None = None
    revision: str | None = None
    """Commit, branch or tag; None: the default branch."""

    def wanted(self, names: Iterable[str]) -> list[str]:
        """Those of the files `names` that match the patterns."""
        from huggingface_hub.utils import filter_repo_objects  # type: ignore[attr-defined]

        allow = None if self.allow is None else list(self.allow)
        ignore = [*_NEVER, *(self.ignore or ())]
        return list(filter_repo_objects(names, allow_patterns=allow, ignore_patterns=ignore))


def cached(repository: Repository) -> Source:
    """The copy that another program on this machine may have downloaded: no network."""
    return Source(
        f"the hub's cache on this machine ({repository.name})", lambda f: _copy_cached(repository, f)
    )


def hub(repository: Repository, downloader: Downloader, endpoint: str | None = None) -> Source:
    """The repository on the hub, each large file checked against the hub's own SHA-256."""
    return Source(
        f"the Hugging Face hub ({repository.name})", lambda f: _download(repository, downloader, endpoint, f)
    )


def _copy_cached(repository: Repository, folder: Path) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError, LocalEntryNotFoundError

    try:
        root = Path(
            snapshot_download(
                repository.name,
                revision=repository.revision,
                allow_patterns=None if repository.allow is None else list(repository.allow),
                local_files_only=True,
            )
        )
    except (LocalEntryNotFoundError, IncompleteSnapshotError):
        raise SourceFailed("not there") from None
    except ValueError as error:  # not a name that the hub could have
        raise SourceFailed(str(error)) from None
    for name in repository.wanted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, folder / name)


def _download(repository: Repository, downloader: Downloader, endpoint: str | None, folder: Path) -> None:
    from huggingface_hub import constants, hf_hub_url

    if constants.is_offline_mode():
        raise SourceFailed("switched off by HF_HUB_OFFLINE")
    base = endpoint or constants.ENDPOINT
    commit, files = _listing(repository, base, downloader)
    largest = max(files, key=lambda name: int(files[name].get("size") or 0))
    # large files are on a host of their own
    downloader.probe(hf_hub_url(repository.name, largest, revision=commit, endpoint=base))
    command = [sys.executable, "-c", _SNAPSHOT, repository.name, commit, str(folder), *files]
    environment = {
        "HF_ENDPOINT": base,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # Xet fetches from further hosts, which a firewall that lets the hub through may not know
        "HF_HUB_DISABLE_XET": os.environ.get("HF_HUB_DISABLE_XET", "1"),
    }
    size = sum(int(entry.get("size") or 0) for entry in files.values())
    window = downloader.timeouts.window
    run_tool("huggingface_hub", command, folder, repository.name, size, environment, window)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the library's notes on its own downloads
    verify(folder, {name: entry["lfs"]["sha256"] for name, entry in files.items() if entry.get("lfs")})


def _listing(repository: Repository, base: str, downloader: Downloader) -> tuple[str, dict[str, Any]]:
    """The commit, and what the hub says of each file wanted: its `size`, and `lfs.sha256` of a large one."""
    from huggingface_hub import get_token

    token = get_token()
    url = f"{base}/api/models/{repository.name}"
    if repository.revision:
        url += f"/revision/{repository.revision}"
    listing = downloader.json(f"{url}?blobs=true", {"Authorization": f"Bearer {token}"} if token else {})
    try:
        files = {entry["rfilename"]: entry for entry in listing["siblings"]}
        commit = str(listing["sha"])
    except (KeyError, TypeError):
        raise SourceFailed("the hub's list of files cannot be read") from None
    names = repository.wanted(files)
    if not names:
        raise SourceFailed("the repository holds none of the files wanted")
    for path in map(PurePosixPath, names):
        if path.is_absolute() or ".." in path.parts:
            raise SourceFailed(f"the repository holds an unsafe path, {str(path)!r}")
    return commit, {name: files[name] for name in names}
