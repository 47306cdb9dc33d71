"""Servers of the hostile tests: a process of their own, as in production, with low limits."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support.faults_process import Server, serving

MAX_UPLOAD_MB = 2
MAX_AUDIO_SECONDS = 1440
MAX_TEXT_CHARS = 60


@pytest.fixture(scope="module")
def server(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Real Whisper behind gunicorn, and a tone in place of a voice."""
    app = "tests.support.contract_app:app"
    with hostile(tmp_path_factory.mktemp("hostile"), app, models_dir) as running:
        yield running


def hostile(folder: Path, app: str, models_dir: Path = Path("models")) -> AbstractContextManager[Server]:
    """A server whose limits are low where larger inputs would only take time."""
    return serving(
        folder,
        app=app,
        MODELS_DIR=str(models_dir),
        STT_MODEL="base",
        DEVICE="cpu",
        MAX_UPLOAD_MB=str(MAX_UPLOAD_MB),
        MAX_AUDIO_SECONDS=str(MAX_AUDIO_SECONDS),
        MAX_TEXT_CHARS=str(MAX_TEXT_CHARS),
        TTS_CACHE="true",
        FAILED_KEY_LIMIT="off",
    )
