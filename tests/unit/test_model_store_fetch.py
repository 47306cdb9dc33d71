"""Sources are tried in order, and a model that none of them gives leaves nothing behind."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from src.weights.fetch import DownloadFailed, fetch
from src.weights.model_cache import ModelCache
from src.weights.source import Component, Model, Source, SourceFailed
from tests.support.weights import files_below


def _full(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"wei")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _dead(folder: Path) -> None:
    raise SourceFailed("host did not answer within 8 s")


def _works(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"weights")


def _model(*fetches: Callable[[Path], None]) -> Model:
    sources = tuple(Source(f"place {number}", each) for number, each in enumerate(fetches, 1))
    return Model(
        key="whisper/tiny",
        components=lambda: (Component("Whisper tiny", sources),),
        check=lambda folder: None,
        option="--stt tiny",
        instead="set STT_MODEL to a folder",
    )


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed) as caught:
        fetch(ModelCache(tmp_path), _model(_dead, _full))
    assert "Whisper tiny, from place 1: host did not answer within 8 s" in str(caught.value)
    assert "from place 2: [Errno 28] No space left on device" in str(caught.value)
    assert "python -m src.weights --stt tiny" in str(caught.value)
    assert "or set STT_MODEL to a folder." in str(caught.value)
    assert files_below(tmp_path) == {".locks/whisper--tiny", ".failed/whisper--tiny"}


def test_the_first_source_that_works_fills_the_model_and_half_a_file_of_another_is_gone(
    tmp_path: Path,
) -> None:
    folder = fetch(ModelCache(tmp_path), _model(_full, _works, _dead))
    assert (folder / "model.bin").read_bytes() == b"weights"
    assert files_below(folder) == {"model.bin", "manifest.json"}
    assert fetch(ModelCache(tmp_path), _model(_dead)) == folder


def test_a_failure_is_believed_for_a_day_unless_it_is_asked_for_again(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    with pytest.raises(DownloadFailed):
        fetch(cache, _model(_dead))
    with pytest.raises(DownloadFailed, match=r"0\.0 hours ago"):
        fetch(cache, _model(_works), ask_again=False)
    assert (fetch(cache, _model(_works)) / "model.bin").is_file()
