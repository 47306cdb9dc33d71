"""A model is known by its content, not by what its folder is called."""

import os
import time
from pathlib import Path

import pytest

from src.weights.fingerprint import fingerprint
from src.weights.model_cache import write_manifest


def model(folder: Path, body: bytes = b"weights") -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.pth").write_bytes(body)
    (folder / "config.json").write_bytes(b"{}")
    return [folder / "model.pth", folder / "config.json"]


def test_it_changes_with_the_content_also_where_the_size_stays(tmp_path: Path) -> None:
    files = model(tmp_path / "a")
    before = fingerprint(files)
    assert fingerprint(files) == before
    files[0].write_bytes(b"trained")
    os.utime(files[0], ns=(time.time_ns(), time.time_ns() + 1_000_000))
    assert fingerprint(files) != before


def test_two_folders_of_one_name_differ(tmp_path: Path) -> None:
    one, other = model(tmp_path / "a" / "model"), model(tmp_path / "b" / "model", b"other weights")
    assert fingerprint(one) != fingerprint(other)


def test_a_manifest_makes_it_the_same_on_every_machine(tmp_path: Path) -> None:
    prints = []
    for name in ("here", "there"):
        files = [*model(tmp_path / name), *model(tmp_path / name / "vocoder")]
        write_manifest(tmp_path / name, "a test")
        prints.append(fingerprint(files))
        time.sleep(0.01)
    assert prints[0] == prints[1]


def test_a_file_that_is_newer_than_its_manifest_is_not_what_that_says(tmp_path: Path) -> None:
    files = model(tmp_path / "a")
    write_manifest(tmp_path / "a", "a test")
    before = fingerprint(files)
    files[0].write_bytes(b"trained")
    os.utime(files[0], ns=(time.time_ns(), time.time_ns() + 1_000_000))
    assert fingerprint(files) != before


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        fingerprint([tmp_path / "missing"])
