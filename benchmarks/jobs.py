"""Jobs under load: how fast they are accepted, how much they slow requests, and what a killed worker loses.

    python -m benchmarks.jobs latency               # POST and GET /jobs with 100,000 jobs in the database
    python -m benchmarks.jobs kills                 # 500 clips; a worker is killed with -9 every 20 s
    python -m benchmarks.jobs requests              # a voice note beside a hundred jobs
    python -m benchmarks.jobs resume --minutes 60   # a long recording whose worker is killed half way

Each starts a server of its own, with the models in ./models (`latency`: with engines that do nothing), and
SQLite or, with `--database postgresql://...`, an empty database. Exits 1 if a limit is exceeded.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import func, insert, select

from src.core.security import ApiKeys
from src.jobs.database import Database, parse_address
from src.jobs.model import new_id
from src.jobs.tables import checkpoints, jobs, objects
from tests.support.audio import wav_of
from tests.support.deploy_host import REPOSITORY
from tests.support.faults_process import APP, KEY, Server, serving
from tests.support.speech import clip, clip_path

REAL = "src.main:app"
CLIPS = ("en-agent", "en-busy", "en-extended", "es-agent", "es-expelled")
SPEECH = {"type": "speech", "text": "Good morning.", "language": "en"}


@contextmanager
def server_with(options: argparse.Namespace, app: str, workers: int = 1, **settings: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        options.address = options.database or f"sqlite:///{folder}/jobs.db"
        known = {
            "MODELS_DIR": str(REPOSITORY / "models"),
            "TTS_ENGINE": "kokoro",
            "JOBS_DATABASE_URL": options.address,
            "JOBS_MAX_QUEUED": "100000",
            "HF_HUB_OFFLINE": "1",
        }
        with serving(Path(folder), workers, None, app, **(known | settings)) as server:
            yield server


def in_database(address: str, work: Callable[[Any], Any]) -> Any:
    async def main() -> Any:
        async with Database(parse_address(address)) as database, database.write() as connection:
            return await work(connection)

    return asyncio.run(main())


def percentiles(times: list[float]) -> str:
    ordered = sorted(1000 * one for one in times)
    return f"p50 {ordered[len(ordered) // 2]:.1f} ms, p95 {ordered[len(ordered) * 95 // 100]:.1f} ms"


def latency(options: argparse.Namespace) -> bool:
    """Times of requests while the database holds `--stored` jobs, nine of ten of which have ended."""
    owner = ApiKeys([SecretStr(KEY)]).name_of(KEY)
    with server_with(options, APP, JOBS_CONCURRENCY="0") as server:
        in_database(options.address, lambda connection: _fill(connection, options.stored, str(owner)))
        times: dict[str, list[float]] = {}
        with server.client() as client:
            job = ""
            for _ in range(options.requests):
                for name, method, path, body in (
                    ("POST /jobs", "POST", "/jobs", SPEECH),
                    ("GET /jobs", "GET", "/jobs", None),
                    ("GET /jobs?state=succeeded", "GET", "/jobs?state=succeeded", None),
                    ("GET /jobs/{id}", "GET", "", None),
                ):
                    began = time.perf_counter()
                    answer = client.request(method, path or f"/jobs/{job}", json=body)
                    times.setdefault(name, []).append(time.perf_counter() - began)
                    answer.raise_for_status()
                    if method == "POST":
                        job = answer.json()["id"]
        for name, found in times.items():
            print(f"{name}: {percentiles(found)}")
        return all(statistics.median(found) <= 0.020 for found in times.values())


async def _fill(connection: Any, count: int, owner: str) -> None:
    now = time.time()
    for begin in range(0, count, 5000):
        rows = []
        for index in range(begin, min(begin + 5000, count)):
            state = "queued" if index % 10 == 0 else ("succeeded", "failed", "cancelled")[index % 3]
            ended = None if state == "queued" else now - index
            rows.append(
                {
                    "id": new_id("job"),
                    "owner": owner if index % 4 == 0 else f"key-{index % 50}",
                    "kind": "speech",
                    "state": state,
                    "priority": 0,
                    "turn": index // 50,
                    "metadata": {},
                    "spec": SPEECH,
                    "created_at": now - index - 60,
                    "started_at": ended and ended - 5,
                    "ended_at": ended,
                    "expires_at": ended and now + 86_400,
                    "attempts": 1,
                    "not_before": now,
                    "done_seconds": 2.0,
                    "result": {
                        "key": "jobs/x.wav",
                        "content_type": "audio/wav",
                        "format": "wav",
                        "duration": 2.0,
                    }
                    | {"model": "tone", "language": "en"}
                    if state == "succeeded"
                    else None,
                }
            )
        await connection.execute(insert(jobs), rows)


def kills(options: argparse.Namespace) -> bool:
    """Submit clips and wait for their results. Meanwhile one worker after the other is killed."""
    audio = {name: clip_path(name).read_bytes() for name in CLIPS}
    app = APP if options.tone else REAL
    with server_with(options, app, options.workers, JOBS_LEASE="10") as server, server.client(60) as client:
        expected = {name: client.post("/stt", files={"file": audio[name]}).json()["text"] for name in CLIPS}
        wanted: dict[str, str] = {}
        with _killing(server, options.every) as killed:
            for index in range(options.jobs):
                name = CLIPS[index % len(CLIPS)]
                answer = _patiently(
                    client, "POST", "/jobs",
                    files={"file": (name, audio[name])}, data={"response_format": "text"},
                    headers={"Idempotency-Key": f"clip {index}"},
                )  # fmt: skip
                wanted[answer.json()["id"]] = expected[name]
            living = 1
            while living:
                time.sleep(1)
                states = in_database(options.address, _states)
                living = states.get("queued", 0) + states.get("running", 0)
        wrong = 0
        for job_id, text in wanted.items():
            job = _patiently(client, "GET", f"/jobs/{job_id}").json()
            result = job["result"] and _patiently(client, "GET", job["result"]["url"]).text
            wrong += result != text
        results = Counter(in_database(options.address, _results))
        twice = sum(count > 1 for count in results.values())
        print(f"{len(wanted)} jobs, {len(killed)} kills, {states}: {wrong} wrong, {twice} with two results")
        return not wrong and not twice and states == {"succeeded": options.jobs}


@contextmanager
def _killing(server: Server, every: float) -> Iterator[list[int]]:
    """Kill a worker every so many seconds while the block runs. Yields the list of those killed."""
    stop = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while not stop.wait(every):
            if workers := server.workers:
                killed.append(random.choice(workers))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


def requests(options: argparse.Namespace) -> bool:
    """Latency of a short clip on an idle server, and while `--jobs` recordings wait as jobs."""
    note = wav_of(clip("en-extended"))
    with server_with(options, REAL) as server, server.client(300) as client:

        def measure() -> list[float]:
            times = []
            for _ in range(options.requests):
                began = time.perf_counter()
                client.post("/stt", files={"file": note}, data={"language": "en"}).raise_for_status()
                times.append(time.perf_counter() - began)
                time.sleep(0.5)
            return times

        measure()
        idle = measure()
        recording = _recording(2.0)
        for _ in range(options.jobs):
            client.post(
                "/jobs", files={"file": ("a.wav", recording)}, data={"language": "en"}
            ).raise_for_status()
        time.sleep(3)
        busy = measure()
        left = Counter(in_database(options.address, _states))
        ratio = statistics.median(busy) / statistics.median(idle)
        print(f"idle: {percentiles(idle)}; beside jobs ({dict(left)} at the end): {percentiles(busy)}")
        print(f"{ratio:.2f} times as slow")
        return ratio <= 1.5


def resume(options: argparse.Namespace) -> bool:
    """How much of a long recording is transcribed twice if its worker is killed half way."""
    recording = _recording(options.minutes)
    app = APP if options.tone else REAL
    with server_with(options, app, JOBS_LEASE="5", MAX_UPLOAD_MB="500") as server:
        with server.client(300) as client:
            job = client.post("/jobs", files={"file": ("a.wav", recording)}, data={"language": "en"}).json()
            half = options.minutes * 30
            while (done := _progress(client, job)) < half:
                time.sleep(0.2)
        [worker] = server.workers
        os.kill(worker, signal.SIGKILL)
        killed = time.monotonic()
        saved = in_database(options.address, lambda connection: _rows_needed(connection, job["id"]))
        with server.client(60) as client:
            while (now := _progress(client, job)) <= done:
                time.sleep(0.5)
            later = time.monotonic() - killed
            print(f"killed at {done:.0f} s of audio; {later:.0f} s later it was at {now:.0f} s")
            while (ended := _patiently(client, "GET", f"/jobs/{job['id']}").json())["state"] == "running":
                time.sleep(2)
            read = _rows_read(client)  # by the new worker
        needed = -saved + in_database(options.address, lambda connection: _rows_needed(connection, job["id"]))
        print(
            f"{ended['state']}: {saved} rows were saved, {needed} were left, {read:.0f} were read after that"
        )
        return bool(ended["state"] == "succeeded" and read - needed <= 2)


def _recording(minutes: float) -> bytes:
    sentences = [np.concatenate([clip(name), np.zeros(16_000, np.float32)]) for name in CLIPS[:3]]
    return wav_of(np.resize(np.concatenate(sentences), round(minutes * 60 * 16_000)))


def _patiently(client: httpx.Client, method: str, path: str, **rest: Any) -> httpx.Response:
    """A request whose worker may be killed before it answers."""
    for _ in range(240):
        try:
            answer = client.request(method, path, **rest)
            if answer.status_code < 500:
                return answer.raise_for_status()
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise RuntimeError(f"{method} {path}: no answer")


def _progress(client: httpx.Client, job: dict[str, Any]) -> float:
    found: dict[str, Any] = _patiently(client, "GET", f"/jobs/{job['id']}").json()
    return float(found["progress"]["seconds"])


def _rows_read(client: httpx.Client) -> float:
    text = _patiently(client, "GET", "/metrics").text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "voz_rows_total"
        and sample.labels["engine"] in ("whisper", "reader")
        and sample.labels["outcome"] == "done"
    )


async def _states(connection: Any) -> dict[str, int]:
    found = await connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))
    return {row[0]: row[1] for row in found}


async def _results(connection: Any) -> list[str]:
    query = select(objects.c.job_id).where(objects.c.job_id.is_not(None), objects.c.key.like("%.txt"))
    return list((await connection.execute(query)).scalars())


async def _rows_needed(connection: Any, job_id: str) -> int:
    found = await connection.execute(select(checkpoints.c.data).where(checkpoints.c.job_id == job_id))
    return sum(
        len((json.loads(data) if isinstance(data, str) else data)["transcripts"]) for data in found.scalars()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.jobs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["latency", "kills", "requests", "resume"])
    parser.add_argument("--database", default="", help="postgresql://...; default: SQLite")
    parser.add_argument("--stored", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two kills")
    parser.add_argument("--tone", action="store_true", help="engines that start at once, and read a tone")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    options.jobs = options.jobs or (100 if options.what == "requests" else 500)
    options.requests = options.requests or (15 if options.what == "requests" else 200)
    good = {"latency": latency, "kills": kills, "requests": requests, "resume": resume}[options.what](options)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
