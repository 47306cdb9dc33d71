"""The application with real Whisper, and a tone in place of a voice.

For tests that send hundreds of requests. Text normalisation is the real one, and a tone costs no CPU time.
Whisper reads each row once: most of the speech is the same.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from src.config import Settings, load_settings
from src.engines.compute_types import for_whisper
from src.engines.models import Models
from src.engines.whisper import WhisperEngine
from src.main import create_app
from src.weights.store import ModelStore
from tests.support.faults_engines import open_engines
from tests.support.once import ReadOnce


@asynccontextmanager
async def open_models(settings: Settings) -> AsyncIterator[Models]:
    files = ModelStore(settings.models_dir).whisper(settings.stt_model)
    whisper = WhisperEngine(
        files.folder,
        name=files.name,
        device="cpu",
        compute_type=for_whisper("auto", "cpu"),
        threads=settings.threads,
    )
    async with open_engines(settings) as engines, whisper as stt:
        yield Models(ReadOnce(stt), engines.tts)


app = create_app(load_settings(), open_models)
