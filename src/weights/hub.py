"""Model repositories on the Hugging Face hub, read with our own downloader.

`huggingface_hub` gives the address, the user's token, the offline switch and the local cache. Its own
download is not used: it retries an unreachable host for a minute and shows progress in its own way.
"""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from src.weights.download import Downloader
from src.weights.source import Source, SourceFailed

log = logging.getLogger(__name__)

_NEVER = (".gitattributes", "*.md")


@dataclass(frozen=True, slots=True)
class Repository:
    """Files of one model repository."""

    name: str
    """`owner/model`."""
    allow: Sequence[str] | None = None
    """Patterns of the files wanted; None: all."""
    ignore: Sequence[str] | None = None


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


def hub_file(
    downloader: Downloader,
    endpoint: str | None,
    repository: str,
    revision: str,
    name: str,
    target: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
) -> None:
    """Download one file of a repository; raises as `Downloader.file`, and if the hub is switched off."""
    from huggingface_hub import hf_hub_url

    _refuse_offline()
    url = hf_hub_url(repository, name, revision=revision, endpoint=endpoint)
    target.parent.mkdir(parents=True, exist_ok=True)
    downloader.file(url, target, size=size, sha256=sha256, headers=_token())


def _copy_cached(repository: Repository, folder: Path) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        snapshot = snapshot_download(repository.name, local_files_only=True)
    except LocalEntryNotFoundError:
        raise SourceFailed("not there") from None
    except ValueError as error:  # not a name that the hub could have
        raise SourceFailed(str(error)) from None
    root = Path(snapshot)
    names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    for name in _wanted(repository, names):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target)


def _download(repository: Repository, downloader: Downloader, endpoint: str | None, folder: Path) -> None:
    from huggingface_hub import constants

    _refuse_offline()
    base = endpoint or constants.ENDPOINT
    listing = downloader.json(f"{base}/api/models/{repository.name}?blobs=true", _token())
    try:
        revision = str(listing["sha"])
        files: dict[str, dict[str, Any]] = {entry["rfilename"]: entry for entry in listing["siblings"]}
    except (KeyError, TypeError):
        raise SourceFailed("the hub's list of files cannot be read") from None
    names = _wanted(repository, list(files))
    if not names:
        raise SourceFailed("the repository holds none of the files wanted")
    for name in names:
        entry = files[name]
        hub_file(
            downloader,
            endpoint,
            repository.name,
            revision,
            name,
            _inside(folder, name),
            size=entry.get("size"),
            sha256=(entry.get("lfs") or {}).get("sha256"),
        )


def _wanted(repository: Repository, names: list[str]) -> list[str]:
    ignored = (*_NEVER, *(repository.ignore or ()))
    return [
        name
        for name in names
        if (repository.allow is None or _any(name, repository.allow)) and not _any(name, ignored)
    ]


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _token() -> dict[str, str]:
    """The user's own token, for repositories that ask for one; httpx drops it where it is led elsewhere."""
    from huggingface_hub import get_token

    token = get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _inside(folder: Path, name: str) -> Path:
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise SourceFailed(f"the repository holds an unsafe path, {name!r}")
    return target


def _refuse_offline() -> None:
    from huggingface_hub import constants

    if constants.is_offline_mode():
        raise SourceFailed("switched off by HF_HUB_OFFLINE")
