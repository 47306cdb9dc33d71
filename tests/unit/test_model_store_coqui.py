from pathlib import Path
from typing import Any

import pytest

from src.engines.coqui.local_files import localise
from src.weights.coqui import find
from src.weights.source import SourceFailed


def test_a_file_named_elsewhere_is_the_one_beside_the_config(tmp_path: Path) -> None:
    for name in ("scale_stats.npy", "speaker_ids.json"):
        (tmp_path / name).touch()
    config: dict[str, Any] = {
        "audio": {"stats_path": "/home/trainer/scale_stats.npy"},
        "speakers_file": None,
        "model_args": {"speakers_file": "ids/speaker_ids.json", "language_ids_file": "gone.json"},
    }
    localise(config, tmp_path)
    assert config == {
        "audio": {"stats_path": str(tmp_path / "scale_stats.npy")},
        "speakers_file": str(tmp_path / "speaker_ids.json"),
        "model_args": {
            "speakers_file": str(tmp_path / "speaker_ids.json"),
            "language_ids_file": "gone.json",
        },
    }


def test_a_list_stays_a_list(tmp_path: Path) -> None:
    (tmp_path / "speakers.pth").touch()
    config: dict[str, Any] = {"d_vector_file": ["a/speakers.pth"]}
    localise(config, tmp_path)
    assert config == {"d_vector_file": [str(tmp_path / "speakers.pth")]}


def test_nothing_is_invented(tmp_path: Path) -> None:
    (tmp_path / "scale_stats.npy").touch()
    config: dict[str, Any] = {"model": "vits", "audio": {"sample_rate": 22050}}
    localise(config, tmp_path)
    assert config == {"model": "vits", "audio": {"sample_rate": 22050}}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["model_file.pth.tar"], "model_file.pth.tar"),
        (["checkpoint_260000.pth"], "checkpoint_260000.pth"),
        (["model.pth", "optimizer.pth"], "model.pth"),
        (["best.pth", "model_se.pth"], "best.pth"),
    ],
)
def test_the_checkpoint_is_found(tmp_path: Path, names: list[str], found: str) -> None:
    for name in ("config.json", *names):
        (tmp_path / name).touch()
    assert find(tmp_path)[0].name == found


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["model.pth"], "no config.json"),
        (["config.json"], "0 checkpoints"),
        (["config.json", "a.pth", "b.pth"], "2 checkpoints"),
    ],
)
def test_a_folder_that_is_no_model_is_refused_with_the_reason(
    tmp_path: Path, names: list[str], why: str
) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(SourceFailed, match=why):
        find(tmp_path)
