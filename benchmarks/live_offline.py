"""A live session in this process whose clock is its audio: the same on every machine, however busy."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.live_clients import PIECE, RATE, pieces
from benchmarks.live_report import Clock, Speaker
from benchmarks.speech import normalised
from src.engines.base import Audio, PartialTranscript, SttOptions
from src.engines.whisper import WhisperEngine
from src.processes.cores import usable_cores
from src.scheduling.live_load import LiveLoad
from src.services.decoding.pool import Decoders
from src.services.live.events import Completed, LiveEvent, SpeechStarted, Words
from src.services.live.session import LiveOptions, LiveSession
from src.services.stt import Result, SttService

_TURNS = 6
"""Turns of the event loop in which a session takes its next step, if there is one."""


class _Unhurried(LiveLoad):
    """Updates come as often as they are wanted: how long they take on this machine does not matter."""

    def interval(self, wanted: float) -> float:
        return wanted

    def strained(self, now: float) -> bool:
        return False


class _Watched:
    """A service that knows whether it is asked for anything now."""

    def __init__(self, service: SttService) -> None:
        self._service = service
        self.asked = 0
        self.live = _Unhurried(lambda: 1)

    async def transcribe_partial(
        self, audio: Audio, options: SttOptions, forced: Sequence[int], draft: Sequence[int] = ()
    ) -> PartialTranscript:
        self.asked += 1
        try:
            return await self._service.transcribe_partial(audio, options, forced, draft)
        finally:
            self.asked -= 1

    async def stream_blocks(self, blocks: AsyncIterator[Audio], options: SttOptions) -> AsyncIterator[Any]:
        self.asked += 1
        try:
            async for item in self._service.stream_blocks(blocks, options):
                yield item
        finally:
            self.asked -= 1

    async def idle(self) -> None:
        """Wait until a session has nothing to do but to wait for audio."""
        quiet = 0
        while quiet < 2:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            quiet = 0 if self.asked else quiet + 1
            if self.asked:
                await asyncio.sleep(0.002)


async def listen(model: Path, language: str, audio: bytes) -> tuple[Clock, str, Speaker, float]:
    """The words of the whole file with their times, its text, what a speaker is told, and its CPU time.

    Args:
        model: folder of a Whisper model.
        language: of the audio.
        audio: 16-bit mono of 16 kHz.
    """
    async with AsyncExitStack() as stack:
        engine = WhisperEngine(
            model, name=model.name, device="cpu", compute_type="int8", threads=usable_cores()
        )
        await stack.enter_async_context(engine)
        decoders = await stack.enter_async_context(Decoders(spares=1, most=4, max_seconds=1e9))
        service = SttService(engine, decoders, max_audio_seconds=1e9)
        clock, whole = await _whole(service, language, audio)
        started = time.process_time()
        speaker = await speak(service, language, audio)
        return clock, whole, speaker, time.process_time() - started


async def _whole(service: SttService, language: str, audio: bytes) -> tuple[Clock, str]:
    options = SttOptions(language=language, word_timestamps=True)
    items = [item async for item in service.stream_blocks(_blocks(audio), options)]
    result = cast(Result, items[-1])
    clock = [
        (plain, word.end)
        for segment in result.segments
        for word in segment.words or ()
        for plain in normalised(language, word.word).split()
    ]
    return clock, result.text


async def speak(stt: SttService, language: str, audio: bytes) -> Speaker:
    """What a speaker is told. Several may speak at once: none waits for another.

    Args:
        stt: transcribes.
        language: of the audio.
        audio: 16-bit mono of 16 kHz.
    """
    service = _Watched(stt)
    speaker, stable, now = Speaker(language), dict[str, str](), 0.0
    options = LiveOptions(stt=SttOptions(language=language))
    async with LiveSession(cast(SttService, service), options) as session:

        async def note() -> None:
            async for event in session:
                _says(speaker, event, now, stable)

        noting = asyncio.create_task(note())
        for number, piece in enumerate(pieces(audio), 1):
            now = number * PIECE
            await session.push(_samples(piece))
            await service.idle()
        await session.finish()
        await noting
    return speaker


def _says(speaker: Speaker, event: LiveEvent, now: float, stable: dict[str, str]) -> None:
    match event:
        case SpeechStarted():
            speaker.utterances += 1
        case Words():
            stable[event.item_id] = event.text
            speaker.told(event.stable, now, event.item_id)
        case Completed():
            speaker.completed(event.text, stable.pop(event.item_id, ""))
            speaker.told(event.rest, now, event.item_id)


async def _blocks(audio: bytes) -> AsyncIterator[Audio]:
    for start in range(0, len(audio), 2 * RATE):
        yield _samples(audio[start : start + 2 * RATE])


def _samples(piece: bytes) -> Audio:
    return np.frombuffer(piece, "<i2").astype(np.float32) / np.float32(32768)
