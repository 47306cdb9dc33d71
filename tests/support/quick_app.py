"""The application with engines that start at once. The fake `docker` serves it.

It is part of a deployed release. /mark answers with the release's `mark`. If the release has the file
`stalls`, an engine reports a hanging step, and the service never becomes ready.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from src.config import Settings, load_settings
from src.engines.absent import AbsentEngine
from src.engines.base import EngineInfo, Load, Voice
from src.engines.models import Models
from src.main import create_app

_HERE = Path.cwd()


class _Engine(AbsentEngine):
    """An engine that is ready at once, or reports a hanging step. It refuses every row."""

    def __init__(self, name: str) -> None:
        stalled_for = 1000.0 if (_HERE / "stalls").exists() else 0.0
        self.info = EngineInfo(name, "quick", "cpu", "float32", ("en", "es"))
        self.load = Load(waiting=0, active=0, stalled_for=stalled_for)
        self.voices = tuple(
            Voice(f"quick-{code}", code, code, name, "quick", 24_000) for code in ("en", "es")
        )


@asynccontextmanager
async def _open_engines(settings: Settings) -> AsyncIterator[Models]:
    yield Models(_Engine("stt"), _Engine("tts"))


app = create_app(load_settings(), _open_engines)


@app.get("/mark")
async def mark(after: float = 0.0) -> str:
    """The release's mark, after so many seconds."""
    await asyncio.sleep(after)
    return (_HERE / "mark").read_text()
