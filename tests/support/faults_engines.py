"""Engines that are ready at once: a tone instead of a voice, behind the real batcher.

A sentence with "poison" in it makes the model raise, for the whole batch that it is in.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import numpy as np

from src.config import Settings
from src.core.loader import Models, default_observers
from src.engines.base import Audio, EngineInfo, LanguageGuess, Segment, SttOptions, Transcript
from src.engines.batched import BatchedEngine

RATE = 24_000
SECONDS = 2.0
"""Of audio for every sentence."""


class _Model:
    """Takes a moment for a batch, as a model does."""

    def __init__(self) -> None:
        self._rows: dict[int, Any] = {}

    def open(self) -> None:
        pass

    def admit(self, waiting: Sequence[Any]) -> Sequence[int]:
        return () if self._rows else range(min(8, len(waiting)))

    def add(self, job_id: int, row: Any) -> None:
        self._rows[job_id] = row

    def step(self) -> list[tuple[int, Any]]:
        time.sleep(0.02)
        if any("poison" in str(row) for row in self._rows.values()):
            raise RuntimeError("the model does not like this")
        rows, self._rows = self._rows, {}
        return [(job_id, self.result(row)) for job_id, row in rows.items()]

    def result(self, row: Any) -> Any:
        wave = 0.3 * np.sin(np.arange(round(SECONDS * RATE)) * 2 * np.pi * 220 / RATE)
        return wave.astype(np.float32)

    def remove(self, job_id: int) -> None:
        self._rows.pop(job_id, None)

    def clear(self) -> None:
        self._rows.clear()

    def close(self) -> None:
        self.clear()


class _Reader(_Model):
    def result(self, row: Any) -> Any:
        text = Segment(0.0, len(row) / 16_000, " a tone", -0.1, 0.0)
        return Transcript((text,), "en", 1.0)


class _Engine(BatchedEngine[Any, Any]):
    def __init__(self, name: str, model: _Model) -> None:
        super().__init__(model, name, observers=default_observers())
        self._name = name

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(self._name, "tone", "cpu", "float32", ("en", "es"))

    def sample_rate(self, language: str) -> int:
        return RATE

    def model(self, language: str) -> str:
        return "tone"

    async def synthesize(self, text: str, language: str, request_id: str) -> Audio:
        return cast(Audio, await self._batcher.submit(text, request_id))

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        found = cast(Transcript, await self._batcher.submit(audio, request_id))
        return replace(found, language=options.language or "en")

    async def detect_language(
        self, audio: Audio, languages: Sequence[str], request_id: str
    ) -> list[LanguageGuess]:
        return [LanguageGuess("en", 1.0)]


@asynccontextmanager
async def open_engines(settings: Settings) -> AsyncIterator[Models]:
    async with _Engine("reader", _Reader()) as stt, _Engine("speaker", _Model()) as tts:
        yield Models(stt, tts)
