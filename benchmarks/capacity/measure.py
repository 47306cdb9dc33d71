"""Measures one engine of this machine: its speed by the number of its rows, and waits at several loads.

Times are those of idle cores (`benchmarks/idle_clock.py`).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.idle_clock import IdleClock
from benchmarks.speech import clips, decode
from src.config import load_settings
from src.core.loader import open_models
from src.engines.base import STT_SAMPLE_RATE, Audio, SpeechToText, SttOptions

ROWS = (1, 2, 4, 8, 12)
LOADS = (0.5, 0.8, 0.95)
_TICK = 0.02
_FILLING = 2.0
"""Seconds until all callers have their rows in the engine."""


async def closed_loop(engine: SpeechToText, audios: list[Audio], callers: int, seconds: float) -> float:
    """Seconds of audio a second, with so many callers that each send a row when the last one is answered.

    The first seconds are not counted, nor is the end, when one after the other has no more to send.
    """
    clock, done, turn = IdleClock(), 0.0, count()

    async def caller() -> None:
        nonlocal done
        while clock.now() < _FILLING + seconds:
            number = next(turn)
            audio = audios[number % len(audios)]
            await engine.transcribe(audio, SttOptions(language="en"), f"row-{number}")
            if _FILLING <= clock.now() < _FILLING + seconds:
                done += len(audio) / STT_SAMPLE_RATE

    async with ticking(clock):
        await asyncio.gather(*(caller() for _ in range(callers)))
    return done / seconds


async def open_arrivals(
    engine: SpeechToText, audios: list[Audio], rate: float, seconds: float
) -> list[float]:
    """Seconds that each row took, where `rate` rows a second come at random (Poisson)."""
    waits: list[float] = []
    drawn, clock = random.Random(3), IdleClock()

    async def row(number: int) -> None:
        began = clock.now()
        await engine.transcribe(drawn.choice(audios), SttOptions(language="en"), f"row-{number}")
        waits.append(clock.now() - began)

    due = 0.0
    async with ticking(clock), asyncio.TaskGroup() as group:
        for number in count():
            due += drawn.expovariate(rate)
            if due > seconds:
                break
            while clock.now() < due:  # noqa: ASYNC110 - the clock has no event
                await asyncio.sleep(_TICK)
            group.create_task(row(number))
    return waits


@asynccontextmanager
async def ticking(clock: IdleClock) -> AsyncIterator[None]:
    """Read the clock often, because its speed changes."""

    async def tick() -> None:
        while True:
            await asyncio.sleep(_TICK)
            clock.now()

    task = asyncio.create_task(tick())
    try:
        yield
    finally:
        task.cancel()


async def measure(seconds: float, threads: int, loads: Sequence[float] = LOADS) -> dict[str, Any]:
    """What was measured, ready for JSON.

    Args:
        seconds: of each measurement.
        threads: of the engine.
        loads: shares of its speed at which rows come at random.
    """
    audios = [decode(clip.path) for clip in clips("en")]
    lengths = [round(len(audio) / STT_SAMPLE_RATE, 2) for audio in audios]
    settings = load_settings(cpu_threads=threads, api_key=["benchmark-key"])
    found: dict[str, Any] = {
        "machine": machine.in_words(),
        "engine": f"Whisper {settings.stt_model}, {threads} thread{'s' if threads > 1 else ''}",
        "lengths": lengths,
    }
    async with open_models(settings, speaks=False) as models:
        clock = IdleClock()
        await closed_loop(models.stt, audios, 4, 5)
        speed = {rows: await closed_loop(models.stt, audios, rows, seconds) for rows in ROWS}
        found["speed"] = speed
        print({rows: round(value, 1) for rows, value in speed.items()}, flush=True)
        found["observed"] = []
        for load in loads:
            rate = load * max(speed.values()) / float(np.mean(lengths))
            waits = await open_arrivals(models.stt, audios, rate, 2 * seconds)
            seen = {"load": load, "requests": len(waits)}
            seen |= {f"p{share}": float(np.percentile(waits, share)) for share in (50, 95)}
            found["observed"].append(seen)
            print(seen, flush=True)
        found["share"] = round(clock.share(), 2)
        print(f"the machine's time that was ours: {found['share']:.0%}")
    return found
