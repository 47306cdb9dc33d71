import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from src.weights.model_cache import MANIFEST, ModelCache
from tests.support.weights import files_below

KEY = "whisper/tiny"


def _put(cache: ModelCache, body: bytes = b"weights") -> Path:
    with cache.lock(KEY), cache.staging(KEY) as stage:
        whole = stage / "whole"
        (whole / "sub").mkdir(parents=True)
        (whole / "model.bin").write_bytes(body)
        (whole / "sub" / "config.json").write_text("{}")
        cache.put(KEY, whole, "a test")
    return cache.folder(KEY)


def test_what_was_put_is_whole(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    folder = _put(cache)
    assert cache.fault(KEY, hashes=True) is None
    assert files_below(folder) == {"model.bin", "sub/config.json", MANIFEST}
    assert files_below(tmp_path / ".tmp") == set()


def _truncate(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"wei")


def _lose(folder: Path) -> None:
    (folder / "sub" / "config.json").unlink()


def _half_a_copy(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def _half_a_manifest(folder: Path) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text[: len(text) // 2])


def _another_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps(["not", "ours"]))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_truncate, "model.bin has 3 bytes instead of 7"),
        (_lose, "config.json is missing"),
        (_half_a_copy, f"{MANIFEST} is missing"),
        (_half_a_manifest, f"{MANIFEST} is damaged"),
        (_another_manifest, f"{MANIFEST} is damaged"),
    ],
)
def test_damage_is_seen_at_every_start(tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    cache = ModelCache(tmp_path)
    damage(_put(cache))
    assert cache.fault(KEY) == said


def test_a_changed_byte_is_seen_when_hashes_are_asked_for(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    (_put(cache) / "model.bin").write_bytes(b"Weights")
    assert cache.fault(KEY) is None
    assert "SHA-256" in (cache.fault(KEY, hashes=True) or "")


def test_a_failure_while_filling_leaves_nothing(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    with pytest.raises(RuntimeError), cache.lock(KEY), cache.staging(KEY) as stage:
        (stage / "model.bin").write_bytes(b"half")
        raise RuntimeError
    assert not cache.folder(KEY).exists()
    assert files_below(tmp_path / ".tmp") == set()


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    left = tmp_path / ".tmp" / "whisper--tiny" / "1234"
    left.mkdir(parents=True)
    (left / "model.bin").write_bytes(b"half")
    other = tmp_path / ".tmp" / "whisper--tiny.en" / "5678"  # another model, on its way right now
    other.mkdir(parents=True)
    cache = ModelCache(tmp_path)
    with cache.lock(KEY), cache.staging(KEY) as stage:
        assert not left.exists()
        assert list(stage.iterdir()) == []
    assert other.is_dir()


def test_a_newer_copy_takes_the_place_of_ours(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    _put(cache, b"old")
    folder = _put(cache, b"new")
    assert (folder / "model.bin").read_bytes() == b"new"
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_files_that_a_person_put_there_are_kept_aside(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    folder = cache.folder(KEY)
    folder.mkdir(parents=True)
    (folder / "mine.bin").write_bytes(b"precious")
    _put(cache)
    (aside,) = (path for path in folder.parent.iterdir() if path != folder)
    assert (aside / "mine.bin").read_bytes() == b"precious"


def test_another_user_may_read_what_was_put(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    assert _put(ModelCache(tmp_path / "models")).stat().st_mode == plain.stat().st_mode


def _hold(folder: Path, order: Path) -> None:
    with ModelCache(folder).lock(KEY):
        order.write_text("second")


@pytest.mark.slow
def test_the_lock_keeps_another_process_out(tmp_path: Path) -> None:
    order = tmp_path / "order"
    other = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path, order))
    with ModelCache(tmp_path).lock(KEY):
        other.start()
        other.join(1.5)
        assert other.is_alive()
        assert not order.exists()
    other.join(30)
    assert other.exitcode == 0
    assert order.read_text() == "second"
