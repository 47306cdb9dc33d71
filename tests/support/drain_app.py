"""The application with engines that start slowly, and routes that take as long as the request asks."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi.responses import StreamingResponse

from src.config import Settings, load_settings
from src.engines.absent import AbsentEngine
from src.engines.base import EngineInfo, Voice
from src.engines.models import Models
from src.main import create_app


class _Engine(AbsentEngine):
    """It refuses every row; the routes below are what takes time here."""

    def __init__(self, name: str) -> None:
        self.info = EngineInfo(name, "toy", "cpu", "float32", ("en", "es"))
        self.voices = tuple(Voice(f"toy-{code}", code, code, name, "toy", 24_000) for code in ("en", "es"))


@asynccontextmanager
async def _open_engines(settings: Settings) -> AsyncIterator[Models]:
    await asyncio.sleep(float(os.environ.get("START", "0")))
    yield Models(_Engine("stt"), _Engine("tts"))
    print("closed", os.getpid(), flush=True)  # noqa: T201


app = create_app(load_settings(), _open_engines)


@app.get("/slow/{seconds}")
async def slow(seconds: float) -> int:
    with tempfile.NamedTemporaryFile(prefix="in-hand-"):
        await asyncio.sleep(seconds)
    return os.getpid()


@app.get("/drip/{seconds}")
async def drip(seconds: float) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        with tempfile.NamedTemporaryFile(prefix="in-hand-"):
            yield b"first"
            await asyncio.sleep(seconds)
            yield b"last"

    return StreamingResponse(body())
