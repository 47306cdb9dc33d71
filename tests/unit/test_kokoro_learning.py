"""Voices are learnt in the background, after the request that wanted one of them."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from src.engines.base import Utterance
from src.engines.kokoro.engine import KokoroEngine
from src.engines.kokoro.runner import KokoroRow
from src.engines.kokoro.statistics import SENTENCES
from src.errors import Overloaded
from src.observability.telemetry import mark_lines
from src.scheduling.background import is_background

pytestmark = pytest.mark.anyio


class Busy:
    """A batcher that refuses the rows of background work for a while."""

    def __init__(self) -> None:
        self.refuses = True
        self.learnt: list[int] = []
        self.marks: list[dict[str, Any]] = []

    async def submit(self, row: KokoroRow, request_id: str) -> Utterance:
        if row.learnt_as is not None:
            assert is_background()
            self.marks.append(structlog.contextvars.get_contextvars())
            if self.refuses:
                raise Overloaded("too many rows wait")
            self.learnt.append(row.learnt_as)
        return Utterance(np.zeros(1, np.float32))


async def test_a_voice_that_could_not_be_learnt_on_a_busy_machine_is_learnt_later(tmp_path: Path) -> None:
    files = {"af_one": tmp_path / "af_one.bin"}
    model = tmp_path / "kokoro.onnx"
    for file in (model, *files.values()):
        file.write_bytes(b"content")
    engine = KokoroEngine(model, files, threads=1)
    batcher, runner, voice = Busy(), engine._runner, engine.voices[0]
    engine._batcher = batcher  # type: ignore[assignment]

    async def ask() -> None:
        if runner._ask_for(voice):
            await engine.utter("Hello.", voice, "request", early=lambda _: None)
        await asyncio.gather(*engine._tasks)

    mark_lines(request_id="request")
    await ask()
    assert batcher.learnt == []
    assert not engine._tasks
    batcher.refuses = False
    await ask()
    assert batcher.learnt == list(range(len(SENTENCES["en"])))
    await ask()
    assert len(batcher.learnt) == len(SENTENCES["en"]), "once is enough"
    assert all(marks == {} for marks in batcher.marks), "the work belongs to no request"
