"""Send mixed requests at twice the server's capacity. Prints the answers; exits 1 if one is wrong.

    make run                                             # or any other server
    python -m benchmarks.soak --key KEY                  # ten thousand requests to http://127.0.0.1:8000

Every answer must be right, or a 429 or 503 with `Retry-After`. A transcript must equal the one that the same
audio gave on an idle server. Memory must come back to within 5 % of what it was after the first
tenth, and `/health/live` must answer within 100 ms in 99 of 100 cases. The server's memory is read
from `/metrics`, so it need not run on this machine.
"""

import argparse
import asyncio
import itertools
import multiprocessing
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import httpx

_SENTENCES = {
    "en": (
        "The meeting begins at nine.",
        "Please leave a message after the tone.",
        "It rained all night long.",
    ),
    "es": ("La reunión empieza a las nueve.", "Deje su mensaje después del tono.", "Llovió toda la noche."),
}
_KINDS = {
    "stt": 40,
    "stt stream": 10,
    "stt language": 8,
    "tts again": 16,
    "tts new": 4,
    "tts stream": 2,
    "leaves": 8,
    "no audio": 7,
    "no text": 5,
}
"""Kinds of requests, and the share of each in per cent."""
_LONGEST_PAUSE = 2.0
"""Longest wait of a refused client in seconds, whatever `Retry-After` says: the load must not fall."""
_REFUSED = (429, 503)


@dataclass
class Results:
    """The outcome of all requests."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Latency in seconds of each request that was answered, not refused."""
    live: list[float] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)
    """Requests so far, and MB."""


Ask = Callable[[], Awaitable[httpx.Response | None]]
"""Sends one request; None if it disconnected before the answer."""


class Mix:
    """Requests of every kind, and whether an answer to them is right."""

    def __init__(self, client: httpx.AsyncClient, chance: random.Random) -> None:
        self._client = client
        self._chance = chance
        self._sounds: list[tuple[bytes, str]] = []
        self._numbers = itertools.count()
        # other texts than those of an earlier run, which may be in storage
        self._salt = "".join(random.SystemRandom().choices("aeilmnorst", k=5))

    async def prepare(self) -> None:
        """Let the idle server speak the sentences and transcribe them, for comparison."""
        for language, sentences in _SENTENCES.items():
            for sentence in sentences:
                spoken = await self._client.post("/tts/stream", json={"text": sentence, "language": language})
                spoken.raise_for_status()
                read = await self._stt(spoken.content)
                read.raise_for_status()
                self._sounds.append((spoken.content, read.json()["text"]))

    def draw(self) -> tuple[str, Ask, Callable[[httpx.Response], str | None]]:
        """A kind, the request, and what is wrong with an answer to it (None: nothing)."""
        kind = self._chance.choices(list(_KINDS), list(_KINDS.values()))[0]
        sound, text = self._chance.choice(self._sounds)
        language = self._chance.choice(list(_SENTENCES))
        sentence = self._chance.choice(_SENTENCES[language])
        new = f"{sentence} {self._salt} {next(self._numbers)}"
        known = {"text": sentence, "language": language}
        asks: dict[str, tuple[Ask, Callable[[httpx.Response], str | None]]] = {
            "stt": (lambda: self._stt(sound), lambda one: _expect(one, 200, _says(one, text))),
            "stt stream": (
                lambda: self._stt(sound, stream="true"),
                lambda one: _expect(one, 200, "event: done" in one.text and "event: error" not in one.text),
            ),
            "stt language": (
                lambda: self._client.post("/stt/language", files={"file": ("a.wav", sound)}),
                lambda one: _expect(one, 200, one.is_success and "language" in one.json()),
            ),
            "tts again": (
                lambda: self._client.post("/tts", json=known),
                lambda one: _expect(one, 200, one.is_success and one.json()["url"].startswith("http")),
            ),
            "tts new": (
                lambda: self._client.post("/tts", json={"text": new, "language": language}),
                lambda one: _expect(one, 200, one.is_success and one.json()["cached"] is False),
            ),
            "tts stream": (
                lambda: self._client.post("/tts/stream", json=known),
                lambda one: _expect(one, 200, one.content[:4] == b"RIFF" and len(one.content) > 10_000),
            ),
            "leaves": (lambda: self._leaving(sound), lambda one: _expect(one, 200, _says(one, text))),
            "no audio": (lambda: self._stt(b"this is no sound" * 50), lambda one: _expect(one, 415, True)),
            "no text": (
                lambda: self._client.post("/tts", json={"text": "...", "language": "en"}),
                lambda one: _expect(one, 422, True),
            ),
        }
        return kind, *asks[kind]

    async def _stt(self, sound: bytes, **fields: str) -> httpx.Response:
        return await self._client.post("/stt", files={"file": ("a.wav", sound)}, data=fields)

    async def _leaving(self, sound: bytes) -> httpx.Response | None:
        try:
            async with asyncio.timeout(self._chance.uniform(0, 0.5)):
                return await self._stt(sound)
        except TimeoutError:
            return None


def _says(answer: httpx.Response, text: str) -> bool:
    return answer.is_success and answer.json()["text"] == text


def _expect(answer: httpx.Response, status: int, right: bool) -> str | None:
    return None if answer.status_code == status and right else f"{answer.status_code}: {answer.text[:200]}"


async def soak(client: httpx.AsyncClient, mix: Mix, requests: int, clients: int, minutes: float) -> Results:
    """Send all requests, or as many as there is time for."""
    results, numbers = Results(), iter(range(requests))
    deadline = time.monotonic() + minutes * 60

    async def caller() -> None:
        for number in numbers:
            if time.monotonic() > deadline:
                return
            if number % (requests // 50 or 1) == 0:
                results.memory.append((number, size := await _memory(client)))
                print(f"{number:6} requests, {size:.0f} MB", flush=True)
            await _one(mix, results)

    with _probing(f"{client.base_url}".rstrip("/") + "/health/live") as waits:
        await asyncio.gather(*(caller() for _ in range(clients)))
    results.live = waits
    await asyncio.sleep(5)  # work of clients that disconnected is still being cancelled
    results.memory.append((sum(results.statuses.values()), await _memory(client)))
    return results


@contextmanager
def _probing(url: str) -> Iterator[list[float]]:
    """Latencies of `url` in seconds, polled; filled when the block ends.

    It runs in a process of its own: this one serves a hundred clients and would measure its own delays.
    """
    spawn = multiprocessing.get_context("spawn")
    waits: list[float] = []
    ours, its = spawn.Pipe()
    process = spawn.Process(target=_probe, args=(url, its), daemon=True)
    process.start()
    try:
        yield waits
        ours.send(None)
        waits += ours.recv()
    finally:
        process.terminate()
        process.join()


def _probe(url: str, order: Connection) -> None:
    waits = []
    with httpx.Client(trust_env=False) as client:
        while not order.poll(0.2):
            started = time.perf_counter()
            client.get(url, timeout=60).raise_for_status()
            waits.append(time.perf_counter() - started)
    order.send(waits)


async def _one(mix: Mix, results: Results) -> None:
    kind, ask, wrong = mix.draw()
    started = time.perf_counter()
    try:
        answer = await ask()
    except httpx.HTTPError as error:
        results.statuses[type(error).__name__] += 1
        results.wrong.append(f"{kind}: {error!r}")
        return
    if answer is None:
        results.statuses["left"] += 1
        return
    results.statuses[str(answer.status_code)] += 1
    if answer.status_code in _REFUSED:
        pause = answer.headers.get("Retry-After")
        if pause is None:
            results.wrong.append(f"{kind}: {answer.status_code} without Retry-After")
        await asyncio.sleep(min(float(pause or 1), _LONGEST_PAUSE))
        return
    results.seconds.append(time.perf_counter() - started)
    if (reason := wrong(answer)) is not None:
        results.wrong.append(f"{kind}: {reason}")


async def _memory(client: httpx.AsyncClient) -> float:
    metrics = (await client.get("/metrics")).raise_for_status().text
    return (
        sum(float(found) for found in re.findall(r"^voz_process_resident_bytes\S* (\S+)$", metrics, re.M))
        / 1e6
    )


def report(results: Results, took: float) -> bool:
    """Print the report. True if every condition is met."""
    total = sum(results.statuses.values())
    warm = next(size for number, size in sorted(results.memory) if number >= total / 10)
    last = results.memory[-1][1]
    live = statistics.quantiles(results.live, n=100)[98]
    print(f"{total} requests in {took:.0f} s: {dict(results.statuses.most_common())}")
    median, slow = _share(results.seconds, 0.5), _share(results.seconds, 0.95)
    print(f"answered within (p50, p95): {median:.2f} s, {slow:.2f} s")
    print(f"memory after a tenth {warm:.0f} MB, at the end {last:.0f} MB: {last / warm - 1:+.1%}")
    print(f"/health/live p99 {1000 * live:.0f} ms, at worst {1000 * max(results.live):.0f} ms")
    print(f"wrong: {len(results.wrong)}")
    for one in results.wrong[:10]:
        print(f"  {one}")
    return not results.wrong and last <= 1.05 * warm and live < 0.1


def _share(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[int(share * (len(ordered) - 1))] if ordered else float("nan")


async def main() -> bool:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--url", default="http://127.0.0.1:8000")
    arguments.add_argument("--key", required=True)
    arguments.add_argument("--requests", type=int, default=10_000)
    arguments.add_argument("--clients", type=int, help="twice what the server takes, if not given")
    arguments.add_argument("--minutes", type=float, default=60, help="at most")
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    async with httpx.AsyncClient(
        base_url=given.url,
        headers={"X-API-Key": given.key},
        timeout=300,
        trust_env=False,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=1000),
    ) as client:
        models = (await client.get("/models")).raise_for_status().json()
        clients = given.clients or 2 * sum(models[task]["max_requests"] for task in ("stt", "tts"))
        mix = Mix(client, random.Random(given.seed))
        await mix.prepare()
        print(f"{clients} clients", flush=True)
        started = time.perf_counter()
        results = await soak(client, mix, given.requests, clients, given.minutes)
        return report(results, time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
