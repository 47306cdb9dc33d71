"""Engines that start at once: a tone instead of a voice, behind the real batcher.

A sentence that contains one of these words makes the model fail:

- "poison": it raises, for the whole batch that the sentence is in;
- "perish": its thread ends;
- "freeze": one step takes `FREEZE` seconds;
- "crawl": it takes `CRAWL` steps.

One with "flood" is spoken for `FLOOD` seconds.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import numpy as np

from src.config import Settings
from src.core.loader import default_observers
from src.engines.base import (
    Audio,
    EngineInfo,
    LanguageGuess,
    OnEarlySound,
    PartialTranscript,
    Segment,
    SttOptions,
    TextToSpeech,
    Transcript,
    Utterance,
    Voice,
)
from src.engines.batched import BatchedEngine
from src.engines.models import Models
from src.scheduling.batcher import STALL_SECONDS

RATE = 24_000
PHONEMES = "ˈˌːabdefhijklmnoprstuvwzæðŋɑɔəɛɜɡɪɹɾʃʊʌʒβɣθ"
"""Phonemes that its voices take. They have no effect on a tone."""
SECONDS = 2.0
"""Seconds of audio for every sentence."""


FREEZE = 4.0
CRAWL = 200
FLOOD = 30.0


class _Model:
    """A model that needs some time for each batch."""

    def __init__(self, step_seconds: float = 0.02) -> None:
        self._step_seconds = step_seconds
        self._rows: dict[int, Any] = {}
        self._steps = 0

    def open(self) -> None:
        pass

    def admit(self, waiting: Sequence[Any]) -> Sequence[int]:
        return () if self._rows else range(min(8, len(waiting)))

    def add(self, job_id: int, row: Any) -> None:
        self._rows[job_id] = row

    def step(self) -> list[tuple[int, Any]]:
        time.sleep(self._step_seconds)
        words = " ".join(str(row) for row in self._rows.values())
        if "poison" in words:
            raise RuntimeError(f"the model does not like {words}")
        if "perish" in words:
            raise SystemExit("the model ends its thread")
        if "freeze" in words:
            time.sleep(FREEZE)
        if "crawl" in words and self._steps < CRAWL:
            self._steps += 1
            return []
        self._steps = 0
        rows, self._rows = self._rows, {}
        return [(job_id, self.result(row)) for job_id, row in rows.items()]

    def result(self, row: Any) -> Any:
        seconds = FLOOD if "flood" in str(row) else SECONDS
        wave = 0.3 * np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * 220 / RATE)
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


class _Engine(BatchedEngine[Any, Any], TextToSpeech):
    def __init__(self, name: str, model: _Model, stall_seconds: float = STALL_SECONDS) -> None:
        super().__init__(model, name, observers=default_observers(), stall_seconds=stall_seconds)
        self._name = name

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(self._name, "tone", "cpu", "float32", ("en", "es"))

    @property
    def voices(self) -> tuple[Voice, ...]:
        name = self.info.engine
        return tuple(
            Voice(f"{name}-{code}", code, code, name, "tone", RATE, phonemes=PHONEMES)
            for code in ("en", "es")
        )

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        return Utterance(cast(Audio, await self._batcher.submit(text, request_id)))

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        found = cast(Transcript, await self._batcher.submit(audio, request_id))
        return replace(found, language=options.language or "en")

    async def transcribe_partial(
        self,
        audio: Audio,
        options: SttOptions,
        forced: Sequence[int],
        request_id: str,
        *,
        draft: Sequence[int] = (),
    ) -> PartialTranscript:
        return PartialTranscript((), "en", 1.0)

    async def detect_language(
        self, audio: Audio, languages: Sequence[str], request_id: str
    ) -> list[LanguageGuess]:
        return [LanguageGuess("en", 1.0)]


@asynccontextmanager
async def open_engines(
    settings: Settings, stall_seconds: float = STALL_SECONDS, step_seconds: float = 0.02
) -> AsyncIterator[Models]:
    async with (
        _Engine("reader", _Reader(step_seconds), stall_seconds) as stt,
        _Engine("speaker", _Model(step_seconds), stall_seconds) as tts,
    ):
        yield Models(stt, tts)
