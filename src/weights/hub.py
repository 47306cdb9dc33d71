"""Model repositories on the Hugging Face hub, fetched with `huggingface_hub`.

The library resumes, retries, and knows the user's token, cache, mirror and offline switch. What it lacks is
added here: a verdict on a dead host within seconds (one bounded request for each host before it starts; it
would retry for minutes), the check of every large file's SHA-256, and an end to a stalled transfer.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from src.weights.network import TRANSFER, Network
from src.weights.source import Source, SourceFailed, verify
from src.weights.tools import run_tool

_NEVER = (".gitattributes", "*.md")


@dataclass(frozen=True, slots=True)
class Repository:
    """Files of one model repository."""

    name: str
    """`owner/model`."""
    allow: list[str] | None = None
    """Patterns of the files wanted; None: all."""
    ignore: Sequence[str] | None = None
    revision: str | None = None
    """Commit, branch or tag; None: the default branch."""

    def wanted(self, names: Iterable[str]) -> list[str]:
        """Those of the files `names` that match the patterns."""
        from huggingface_hub.utils import filter_repo_objects  # type: ignore[attr-defined]

        ignore = [*_NEVER, *(self.ignore or ())]
        return list(filter_repo_objects(names, allow_patterns=self.allow, ignore_patterns=ignore))


def cached(repository: Repository) -> Source:
    """The copy that another program on this machine may have downloaded: no network."""
    return Source(
        f"the hub's cache on this machine ({repository.name})", lambda f: _copy_cached(repository, f)
    )


def hub(repository: Repository, network: Network) -> Source:
    """The repository on the hub, each large file checked against the hub's own SHA-256."""
    return Source(f"the Hugging Face hub ({repository.name})", lambda f: _download(repository, network, f))


def _copy_cached(repository: Repository, folder: Path) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError, LocalEntryNotFoundError

    name, revision, allow = repository.name, repository.revision, repository.allow
    try:
        root = Path(snapshot_download(name, revision=revision, allow_patterns=allow, local_files_only=True))
    except (LocalEntryNotFoundError, IncompleteSnapshotError):
        raise SourceFailed("not there") from None
    except ValueError as error:  # not a name that the hub could have
        raise SourceFailed(str(error)) from None
    for name in repository.wanted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, folder / name)


def _download(repository: Repository, network: Network, folder: Path) -> None:
    from huggingface_hub import HfApi, constants, hf_hub_url

    if constants.is_offline_mode():
        raise SourceFailed("switched off by HF_HUB_OFFLINE")
    base = network.hub or constants.ENDPOINT
    network.probe(f"{base}/api/models/{repository.name}")
    try:
        info = HfApi(base).model_info(
            repository.name, revision=repository.revision, files_metadata=True, timeout=network.answer
        )
        listed = {file.rfilename: file for file in info.siblings or ()}
    except Exception as error:  # errors of its own, of its HTTP client, and of answers that are none of a hub
        raise SourceFailed(" ".join(str(error).split()) or type(error).__name__) from None
    files = [listed[name] for name in repository.wanted(listed)]
    if not files:
        raise SourceFailed("the repository holds none of the files wanted")
    if unsafe := [file.rfilename for file in files if ".." in PurePosixPath(file.rfilename).parts]:
        raise SourceFailed(f"the repository holds an unsafe path, {unsafe[0]!r}")
    largest = max(files, key=lambda file: file.size or 0).rfilename
    # large files are on a host of their own
    network.probe(hf_hub_url(repository.name, largest, revision=info.sha, endpoint=base))
    environment = {
        "HF_ENDPOINT": base,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # Xet fetches from further hosts, which a firewall that lets the hub through may not know
        "HF_HUB_DISABLE_XET": os.environ.get("HF_HUB_DISABLE_XET", "1"),
    }
    names = [file.rfilename for file in files]
    command = [*TRANSFER, "repository", repository.name, str(info.sha), str(folder), *names]
    size = sum(file.size or 0 for file in files)
    run_tool("huggingface_hub", command, folder, repository.name, size, environment, network.stall)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the library's notes on its own downloads
    verify(folder, {file.rfilename: file.lfs.sha256 for file in files if file.lfs})
