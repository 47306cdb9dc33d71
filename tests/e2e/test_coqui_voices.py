"""Each engine speaks over a socket, and a Coqui voice that cannot be opened keeps no server from starting."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from src.config import Settings
from src.main import create_app
from src.weights.store import CoquiFiles
from src.weights.tts_engine import TtsEngine
from tests.support.server import RunningServer, serve
from tests.support.voices_app import open_voices

REPOSITORY = Path(__file__).parent.parent.parent
TEXTS = {"en": "Hello there.", "es": "¿Qué tal, chico?"}


@pytest.fixture(scope="module")
def folders(coqui_files: dict[str, CoquiFiles]) -> dict[str, str]:
    """The settings that name Coqui's voices."""
    return {f"tts_model_{language}": str(files.checkpoint.parent) for language, files in coqui_files.items()}


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither `espeak-ng` nor `espeak` can be found."""
    from TTS.tts.utils.text.phonemizers import espeak_wrapper

    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(espeak_wrapper, "_DEF_ESPEAK_LIB", None)


@contextmanager
def started(settings: Settings) -> Iterator[tuple[RunningServer, httpx.Client]]:
    with serve(create_app(settings, open_voices)) as server, server.client() as client:
        yield server, client


def speaks(client: httpx.Client) -> set[str]:
    """The engines that spoke each language; what they said is sound."""
    engines = set()
    for language, text in TEXTS.items():
        spoken = client.post("/tts", json={"text": text, "language": language})
        assert spoken.status_code == 200, spoken.text
        audio = httpx.get(spoken.json()["url"], trust_env=False)
        assert audio.content.startswith(b"RIFF")
        assert len(audio.content) > 8000
        engines.add(spoken.json()["engine"])
    return engines


@pytest.mark.models
@pytest.mark.usefixtures("models_dir", "no_programs")
@pytest.mark.parametrize("wanted", [TtsEngine.COQUI, TtsEngine.AUTO])
def test_coqui_speaks_both_languages_without_system_packages(
    make_settings: Callable[..., Settings], folders: dict[str, str], wanted: TtsEngine
) -> None:
    with started(make_settings(tts_engine=wanted, **folders)) as (_, client):
        assert speaks(client) == {"coqui"}
        assert client.get("/health/ready").json()["notices"] == []


@pytest.mark.models
@pytest.mark.usefixtures("models_dir", "no_programs")
@pytest.mark.parametrize("broken", ["weights", "warm-up"])
def test_where_a_coqui_voice_cannot_be_opened_kokoro_speaks_and_says_why(
    make_settings: Callable[..., Settings],
    folders: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    broken: str,
) -> None:
    """Kokoro, too, without system packages."""
    settings = make_settings(
        tts_engine=TtsEngine.AUTO, **(folders | {"tts_model_en": str(_spoilt(folders, tmp_path, broken))})
    )
    why = {"weights": "cannot be opened as a Coqui model", "warm-up": "cannot speak its first words"}[broken]

    with caplog.at_level(logging.WARNING), started(settings) as (_, client):
        assert speaks(client) == {"kokoro"}
        for path in ("/health/ready", "/models"):
            (notice,) = client.get(path).json()["notices"]
            assert notice.startswith("Kokoro speaks in Coqui's place: ")
            assert why in notice
    assert why in caplog.text


@pytest.mark.usefixtures("models_dir")
def test_with_coqui_the_start_fails_and_says_what_to_do(folders: dict[str, str], tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "API_KEY": "test-key-0123456789",
        "TTS_ENGINE": "coqui",
        "TTS_MODEL_EN": str(_spoilt(folders, tmp_path, "weights")),
        "TTS_MODEL_ES": folders["tts_model_es"],
        "MODELS_DIR": str(REPOSITORY / "models"),
        "STORAGE_DIR": str(tmp_path / "storage"),
        "DATA_DIR": str(tmp_path / "data"),
    }

    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "tests.support.voices_app:app", "--port", "0"],
        env=environment,
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )

    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "cannot be opened as a Coqui model" in said
    assert "TTS_ENGINE=auto" in said


def _spoilt(folders: dict[str, str], tmp_path: Path, broken: str) -> Path:
    """A copy of the English folder whose weights fit no model, or do not come to speak."""
    import torch

    folder = tmp_path / "spoilt"
    shutil.copytree(folders["tts_model_en"], folder)
    weights = folder / "model_file.pth"
    state = torch.load(weights, weights_only=True)
    if broken == "weights":
        state["model"].pop("embedding.weight")
    else:
        state["model"]["decoder.attention.location_layer.location_dense.linear_layer.weight"][:2] = 0
    torch.save(state, weights)
    return folder
