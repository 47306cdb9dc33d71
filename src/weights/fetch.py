"""From a list of sources to a finished model in the cache: the first source that works fills a component.

Own code: no library tries several kinds of sources.
"""

import logging
import shutil
from pathlib import Path

from src.errors import ModelUnavailable
from src.weights.model_cache import ModelCache
from src.weights.source import Component, Model, Source, SourceFailed, verify
from src.weights.tools import megabytes

log = logging.getLogger(__name__)


class DownloadFailed(ModelUnavailable):
    """Every source failed, though the model exists: another day, or another network, may be better."""

    def __init__(self, model: Model, tried: str) -> None:
        super().__init__(
            f"{model.key} could not be had. Tried:\n{tried}\nWhat to do: on a machine that reaches one of "
            f"these, run `python -m src.weights {model.option} --models-dir models` and copy its `models` "
            f"folder here (MODELS_DIR); or {model.instead}."
        )
        self.tried = "; ".join(line.strip() for line in tried.splitlines())


def fetch(cache: ModelCache, model: Model, *, hashes: bool = False, ask_again: bool = True) -> Path:
    """The model's folder, fetched if it is not there yet.

    One that is whole costs a few `stat` calls: no lock, no write, no network.

    Args:
        hashes: hash every file of a model that is there, and fetch it again if one differs.
        ask_again: try to fetch it even if that failed within the last day.

    Raises:
        DownloadFailed: no source worked; the message lists each with its reason, and what to do.
        ModelUnavailable: there is no such model.
    """

    def fault() -> str | None:
        return cache.fault(model.key, model.checksums, needs=model.needs, hashes=hashes)

    folder = cache.folder(model.key)
    if fault() is None:
        return folder
    if not ask_again and (failed := cache.recent_failure(model.key)):
        raise DownloadFailed(model, failed)
    try:
        with cache.lock(model.key):
            if (why := fault()) is not None:  # else another process has fetched it meanwhile
                if folder.exists():
                    log.warning("%s is not whole (%s): fetching it again", folder, why)
                _fill(cache, model)
    except (SourceFailed, OSError) as error:
        tried = str(error) if isinstance(error, SourceFailed) else f"  {folder} cannot be filled ({error})"
        cache.note_failure(model.key, tried)
        raise DownloadFailed(model, tried) from None
    return folder


def _fill(cache: ModelCache, model: Model) -> None:
    here = cache.folder(model.key)
    with cache.staging(model.key) as stage:
        whole = stage / "whole"
        whole.mkdir()
        origins = [_fetch_component(each, here, whole, stage / "scratch") for each in model.components()]
        model.check(whole)
        size = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())
        cache.put(model.key, whole, "; ".join(origins))
    log.info("%s: %s kept in %s", model.key, megabytes(size), here)


def _fetch_component(component: Component, here: Path, whole: Path, scratch: Path) -> str:
    """Fill `whole` with this component from the first source that works; gives the source's name.

    Args:
        here: the model's own folder. What it holds is not fetched again, if its checksums are known.
        scratch: a folder to work in.

    Raises:
        SourceFailed: none did; a line for each with its reason.
    """
    tried = []
    for source in (*_what_is_there(component, here / component.subfolder), *component.sources):
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        log.info("%s: fetching from %s", component.what, source.name)
        try:
            source.fetch(scratch)
            verify(scratch, source.checksums)
        except (SourceFailed, OSError) as error:
            log.info("%s: not from %s: %s", component.what, source.name, error)
            tried.append(f"  {component.what}, from {source.name}: {error}")
        else:
            target = whole / component.subfolder
            target.mkdir(exist_ok=True)
            for path in scratch.iterdir():
                path.rename(target / path.name)
            return source.name
    raise SourceFailed("\n".join(tried))


def _what_is_there(component: Component, folder: Path) -> list[Source]:
    """The model's own folder as a source, where all files of the component are in it."""
    sums = component.sources[0].checksums

    def copy(scratch: Path) -> None:
        for name in sums:
            shutil.copy2(folder / name, scratch / name)

    whole = bool(sums) and all((folder / name).is_file() for name in sums)
    return [Source(str(folder), copy, sums)] if whole else []
