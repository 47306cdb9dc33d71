"""What Ray Serve costs: a row through a handle, throughput of one replica, memory of each process.

    python -m benchmarks.ray [--rounds 3] [--seconds 15] [--threads 2]

Everything is paired: the same rows on the same cores, in this process and in replicas, in turn. The cost of
a handle is measured with an engine that answers at once, so that nothing else is in it; throughput with
Whisper `base` and 8 callers, in this process, in one replica, and in two that share its threads.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from src.cluster.environment import secure_environment
from src.config import Settings, load_settings
from src.core.loader import open_models
from src.engines import cpu
from src.engines.absent import AbsentEngine
from src.engines.base import STT_SAMPLE_RATE, Audio, OnEarlySound, SttOptions, Transcript, Utterance, Voice
from src.engines.models import Models
from src.engines.remote import RemoteSpeechToText, RemoteTextToSpeech
from src.processes.allocator import reuse_freed_blocks
from tests.support.ray_cluster import descendants

CALLERS = 8
ROWS = 200
"""Of each kind, for the cost of a handle."""


class Instant(AbsentEngine):
    """An engine that answers at once."""

    voices = (Voice("tone", "en", "en", "instant", "instant", 24_000),)

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        return Transcript((), "en", 1.0)

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        return Utterance(np.zeros(len(text) * 1600, np.float32))


@asynccontextmanager
async def open_instant(settings: Settings, *, transcribes: bool, speaks: bool) -> AsyncIterator[Models]:
    yield Models(Instant(), Instant())


async def in_turn(
    first: Callable[[], Awaitable[Any]], second: Callable[[], Awaitable[Any]], times: int
) -> tuple[list[float], list[float]]:
    """Seconds of each call, one after the other."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(times + 20):
        for which, call in enumerate((first, second)):
            began = time.perf_counter()
            await call()
            if number >= 20:
                taken[which].append(time.perf_counter() - began)
    return taken


async def handle_cost(stt: RemoteSpeechToText, tts: RemoteTextToSpeech) -> None:
    here, options = Instant(), SttOptions()
    print("\n| row | here p50 ms | handle p50 ms | difference p50 ms | p95 ms |")
    print("| --- | --- | --- | --- | --- |")
    kinds: dict[str, tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]]] = {}
    for seconds in (1, 10, 30):
        audio = np.zeros(seconds * STT_SAMPLE_RATE, np.float32)
        kinds[f"{seconds} s of audio in"] = (
            lambda audio=audio: here.transcribe(audio, options, "r"),  # type: ignore[misc]
            lambda audio=audio: stt.transcribe(audio, options, "r"),  # type: ignore[misc]
        )
    text = "x" * 75
    kinds["5 s of speech out"] = (
        lambda: here.utter(text, here.voices[0], "r"),
        lambda: tts.utter(text, tts.voices[0], "r"),
    )
    for name, (local, remote) in kinds.items():
        ours, theirs = await in_turn(local, remote, ROWS)
        paired = sorted(b - a for a, b in zip(ours, theirs, strict=True))
        print(
            f"| {name} | {1e3 * statistics.median(ours):.2f} | {1e3 * statistics.median(theirs):.2f}"
            f" | {1e3 * statistics.median(paired):.2f} | {1e3 * paired[int(len(paired) * 0.95)]:.2f} |"
        )


def cpu_seconds() -> float:
    """Of this process and all that it has started, Ray's and the replicas among them."""
    seconds = 0.0
    for pid in descendants(os.getpid()):
        with suppress(OSError):
            seconds += machine.cpu_seconds(pid)
    return seconds


@dataclass
class Throughput:
    """What one engine did in several rounds."""

    rows_per_second: list[float] = field(default_factory=list)
    cpu_seconds_per_row: list[float] = field(default_factory=list)


async def work(engine: Any, audio: Audio, seconds: float, found: Throughput) -> None:
    """Let 8 callers send a row whenever the last one is answered."""
    end = time.perf_counter() + seconds
    began, spent, done = time.perf_counter(), cpu_seconds(), 0

    async def caller(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await engine.transcribe(audio, SttOptions(language="en"), f"caller-{number}")
            done += 1

    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    found.rows_per_second.append(done / (time.perf_counter() - began))
    found.cpu_seconds_per_row.append((cpu_seconds() - spent) / done)


async def throughput(
    engines: dict[str, Any], audio: Audio, rounds: int, seconds: float
) -> dict[str, Throughput]:
    """What each engine does, in turn; the first one is what the others are compared with."""
    for engine in engines.values():
        await work(engine, audio, 3, Throughput())
    found = {name: Throughput() for name in engines}
    for _ in range(rounds):
        for name, engine in engines.items():
            await work(engine, audio, seconds, found[name])
    length = len(audio) / STT_SAMPLE_RATE
    print(f"\n{CALLERS} callers, rows of {length:.1f} s, in turn:\n")
    print("| Whisper | rows a second | audio a second | to the first | CPU seconds a row | to the first |")
    print("| --- | --- | --- | --- | --- | --- |")
    first = next(iter(found.values()))
    for name, one in found.items():
        columns = [name, ", ".join(f"{value:.2f}" for value in one.rows_per_second)]
        columns.append(f"{length * statistics.median(one.rows_per_second):.1f} s")
        columns.append(_ratio(first.rows_per_second, one.rows_per_second))
        columns.append(", ".join(f"{value:.3f}" for value in one.cpu_seconds_per_row))
        columns.append(_ratio(first.cpu_seconds_per_row, one.cpu_seconds_per_row))
        print(f"| {' | '.join(columns)} |")
    return found


def _ratio(first: list[float], second: list[float]) -> str:
    """Median over the rounds, in which both worked one after the other."""
    return f"{statistics.median(b / a for a, b in zip(first, second, strict=True)):.3f}"


def memory() -> None:
    """Proportional set size of each process of Ray on this machine."""
    print("\n| process | MB (PSS) |\n| --- | --- |")
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            rollup = (folder / "smaps_rollup").read_text()
        except OSError:
            continue
        title = next((word for word in words if "ray::" in word or "/ray/" in word), None)
        if title is not None and "benchmarks.ray" not in words:
            pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
            print(f"| {title.rpartition('/')[2][:40]} | {pss // 1024} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of throughput; 0: the cost of a handle alone")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="where the throughput is written, for benchmarks.capacity")
    parser.add_argument("--temp-dir", help="where Ray keeps its sockets; a short path")
    given = parser.parse_args()
    secure_environment()
    key = os.environ.get("API_KEY", "benchmark-key")
    os.environ |= {"API_KEY": key, "PYTHONPATH": os.getcwd()}  # noqa: PTH109 - as a string

    import ray
    from ray import serve

    from src.cluster.deployments import SpeechToTextReplica, TextToSpeechReplica
    from src.cluster.replicas import ServeReplicas
    from tests.support.speech import clip

    ray.init(
        num_cpus=8, include_dashboard=False, object_store_memory=200 * 2**20, _temp_dir=given.temp_dir,
        logging_level="ERROR", log_to_driver=False,
    )  # fmt: skip
    serve.start(proxy_location="Disabled")

    def deploy(kind: Any, name: str, engines: Any, threads: int, replicas: int = 1) -> ServeReplicas:
        made = serve.deployment(
            kind,
            name=name,
            num_replicas=replicas,
            max_ongoing_requests=48,
            logging_config={"log_level": "WARNING", "enable_access_log": False},
            request_router_config={"request_router_class": "src.cluster.router:ShortestQueue"},
            ray_actor_options={"num_cpus": threads},
        )
        return ServeReplicas(serve.run(made.bind(engines, ""), name=name, route_prefix=None))

    async def run() -> None:
        try:
            await measure()
        finally:
            serve.shutdown()  # while the loop runs that rows are sent from

    async def measure() -> None:
        async with (
            RemoteSpeechToText("stt", deploy(SpeechToTextReplica, "in", open_instant, 1)) as stt,
            RemoteTextToSpeech("tts", deploy(TextToSpeechReplica, "out", open_instant, 1)) as tts,
        ):
            await handle_cost(stt, tts)
        serve.delete("in")
        serve.delete("out")
        if not given.rounds:
            return
        settings = load_settings(cpu_threads=given.threads)
        one = deploy(SpeechToTextReplica, "one", open_models, given.threads)
        two = deploy(SpeechToTextReplica, "two", open_models, max(1, given.threads // 2), replicas=2)
        async with (
            open_models(settings, speaks=False) as models,
            RemoteSpeechToText("stt", one) as alone,
            RemoteSpeechToText("stt", two) as both,
        ):
            engines = {"in this process": models.stt, "1 replica": alone, "2 replicas": both}
            audio = clip("en-agent")
            found = await throughput(engines, audio, given.rounds, given.seconds)
            memory()
        if given.json:
            seen = {"callers": CALLERS, "row_seconds": len(audio) / STT_SAMPLE_RATE, "threads": given.threads}
            rows = {name: one.rows_per_second for name, one in found.items()}
            given.json.write_text(json.dumps({**seen, "rows_per_second": rows}, indent=1) + "\n")

    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"{cpu.in_words()}, {os.cpu_count()} cores, load average {load}; {given.threads} threads for Whisper"
    )
    try:
        asyncio.run(run())
    finally:
        ray.shutdown()


if __name__ == "__main__":
    reuse_freed_blocks()  # as the Api processes do, which send the rows
    main()
