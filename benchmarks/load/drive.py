"""Sends requests to a server: in a closed loop for its capacity, and at random for its latency."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from benchmarks.load.workloads import Requests, Send

LOADS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
_CLIENTS = 8
_REFUSED = 503


@dataclass
class Outcome:
    """What became of the requests of one measurement."""

    latencies: list[float] = field(default_factory=list)
    """Seconds, of each request that was answered."""
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    """From the start to the last answer."""

    def add(self, answer: httpx.Response | None, seconds: float) -> None:
        if answer is not None and answer.is_success:
            self.latencies.append(seconds)
        elif answer is not None and answer.status_code == _REFUSED:
            self.refused += 1
        else:
            self.failed += 1

    def summary(self) -> dict[str, Any]:
        """Ready for JSON; latencies are None where nothing was answered."""
        return {
            "requests": len(self.latencies) + self.refused + self.failed,
            "answered": len(self.latencies),
            "refused": self.refused,
            "failed": self.failed,
            "throughput": round(len(self.latencies) / self.seconds, 3) if self.seconds else 0.0,
            **{
                f"p{share}": round(float(np.percentile(self.latencies, share)), 3) if self.latencies else None
                for share in (50, 95, 99)
            },
        }


async def capacity(requests: Requests, seconds: float) -> float:
    """Requests a second that eight clients get answered, each sending one when the last is answered."""
    outcome = Outcome()
    began = time.perf_counter()

    async def caller() -> None:
        while time.perf_counter() - began < seconds:
            await _timed(requests.next(), time.perf_counter(), outcome)

    await asyncio.gather(*(caller() for _ in range(_CLIENTS)))
    if outcome.refused or outcome.failed or not outcome.latencies:
        raise RuntimeError(f"capacity cannot be measured: {outcome.summary()}")
    return len(outcome.latencies) / (time.perf_counter() - began)


async def open_arrivals(requests: Requests, rate: float, seconds: float, seed: int) -> Outcome:
    """Requests that come at random (Poisson), whether or not earlier ones are answered.

    Returns when all are answered.

    Args:
        requests: to the server.
        rate: requests a second.
        seconds: for which they come.
        seed: of their times.
    """
    outcome, drawn = Outcome(), random.Random(seed)
    began, due = time.perf_counter(), 0.0
    async with asyncio.TaskGroup() as group:
        while (due := due + drawn.expovariate(rate)) < seconds:
            await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
            group.create_task(_timed(requests.next(), began + due, outcome))
    outcome.seconds = max(seconds, time.perf_counter() - began)
    return outcome


async def _timed(send: Send, due: float, outcome: Outcome) -> None:
    try:
        answer: httpx.Response | None = await send()
    except httpx.TransportError:
        answer = None
    outcome.add(answer, time.perf_counter() - due)
