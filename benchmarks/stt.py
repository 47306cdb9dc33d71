"""Compare the speed and the word error rate of speech to text with its peers, on the same weights and cores.

The systems take turns. The results are printed; nothing is asserted.

    python -m benchmarks.stt --model models/whisper/base                       # clips and load, in process
    python -m benchmarks.stt --model models/whisper/base --minutes 10          # and a long file
    python -m benchmarks.stt ... --url http://127.0.0.1:8000 --key KEY         # Voz through HTTP, too
    python -m benchmarks.stt ... --device cuda --clients 1 8 32 128            # all of them on a GPU

Peers are faster-whisper's `WhisperModel.transcribe` (one call at a time, language detection on, beam 5),
the same with beam 1, its `BatchedInferencePipeline`, and a batcher that works as WhisperLive's does.
"""

import argparse
import asyncio
import math
import os
import queue
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speech import Clip, clips, long_file, word_error_rate
from benchmarks.systems import open_both
from src.engines import cpu
from src.engines.base import SttOptions
from src.engines.compute_types import for_whisper
from src.processes.allocator import limit_malloc_arenas, trim_periodically

Read = Callable[[Path], Awaitable[str]]
"""Reads one file and gives its text."""


@dataclass
class Measurements:
    """Texts and latencies of one system, by clip."""

    texts: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    """Latencies under load, where a clip is sent more than once."""


async def timed(read: Read, path: Path, name: str, measured: Measurements) -> None:
    start = time.perf_counter()
    measured.texts[name] = await read(path)
    measured.seconds[name] = time.perf_counter() - start


async def clips_in_turn(systems: dict[str, Read], pool: Sequence[Clip]) -> dict[str, Measurements]:
    """One client sends each clip to every system. The order of the systems rotates."""
    results = {name: Measurements() for name in systems}
    names = list(systems)
    for number, clip in enumerate(pool):
        for turn in range(len(names)):
            name = names[(number + turn) % len(names)]
            await timed(systems[name], clip.path, clip.name, results[name])
    return results


def load(pool: Sequence[Clip], clients: int) -> list[Clip]:
    """The clips that so many clients send."""
    return list(pool) * math.ceil(2 * clients / len(pool))


async def under_load(read: Read, pool: Sequence[Clip], clients: int) -> tuple[float, Measurements]:
    """`clients` clients send clips, each as soon as its last one is answered. Gives the total seconds.

    Where there are fewer than two clips for each client, the clips are sent again.
    """
    waiting, measured = list(reversed(load(pool, clients))), Measurements()

    async def client() -> None:
        while waiting:
            clip = waiting.pop()
            await timed(read, clip.path, f"{clip.language} {clip.name}", measured)
            measured.waits.append(measured.seconds[f"{clip.language} {clip.name}"])

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return time.perf_counter() - start, measured


def compare(language: str, pool: Sequence[Clip], results: dict[str, Measurements], ours: str) -> None:
    """Print times and error rates. Ratios compare total times; the spread is that of single files."""
    for name, measured in results.items():
        references = [clip.text for clip in pool]
        hypotheses = [measured.texts[clip.name] for clip in pool]
        total = sum(measured.seconds.values())
        ratios = sorted(measured.seconds[clip.name] / results[ours].seconds[clip.name] for clip in pool)
        low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
        wer = word_error_rate(language, references, hypotheses)
        print(
            f"  {language} {name:24} {total:7.1f} s   WER {wer:5.2f} %   "
            f"{ours}: {total / sum(results[ours].seconds.values()):4.2f} x as fast "
            f"(80 % of files between {low:.1f} and {high:.1f})",
            flush=True,
        )


class WhisperLive:
    """A batcher like WhisperLive's: it waits 50 ms for a batch, and every row is padded to 30 s."""

    def __init__(self, model: Any, rows: int = 8) -> None:
        self._model = model
        self._rows = rows
        self._line: queue.Queue[tuple[Path, Future[str]]] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    async def read(self, path: Path) -> str:
        future: Future[str] = Future()
        self._line.put((path, future))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        import ctranslate2
        from faster_whisper.audio import decode_audio, pad_or_trim
        from faster_whisper.tokenizer import Tokenizer

        while True:
            batch = [self._line.get()]
            deadline = time.monotonic() + 0.05
            while len(batch) < self._rows:
                try:
                    batch.append(self._line.get(timeout=max(0.0, deadline - time.monotonic())))
                except queue.Empty:
                    break
            mels = [pad_or_trim(self._model.feature_extractor(decode_audio(str(path)))) for path, _ in batch]
            encoded = self._model.model.encode(ctranslate2.StorageView.from_array(np.stack(mels)))
            found = self._model.model.detect_language(encoded)
            tokenizers = [
                Tokenizer(self._model.hf_tokenizer, True, task="transcribe", language=row[0][0][2:-2])
                for row in found
            ]
            results = self._model.model.generate(
                encoded, [one.sot_sequence for one in tokenizers], beam_size=5
            )
            for (_, future), tokenizer, result in zip(batch, tokenizers, results, strict=True):
                future.set_result(tokenizer.decode(result.sequences_ids[0]))


def through_http(stack: AsyncExitStack, url: str, key: str) -> Read:
    import httpx

    client = httpx.AsyncClient(base_url=url, headers={"X-API-Key": key}, timeout=3600, trust_env=False)
    stack.push_async_callback(client.aclose)

    async def read(path: Path) -> str:
        data = await asyncio.to_thread(path.read_bytes)
        answer = await client.post("/stt", files={"file": (path.name, data)})
        answer.raise_for_status()
        return str(answer.json()["text"])

    return read


def peak_since_reset() -> float:
    """Peak memory in MB since `reset_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _machine(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else cpu.in_words()


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--model", type=Path, required=True, help="a CTranslate2 Whisper folder")
    arguments.add_argument("--languages", nargs="+", default=["en", "es"])
    arguments.add_argument("--clips", type=int, default=1000, help="of each language at most")
    arguments.add_argument("--clients", type=int, nargs="*", default=[1, 4, 8, 16])
    arguments.add_argument("--minutes", type=float, nargs="*", default=[])
    arguments.add_argument("--batch", type=int, nargs="+", default=[1, 8], help="batch sizes of the pipeline")
    arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments.add_argument("--compute-type", default="auto")
    arguments.add_argument("--only", nargs="+", help="systems, by the names that are printed")
    arguments.add_argument("--beam-1", action="store_true", help="compare with the peer's greedy search, too")
    arguments.add_argument("--url", help="of a running server")
    arguments.add_argument("--key", default="")
    given = arguments.parse_args()
    given.compute_type = for_whisper(given.compute_type, given.device)
    print(f"{_machine(given.device)}, {given.compute_type}", flush=True)
    limit_malloc_arenas()  # as the server does, and `trim_periodically` as well
    async with AsyncExitStack() as stack, trim_periodically():
        await run(given, stack)


async def run(given: argparse.Namespace, stack: AsyncExitStack) -> None:
    from faster_whisper import BatchedInferencePipeline

    engine, service, model = await open_both(given, stack)
    pipeline = BatchedInferencePipeline(model)
    one_at_a_time = asyncio.Lock()

    async def ours(path: Path) -> str:
        with path.open("rb") as file:
            return (await service.transcribe(file, SttOptions())).text

    def theirs(call: Callable[..., Any], **options: Any) -> Read:
        def read(path: Path) -> str:
            return " ".join(segment.text.strip() for segment in call(str(path), **options)[0])

        async def queued(path: Path) -> str:
            async with one_at_a_time:
                return await asyncio.to_thread(read, path)

        return queued

    systems: dict[str, Read] = {"ours": ours, "WhisperModel": theirs(model.transcribe)}
    if given.beam_1:
        systems["WhisperModel, beam 1"] = theirs(model.transcribe, beam_size=1)
    if given.url:
        systems["ours, HTTP"] = through_http(stack, given.url, given.key)
    systems_under_load = systems | {"like WhisperLive": WhisperLive(model).read}
    if given.device == "cuda":
        rows = max(given.batch)
        systems_under_load[f"Batched, {rows} rows"] = theirs(pipeline.transcribe, batch_size=rows)
    if given.only:
        systems = {name: read for name, read in systems.items() if name in given.only}
        systems_under_load = {name: read for name, read in systems_under_load.items() if name in given.only}
    everything: list[Clip] = []
    for language in given.languages:
        pool = clips(language)[: given.clips]
        everything += pool
        print(
            f"{language}: {len(pool)} clips, {sum(clip.seconds for clip in pool):.0f} s, one client",
            flush=True,
        )
        compare(language, pool, await clips_in_turn(systems, pool), next(iter(systems)))
        print(f"  decoded again: {engine.stats.retry_rate:.1%} of rows so far: {dict(engine.stats.issues)}")
    for clients in given.clients:
        for name, read in systems_under_load.items():
            took, measured = await under_load(read, everything, clients)
            sent, waits = load(everything, clients), measured.waits
            print(
                f"{clients:3} clients  {name:24} {took:7.1f} s   {len(sent) / took:6.1f} clips and "
                f"{sum(clip.seconds for clip in sent) / took:6.1f} s of audio a second   "
                f"p50 {statistics.median(waits):5.2f} s  p95 {percentile(waits, 0.95):5.2f} s   "
                f"WER {_errors(everything, measured)}",
                flush=True,
            )
    for minutes in given.minutes:
        for language in given.languages:
            await long(language, minutes, systems, pipeline, theirs, given.batch)
    print(f"decoded again, in all: {engine.stats.retry_rate:.1%} of rows: {engine.stats}")


def _errors(pool: Sequence[Clip], measured: Measurements) -> str:
    """Word error rate of each language."""
    rates = []
    for language in dict.fromkeys(clip.language for clip in pool):
        some = [clip for clip in pool if clip.language == language]
        said = [measured.texts[f"{language} {clip.name}"] for clip in some]
        rates.append(f"{language} {word_error_rate(language, [clip.text for clip in some], said):.2f} %")
    return ", ".join(rates)


async def long(
    language: str,
    minutes: float,
    systems: dict[str, Read],
    pipeline: Any,
    theirs: Callable[..., Read],
    batches: Sequence[int],
) -> None:
    """Measure one long file with each system, the peak memory, and the latency of a short clip meanwhile."""
    short = next(clip for clip in clips(language) if 2.8 < clip.seconds < 3.2)
    batched = {f"Batched, {rows} rows": theirs(pipeline.transcribe, batch_size=rows) for rows in batches}
    with tempfile.TemporaryDirectory() as folder:
        path, said = long_file(language, minutes, Path(folder))
        file = Clip(path.name, language, said, path, minutes * 60)
        results = {}
        print(f"{language}: a file of {minutes:g} minutes", flush=True)
        for name, read in (systems | batched).items():
            results[name] = Measurements()
            reset_peak()
            before = peak_since_reset()
            await timed(read, path, file.name, results[name])
            print(f"  {name}: peak of {peak_since_reset() - before:.0f} MB above the start", flush=True)
        compare(language, [file], results, "ours")
        ours, alone, beside = systems["ours"], Measurements(), Measurements()
        for turn in range(10):
            await timed(ours, short.path, str(turn), alone)
        work: asyncio.Future[str] = asyncio.ensure_future(ours(path))
        while not work.done():
            await timed(ours, short.path, str(len(beside.seconds)), beside)
            await asyncio.wait([work], timeout=0.7)
        waits = list(beside.seconds.values())[:-1] or list(beside.seconds.values())
        print(
            f"  a clip of 3 s: alone {statistics.median(alone.seconds.values()):.2f} s, beside the long file "
            f"{statistics.median(waits):.2f} s, at worst {max(waits):.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    asyncio.run(main())
