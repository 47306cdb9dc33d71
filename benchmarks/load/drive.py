"""Sends mixed requests to a server: in a closed loop for its capacity, and at random for its latency."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from benchmarks.speech import clips

LOADS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
_CLIENTS = 8
_DECK = ("stt",) * 8 + ("tts",) * 2
"""Kinds of ten requests. They are shuffled, so that every stretch of a run has nearly the same work."""
_TEXTS = {
    "en": ("Your order number {0} leaves at nine.", "Please call extension {0} after lunch."),
    "es": ("El pedido número {0} sale a las nueve.", "Llame a la extensión {0} por la tarde."),
}
_REFUSED = 503

Send = Callable[[], Awaitable[httpx.Response]]


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


class Mix:
    """The same requests in the same order for every server with the same seed."""

    def __init__(self, client: httpx.AsyncClient, seed: int) -> None:
        self._client = client
        self._drawn = random.Random(seed)
        self._sounds = [
            (clip.path.name, clip.path.read_bytes()) for language in ("en", "es") for clip in clips(language)
        ]
        self._requests = self._draw()

    def next(self) -> Send:
        return next(self._requests)

    def _draw(self) -> Iterator[Send]:
        while True:
            for kind in self._drawn.sample(_DECK, len(_DECK)):
                yield self._read() if kind == "stt" else self._speak()

    def _read(self) -> Send:
        sound = self._drawn.choice(self._sounds)
        return lambda: self._client.post("/stt", files={"file": sound})

    def _speak(self) -> Send:
        language = self._drawn.choice(sorted(_TEXTS))
        # a number of its own: equal texts that come at once would be spoken once
        text = self._drawn.choice(_TEXTS[language]).format(self._drawn.randrange(1000, 10_000))
        body = {"text": text, "language": language, "format": "wav"}
        return lambda: self._client.post("/tts", json=body)


async def capacity(client: httpx.AsyncClient, seconds: float, seed: int = 1) -> float:
    """Requests a second that so many clients get answered, each sending one when the last is answered."""
    mix, outcome = Mix(client, seed), Outcome()
    began = time.perf_counter()

    async def caller() -> None:
        while time.perf_counter() - began < seconds:
            await _timed(mix.next(), time.perf_counter(), outcome)

    await asyncio.gather(*(caller() for _ in range(_CLIENTS)))
    if outcome.refused or outcome.failed or not outcome.latencies:
        raise RuntimeError(f"capacity cannot be measured: {outcome.summary()}")
    return len(outcome.latencies) / (time.perf_counter() - began)


async def open_arrivals(client: httpx.AsyncClient, rate: float, seconds: float, seed: int) -> Outcome:
    """Requests that come at random (Poisson), whether or not earlier ones are answered.

    Returns when all are answered.

    Args:
        client: of the server.
        rate: requests a second.
        seconds: for which they come.
        seed: of the requests and of their times.
    """
    mix, outcome, drawn = Mix(client, seed), Outcome(), random.Random(seed)
    began, due = time.perf_counter(), 0.0
    async with asyncio.TaskGroup() as group:
        while (due := due + drawn.expovariate(rate)) < seconds:
            await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
            group.create_task(_timed(mix.next(), began + due, outcome))
    outcome.seconds = max(seconds, time.perf_counter() - began)
    return outcome


async def _timed(send: Send, due: float, outcome: Outcome) -> None:
    try:
        answer: httpx.Response | None = await send()
    except httpx.TransportError:
        answer = None
    outcome.add(answer, time.perf_counter() - due)
