"""Measures one engine of this machine: its speed by the number of its rows, and waits at several loads."""

import asyncio
import os
import platform
import random
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speech import clips, decode
from src.config import load_settings
from src.core.loader import open_models
from src.engines import cpu
from src.engines.base import Audio, SpeechToText, SttOptions

ROWS = (1, 2, 4, 8, 12)
LOADS = (0.5, 0.8, 0.95)


async def closed_loop(engine: SpeechToText, audios: list[Audio], callers: int, seconds: float) -> float:
    """Seconds of audio a second, with so many callers that each send a row when the last one is answered."""
    done, began = 0.0, time.perf_counter()
    end = began + seconds
    turn = count()

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < end:
            number = next(turn)
            audio = audios[number % len(audios)]
            await engine.transcribe(audio, SttOptions(language="en"), f"row-{number}")
            done += len(audio) / 16_000

    await asyncio.gather(*(caller() for _ in range(callers)))
    return done / (time.perf_counter() - began)


async def open_arrivals(
    engine: SpeechToText, audios: list[Audio], rate: float, seconds: float
) -> list[float]:
    """Seconds that each row took, where `rate` rows a second come at random (Poisson)."""
    waits: list[float] = []
    drawn = random.Random(3)

    async def row(number: int) -> None:
        began = time.perf_counter()
        await engine.transcribe(drawn.choice(audios), SttOptions(language="en"), f"row-{number}")
        waits.append(time.perf_counter() - began)

    began = time.perf_counter()
    due = began
    async with asyncio.TaskGroup() as group:
        for number in count():
            due += drawn.expovariate(rate)
            if due > began + seconds:
                break
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            group.create_task(row(number))
    return waits


async def measure(seconds: float, threads: int, loads: Sequence[float] = LOADS) -> dict[str, Any]:
    """What was measured, ready for JSON.

    Args:
        seconds: of each measurement.
        threads: of the engine.
        loads: shares of its speed at which rows come at random.
    """
    audios = [decode(clip.path) for clip in clips("en")]
    lengths = [round(len(audio) / 16_000, 2) for audio in audios]
    settings = load_settings(cpu_threads=threads, api_key=["benchmark-key"])
    found: dict[str, Any] = {
        "machine": f"{_cpu_name()}, {os.cpu_count()} cores, {cpu.in_words()}",
        "engine": f"Whisper {settings.stt_model}, {threads} threads",
        "lengths": lengths,
    }
    async with open_models(settings, speaks=False) as models:
        await closed_loop(models.stt, audios, 4, 5)
        speed = {rows: await closed_loop(models.stt, audios, rows, seconds) for rows in ROWS}
        found["speed"] = speed
        print({rows: round(value, 1) for rows, value in speed.items()})
        found["observed"] = []
        for load in loads:
            rate = load * max(speed.values()) / float(np.mean(lengths))
            waits = await open_arrivals(models.stt, audios, rate, 2 * seconds)
            seen = {"load": load, "requests": len(waits)}
            seen |= {f"p{share}": float(np.percentile(waits, share)) for share in (50, 95)}
            found["observed"].append(seen)
            print(seen)
    return found


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
