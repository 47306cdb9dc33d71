"""What HTTP and the decoder processes cost, against the same work without them, in turn.

    python -m benchmarks.overhead                  # 2 minutes on two idle cores; writes JSON and a table
    python -m benchmarks.overhead --minutes 60     # a whole hour as the long file

- A clip of 1 s: through HTTP, by the service in this process, and by the engine alone.
- A clip of 3 s, decoded by a decoder process and by a thread of this process.
- A long file, transcribed by the service with decoder processes and with a decoder in this process.
"""

import argparse
import asyncio
import gc
import http.client
import io
import json
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import urlsplit

import httpx
import numpy as np

from benchmarks import documents, machine, plots
from benchmarks.speech import long_file
from src.config import Settings
from src.core.loader import open_models
from src.engines.base import STT_SAMPLE_RATE, Audio, SpeechToText, SttOptions
from src.services.audio import AudioSource
from src.services.decoding.pool import Decoders
from src.services.stt import SttService
from tests.support.server import KEY, app_with, background, serve
from tests.support.speech import clip, wav

_OPTIONS = SttOptions(language="en")
_PAUSE = 0.03
"""Seconds after each call, in which the next decoder is forked. A server forks it beside other work."""
_MOST_SECONDS = 1e6

Work = Callable[[], Awaitable[object]]


class DecodingHere:
    """As `Decoding`, but the decoder is a thread of this process."""

    declared_seconds: float | None = None

    def __init__(self, source: AudioSource) -> None:
        self._source = source
        self._blocks = source.blocks()

    @property
    def warnings(self) -> list[str]:
        return self._source.warnings

    @property
    def track(self) -> int | None:
        return self._source.track

    @property
    def tracks(self) -> int | None:
        return self._source.tracks

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Audio:
        block = await asyncio.to_thread(next, self._blocks, None)
        if block is None:
            raise StopAsyncIteration
        return block.astype(np.float32) / np.float32(32768)


class DecodersHere:
    """As `Decoders`, without processes."""

    @asynccontextmanager
    async def decode(
        self, file: BinaryIO, max_seconds: float, track: int | None = None, *, whole_only: bool = False
    ) -> AsyncIterator[DecodingHere]:
        source = await asyncio.to_thread(AudioSource, file, max_seconds, track, whole_only=whole_only)
        with source:
            yield DecodingHere(source)


class HttpClient:
    """Sends one request again and again on one connection, with as little work as can be."""

    def __init__(self, url: str, content: bytes) -> None:
        request = httpx.Request("POST", f"{url}/stt", files={"file": content}, data={"language": "en"})
        body = request.read()
        address = urlsplit(url)
        self._address = str(address.hostname), address.port or 80
        head = (
            f"POST /stt HTTP/1.1\r\nHost: {address.netloc}\r\nX-API-Key: {KEY}\r\n"
            f"Content-Type: {request.headers['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._socket: socket.socket | None = None

    def post(self) -> None:
        """Send it and read the answer.

        Raises:
            RuntimeError: the answer is no 200.
        """
        try:
            status, content = self._exchange()
        except ConnectionError:  # the server ends a connection that was idle for some seconds
            self.close()
            status, content = self._exchange()
        if status != 200:
            raise RuntimeError(f"{status}: {content[:200]!r}")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self) -> tuple[int, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=120)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(self._request)
        answer = http.client.HTTPResponse(self._socket, method="POST")
        answer.begin()
        content = answer.read()
        if answer.will_close:
            self.close()
        return answer.status, content


async def in_turn(works: dict[str, Work], rounds: int, pause: float = 0.0) -> dict[str, list[float]]:
    """Seconds of each, in each round. The order rotates; the first round is not counted."""
    names = list(works)
    took: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            began = time.perf_counter()
            await works[name]()
            seconds = time.perf_counter() - began
            if turn:
                took[name].append(seconds)
            await asyncio.sleep(pause)
    return took


def compared(took: dict[str, list[float]], base: str) -> dict[str, Any]:
    """Milliseconds: p50 of each, how far that is from `base`, and the median of the paired differences."""
    p50 = {name: 1e3 * float(np.median(values)) for name, values in took.items()}
    paired = {
        name: 1e3 * float(np.median(np.subtract(values, took[base])))
        for name, values in took.items()
        if name != base
    }
    return {
        "rounds": len(took[base]),
        "p50_ms": {name: round(value, 2) for name, value in p50.items()},
        "more_ms": {name: round(p50[name] - p50[base], 2) for name in paired},
        "paired_ms": {name: round(value, 2) for name, value in paired.items()},
    }


async def short_clip(
    engine: SpeechToText, service: SttService, url: str, rounds: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A clip of 1 s through HTTP against the service, and by the service against the engine."""
    # cut where a word ends: half a word would be read at each temperature, which hides the overhead
    audio = clip("en-extended")[:STT_SAMPLE_RATE]
    content = wav(audio).getvalue()
    client = HttpClient(url, content)
    works: dict[str, Work] = {
        "HTTP": lambda: asyncio.to_thread(client.post),
        "service": lambda: service.transcribe(io.BytesIO(content), _OPTIONS),
        "engine": lambda: engine.transcribe(audio, _OPTIONS, "overhead"),
    }
    try:
        took = await in_turn(works, rounds, _PAUSE)
        service_took = {name: took[name] for name in ("service", "engine")}
        http_took = {name: took[name] for name in ("HTTP", "service")}
        return compared(http_took, "service"), compared(service_took, "engine")
    finally:
        client.close()


async def decoding(decoders: Decoders, rounds: int) -> dict[str, Any]:
    """A clip of 3 s, decoded in both ways."""
    content = wav(clip("en-agent")[: 3 * STT_SAMPLE_RATE]).getvalue()

    async def decoded(where: "Decoders | DecodersHere") -> None:
        async with where.decode(io.BytesIO(content), _MOST_SECONDS) as blocks:
            samples = sum([len(block) async for block in blocks])
        if abs(samples - 3 * STT_SAMPLE_RATE) > 1:
            raise RuntimeError(f"{samples} samples were decoded")

    here = DecodersHere()
    works: dict[str, Work] = {
        "decoder process": lambda: decoded(decoders),
        "this process": lambda: decoded(here),
    }
    return compared(await in_turn(works, rounds, _PAUSE), "this process")


async def whole_file(
    services: dict[str, SttService], decoders: Decoders, minutes: float, rounds: int
) -> dict[str, Any]:
    """A long file, transcribed in both ways; wall and CPU seconds of each round, decoders included."""
    took: dict[str, dict[str, list[float]]] = {name: {"wall": [], "cpu": []} for name in services}
    with tempfile.TemporaryDirectory() as folder:
        path, _ = await asyncio.to_thread(long_file, "en", minutes, Path(folder))
        names = list(services)
        for turn in range(rounds):
            for name in names if turn % 2 == 0 else reversed(names):
                gc.collect()
                wall, cpu = time.perf_counter(), _cpu_seconds(decoders)
                with path.open("rb") as file:
                    await services[name].transcribe(file, _OPTIONS)
                took[name]["wall"].append(round(time.perf_counter() - wall, 3))
                await asyncio.sleep(0.2)  # until the decoder has been waited for
                took[name]["cpu"].append(round(_cpu_seconds(decoders) - cpu, 3))
    through, here = names
    return {
        "minutes": minutes,
        "rounds": rounds,
        "seconds": took,
        "more_percent": {
            kind: round(100 * (sum(took[through][kind]) / sum(took[here][kind]) - 1), 2)
            for kind in ("wall", "cpu")
        },
    }


def _cpu_seconds(decoders: Decoders) -> float:
    """Of this process, of the process that decoders are forked from, and of those that have ended."""
    if decoders.pid is None:
        raise RuntimeError("the decoders are not open")
    return time.process_time() + machine.cpu_seconds(decoders.pid, children=True)


async def measure(given: argparse.Namespace) -> dict[str, Any]:
    """What was measured, ready for JSON."""
    with tempfile.TemporaryDirectory(prefix="voz-overhead-") as scratch:
        settings = Settings(
            _env_file=None,
            api_key=KEY,
            models_dir=given.models_dir,
            storage="local",
            storage_dir=Path(scratch) / "storage",
            data_dir=Path(scratch) / "data",
            cpu_threads=given.threads,
            device="cpu",
        )
        found: dict[str, Any] = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine.in_words(),
            "model": settings.stt_model,
            "threads": given.threads,
        }
        with (
            background(open_models(settings, speaks=False)) as models,
            serve(app_with(models, settings)) as server,
        ):
            async with Decoders(spares=given.threads + 2, most=16, max_seconds=_MOST_SECONDS) as decoders:
                through = SttService(models.stt, decoders, max_audio_seconds=_MOST_SECONDS)
                here = SttService(models.stt, DecodersHere(), max_audio_seconds=_MOST_SECONDS)  # type: ignore[arg-type]  # it has what a file needs
                found["http_1s"], found["service_1s"] = await short_clip(
                    models.stt, through, server.url, given.rounds
                )
                print(found["http_1s"], found["service_1s"], flush=True)
                found["decode_3s"] = await decoding(decoders, 2 * given.rounds)
                print(found["decode_3s"], flush=True)
                ways = {"decoder process": through, "this process": here}
                found["file"] = await whole_file(ways, decoders, given.minutes, given.file_rounds)
                print(found["file"], flush=True)
    return found


def write_table(found: dict[str, Any]) -> None:
    """Write the table into the document."""
    decode, file = found["decode_3s"], found["file"]
    seconds = {
        name: ", ".join(f"{sum(values[kind]) / len(values[kind]):.2f} s {kind}" for kind in ("wall", "cpu"))
        for name, values in file["seconds"].items()
    }
    through, here = seconds.values()
    rows = [
        (
            "a clip of 1 s through HTTP, against the service in this process",
            found["http_1s"],
            "HTTP",
            "service",
        ),
        (
            "a clip of 1 s by the service (decoded and read), against the engine alone",
            found["service_1s"],
            "service",
            "engine",
        ),
        ("a clip of 3 s decoded by a process, against a thread", decode, "decoder process", "this process"),
    ]
    lines = [
        f"{found['date']}, {found['machine']}; Whisper `{found['model']}`, {found['threads']} threads.",
        "",
        "| | with | without | more, p50 | median of paired differences | rounds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for title, part, name, base in rows:
        p50, more, paired = part["p50_ms"], part["more_ms"][name], part["paired_ms"][name]
        lines.append(
            f"| {title} | {p50[name]:.1f} ms | {p50[base]:.1f} ms | **{more:+.1f} ms** | {paired:+.1f} ms "
            f"| {part['rounds']} |"
        )
    more = file["more_percent"]
    lines.append(
        f"| a file of {file['minutes']:g} minutes, decoded by a process | {through} | {here} "
        f"| **{more['wall']:+.1f} %** wall, **{more['cpu']:+.1f} %** CPU | | {file['rounds']} |"
    )
    documents.write("overhead", "\n".join(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--file", type=Path, default=plots.FOLDER / "overhead.json")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--rounds", type=int, default=40, help="of the clip of 1 s; twice as many of 3 s")
    parser.add_argument("--minutes", type=float, default=10, help="length of the long file")
    parser.add_argument("--file-rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only-table", action="store_true", help="write the table from the JSON alone")
    given = parser.parse_args(arguments)
    if not given.only_table:
        given.file.write_text(json.dumps(asyncio.run(measure(given)), indent=1) + "\n")
    write_table(json.loads(given.file.read_text()))


if __name__ == "__main__":
    main()
