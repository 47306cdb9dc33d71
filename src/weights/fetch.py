"""From a list of sources to a finished model in the cache: the first source that works fills a component.

Own code: no library tries several kinds of sources, nor takes over files that a person put there.
"""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

from src.errors import ModelUnavailable
from src.weights.model_cache import ModelCache
from src.weights.progress import megabytes
from src.weights.source import Component, Model, Source, SourceFailed, verify

log = logging.getLogger(__name__)


class DownloadFailed(ModelUnavailable):
    """Every source failed, though the model exists: another day, or another network, may be better."""

    def __init__(self, model: Model, tried: str) -> None:
        super().__init__(f"{model.key} could not be had. Tried:\n{tried}\n{model.advice}")
        self.tried = "; ".join(line.strip() for line in tried.splitlines())


def fetch(cache: ModelCache, model: Model, *, verify: bool = False) -> Path:
    """The model's folder, fetched if it is not there yet.

    One that is whole costs a few `stat` calls: no lock, no write, no network.

    Args:
        verify: hash every file of a model that is there, and fetch it again if one differs.

    Raises:
        DownloadFailed: no source worked; the message lists each with its reason, and what to do.
        ModelUnavailable: there is no such model.
    """
    if cache.fault(model.key, needs=model.checksums, hashes=verify) is None:
        return cache.folder(model.key)
    try:
        with cache.lock(model.key):
            fault = cache.fault(model.key, needs=model.checksums, hashes=verify)
            if fault is not None and not _adopt(cache, model):
                if cache.folder(model.key).exists():
                    log.warning("%s is not whole (%s): fetching it again", cache.folder(model.key), fault)
                _fill(cache, model)
    except OSError as error:
        if cache.matches(model.key, model.checksums):  # whole, on a disk that takes no manifest
            return cache.folder(model.key)
        raise DownloadFailed(
            model, f"  {model.key}: the folder {cache.root} cannot be filled ({error})"
        ) from None
    return cache.folder(model.key)


def _adopt(cache: ModelCache, model: Model) -> bool:
    """Take files that a person put there for the model, if every one has its known SHA-256."""
    if not cache.matches(model.key, model.checksums):
        return False
    cache.write_manifest(cache.folder(model.key), "found in place")
    log.info("%s: files found in %s, checksums right", model.key, cache.folder(model.key))
    return True


def _fill(cache: ModelCache, model: Model) -> None:
    with cache.staging(model.key) as stage:
        whole = stage / "whole"
        whole.mkdir()
        try:
            components = [
                _with_what_is_there(component, cache.folder(model.key)) for component in model.components()
            ]
            origins = [_fetch_component(component, whole, stage / "scratch") for component in components]
            model.check(whole)
        except SourceFailed as error:
            raise DownloadFailed(model, str(error)) from None
        size = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())
        cache.put(model.key, whole, "; ".join(origins))
    log.info("%s: %s kept in %s", model.key, megabytes(size), cache.folder(model.key))


def _with_what_is_there(component: Component, folder: Path) -> Component:
    """The component, with the model's own folder as its first source: only another may be missing."""
    here = folder / component.subfolder

    def copy(scratch: Path) -> None:
        for name in component.checksums:
            shutil.copy2(here / name, scratch / name)

    if not component.checksums or not all((here / name).is_file() for name in component.checksums):
        return component
    return replace(component, sources=(Source(str(here), copy), *component.sources))


def _fetch_component(component: Component, whole: Path, scratch: Path) -> str:
    """Fill `whole` with this component from the first source that works; gives the source's name.

    Raises:
        SourceFailed: none did; a line for each with its reason.
    """
    tried = []
    for source in component.sources:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        log.info("%s: fetching from %s", component.what, source.name)
        try:
            source.fetch(scratch)
            verify(scratch, component.checksums)
        except (SourceFailed, OSError) as error:
            log.info("%s: not from %s: %s", component.what, source.name, error)
            tried.append(f"  {component.what}, from {source.name}: {error}")
            continue
        target = whole / component.subfolder
        target.mkdir(exist_ok=True)
        for path in scratch.iterdir():
            path.rename(target / path.name)
        return source.name
    raise SourceFailed("\n".join(tried))
