"""From a list of sources to a finished model on the shelf."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

from src.errors import ModelUnavailable
from src.weights.checksums import verify
from src.weights.progress import megabytes
from src.weights.shelf import Shelf
from src.weights.source import Model, Part, Source, SourceFailed

log = logging.getLogger(__name__)


class NotObtained(ModelUnavailable):
    """Every source failed, though the model exists: another day, or another network, may be better."""

    def __init__(self, model: Model, tried: str) -> None:
        super().__init__(f"{model.key} could not be had. Tried:\n{tried}\n{model.advice}")
        self.tried = "; ".join(line.strip() for line in tried.splitlines())


def obtain(shelf: Shelf, model: Model, *, verify: bool = False) -> Path:
    """The model's folder, fetched if it is not there yet.

    One that is whole costs a few `stat` calls: no lock, no write, no network.

    Args:
        verify: hash every file of a model that is there, and fetch it again if one differs.

    Raises:
        NotObtained: no source worked; the message lists each with its reason, and what to do.
        ModelUnavailable: there is no such model.
    """
    if shelf.fault(model.key, needs=model.checksums, hashes=verify) is None:
        return shelf.folder(model.key)
    try:
        with shelf.lock(model.key):
            fault = shelf.fault(model.key, needs=model.checksums, hashes=verify)
            if fault is not None and not _adopt(shelf, model):
                if shelf.folder(model.key).exists():
                    log.warning("%s is not whole (%s): fetching it again", shelf.folder(model.key), fault)
                _fetch(shelf, model)
    except OSError as error:
        if shelf.matches(model.key, model.checksums):  # whole, on a disk that takes no manifest
            return shelf.folder(model.key)
        raise NotObtained(
            model, f"  {model.key}: the folder {shelf.root} cannot be filled ({error})"
        ) from None
    return shelf.folder(model.key)


def _adopt(shelf: Shelf, model: Model) -> bool:
    """Take files that a person put there for the model, if every one has its known SHA-256."""
    if not shelf.matches(model.key, model.checksums):
        return False
    shelf.write_manifest(shelf.folder(model.key), "found in place")
    log.info("%s: files found in %s, checksums right", model.key, shelf.folder(model.key))
    return True


def _fetch(shelf: Shelf, model: Model) -> None:
    with shelf.stage(model.key) as stage:
        whole = stage / "whole"
        whole.mkdir()
        try:
            parts = [_with_what_is_there(part, shelf.folder(model.key)) for part in model.parts()]
            origins = [_fetch_part(part, whole, stage / "scratch") for part in parts]
            model.check(whole)
        except SourceFailed as error:
            raise NotObtained(model, str(error)) from None
        size = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())
        shelf.put(model.key, whole, "; ".join(origins))
    log.info("%s: %s kept in %s", model.key, megabytes(size), shelf.folder(model.key))


def _with_what_is_there(part: Part, folder: Path) -> Part:
    """The part, to be copied from the model's own folder first: only another part of it may be missing."""
    here = folder / part.subfolder

    def copy(scratch: Path) -> None:
        for name in part.checksums:
            shutil.copy2(here / name, scratch / name)

    if not part.checksums or not all((here / name).is_file() for name in part.checksums):
        return part
    return replace(part, sources=(Source(str(here), copy), *part.sources))


def _fetch_part(part: Part, whole: Path, scratch: Path) -> str:
    """Fill `whole` with this part from the first source that works; gives the source's name.

    Raises:
        SourceFailed: none did; a line for each with its reason.
    """
    tried = []
    for source in part.sources:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        log.info("%s: fetching from %s", part.what, source.name)
        try:
            source.fetch(scratch)
            verify(scratch, part.checksums)
        except (SourceFailed, OSError) as error:
            log.info("%s: not from %s: %s", part.what, source.name, error)
            tried.append(f"  {part.what}, from {source.name}: {error}")
            continue
        target = whole / part.subfolder
        target.mkdir(exist_ok=True)
        for path in scratch.iterdir():
            path.rename(target / path.name)
        return source.name
    raise SourceFailed("\n".join(tried))
