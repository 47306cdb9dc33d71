"""Engines that are ready at once: a tone instead of a voice, behind the real batcher.

A sentence with "poison" in it makes the model raise, for the whole batch that it is in.
"""

import time
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, cast

import numpy as np

from src.config import Settings
from src.core.batching import Batcher
from src.core.loader import Models
from src.engines.base import Audio, EngineInfo, LanguageGuess, Load, Segment, SttOptions, Transcript

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

    def add(self, ticket: int, row: Any) -> None:
        self._rows[ticket] = row

    def step(self) -> list[tuple[int, Any]]:
        time.sleep(0.02)
        if any("poison" in str(row) for row in self._rows.values()):
            raise RuntimeError("the model does not like this")
        rows, self._rows = self._rows, {}
        return [(ticket, self.result(row)) for ticket, row in rows.items()]

    def result(self, row: Any) -> Any:
        wave = 0.3 * np.sin(np.arange(round(SECONDS * RATE)) * 2 * np.pi * 220 / RATE)
        return wave.astype(np.float32)

    def remove(self, ticket: int) -> None:
        self._rows.pop(ticket, None)

    def clear(self) -> None:
        self._rows.clear()

    def close(self) -> None:
        self.clear()


class _Reader(_Model):
    def result(self, row: Any) -> Any:
        text = Segment(0.0, len(row) / 16_000, " a tone", -0.1, 0.0)
        return Transcript((text,), "en", 1.0)


class _Engine:
    def __init__(self, name: str, model: _Model) -> None:
        self._batcher: Batcher[Any, Any] = Batcher(model, name)
        self.info = EngineInfo(name, "tone", "cpu", "float32", ("en", "es"))

    @property
    def load(self) -> Load:
        return Load(self._batcher.waiting, self._batcher.active, self._batcher.stalled_for)

    async def __aenter__(self) -> Self:
        await self._batcher.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._batcher.__aexit__(kind, error, trace)

    def sample_rate(self, language: str) -> int:
        return RATE

    def model(self, language: str) -> str:
        return "tone"

    async def synthesize(self, text: str, language: str, lane: Hashable) -> Audio:
        return cast(Audio, await self._batcher.submit(text, lane))

    async def transcribe(self, audio: Audio, options: SttOptions, lane: Hashable) -> Transcript:
        found = cast(Transcript, await self._batcher.submit(audio, lane))
        return replace(found, language=options.language or "en")

    async def detect_language(
        self, audio: Audio, languages: Sequence[str], lane: Hashable
    ) -> list[LanguageGuess]:
        return [LanguageGuess("en", 1.0)]


@asynccontextmanager
async def open_engines(settings: Settings) -> AsyncIterator[Models]:
    async with _Engine("reader", _Reader()) as stt, _Engine("speaker", _Model()) as tts:
        yield Models(stt, tts)
