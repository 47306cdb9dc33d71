"""Prometheus metrics of this server, the same from every worker.

A single process keeps its numbers in memory. Workers keep theirs in files in the folder that they share, and
the worker that is asked adds them up. A caller cannot choose the value of a label: routes are templates, keys
are names from the settings, errors are kinds from `api/errors.py`.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from src.observability.families import Family, Merged, families
from src.observability.memory import memory_in_use
from src.processes.workers import is_alive, shared_folder
from src.scheduling.observer import BatchObserver, Outcome

_folder = shared_folder()
if _folder is not None:
    # prometheus_client looks for it once, when it is imported
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(_folder))

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # noqa: E402

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_registry = CollectorRegistry()
_LATENCY = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"})
_CLIENT_GONE = 499
_STARTED = time.time()

_requests = Counter(
    "voz_requests", "Requests ended", ["method", "route", "status", "key"], registry=_registry
)
_latency = Histogram(
    "voz_request_seconds",
    "From the first byte of a request to the last of its answer",
    ["route", "status", "key"],
    registry=_registry,
    buckets=_LATENCY,
)
_errors = Counter("voz_errors", "Problems answered", ["route", "type"], registry=_registry)
_shed = Counter("voz_shed_requests", "Requests refused with 429 or 503", ["reason"], registry=_registry)
_cancelled = Counter("voz_cancelled_requests", "Requests whose caller left", ["route"], registry=_registry)
_audio = Counter(
    "voz_audio_seconds", "Audio read (in) or made (out)", ["direction", "key"], registry=_registry
)
_real_time = Histogram(
    "voz_real_time_factor",
    "Seconds a request took for each second of its audio, queueing included",
    ["direction"],
    registry=_registry,
    buckets=(0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 5, 10),
)
_live_lag = Histogram(
    "voz_live_lag_seconds",
    "For how long audio of a live session had waited that was not read yet, at each update",
    registry=_registry,
    buckets=(0.1, 0.25, 0.5, 1, 2, 3, 5, 10),
)
_cache = Counter("voz_tts_cache", "Spoken texts looked for in the cache", ["result"], registry=_registry)

_queue_seconds = Histogram(
    "voz_queue_seconds", "Time a row waited for the model", ["engine"], registry=_registry, buckets=_LATENCY
)
_batch_rows = Histogram(
    "voz_batch_rows",
    "Rows in a model call",
    ["engine"],
    registry=_registry,
    buckets=(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64),
)
_engine_seconds = Counter("voz_engine_seconds", "Time spent in model calls", ["engine"], registry=_registry)
_rows = Counter("voz_rows", "Rows that left the engine", ["engine", "outcome"], registry=_registry)
_retried = Counter(
    "voz_retried_rows", "Rows whose first result was not good enough", ["engine"], registry=_registry
)

_storage_seconds = Histogram(
    "voz_storage_seconds",
    "Time in storage, without the wait for audio to store",
    ["storage", "operation", "outcome"],
    registry=_registry,
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

_decoders = Counter(
    "voz_decoder_restarts",
    "Decoder processes that ended by themselves and were replaced",
    ["reason"],
    registry=_registry,
)
for _reason in ("crash", "stuck", "cpu", "memory", "idle", "server"):
    _decoders.labels(_reason)  # shown as 0 until it happens

_jobs_left = Counter(
    "voz_jobs_left",
    "Jobs that a worker has let go of: ended, put off, handed back or lost to another worker",
    ["type", "outcome"],
    registry=_registry,
)
_job_audio = Counter("voz_job_audio_seconds", "Audio of jobs, read or made", ["type"], registry=_registry)
_callback_attempts = Counter(
    "voz_job_callback_attempts", "Attempts to deliver callbacks", ["outcome"], registry=_registry
)
_callbacks_given_up = Counter(
    "voz_job_callbacks_given_up", "Callbacks that did not arrive within a day", registry=_registry
)
_callback_attempts.labels("failed")  # shown as 0 until it happens
_jobs = Gauge("voz_jobs", "Jobs in the database", ["state"], registry=_registry, multiprocess_mode="livemax")
_oldest_job = Gauge(
    "voz_oldest_queued_job_seconds",
    "Age of the oldest job that waits; 0 if none does",
    registry=_registry,
    multiprocess_mode="livemax",
)
_callbacks_pending = Gauge(
    "voz_job_callbacks_pending",
    "Callbacks that have not arrived yet",
    registry=_registry,
    multiprocess_mode="livemax",
)

_queue_rows = Gauge(
    "voz_queue_rows",
    "Rows in the engine",
    ["engine", "state"],
    registry=_registry,
    multiprocess_mode="livesum",
)
_stalled = Gauge(
    "voz_progress_age_seconds",
    "Since a model last returned from a step while there was work; 0 without work",
    ["engine"],
    registry=_registry,
    multiprocess_mode="livemax",
)
_stall_limit = Gauge(
    "voz_stall_limit_seconds",
    "The progress age from which on a model is taken to hang; it follows the time of a step",
    ["engine"],
    registry=_registry,
    multiprocess_mode="livemin",
)
_engine_up = Gauge(
    "voz_engine_up",
    "1 if the engine can take work, 0 if it has stopped or hangs (in any worker)",
    ["engine"],
    registry=_registry,
    multiprocess_mode="livemin",
)
_in_flight = Gauge(
    "voz_gate_requests",
    "Requests in work or waiting",
    ["gate"],
    registry=_registry,
    multiprocess_mode="livesum",
)
_limit = Gauge(
    "voz_gate_limit",
    "Requests that may be in work or waiting (MAX_QUEUE)",
    ["gate"],
    registry=_registry,
    multiprocess_mode="livesum",
)
_engine_info = Gauge(
    "voz_engine_info",
    "What runs; always 1",
    ["task", "engine", "model", "device", "compute_type"],
    registry=_registry,
    multiprocess_mode="livemax",
)
_memory = Gauge(
    "voz_process_resident_bytes", "Memory of a worker", registry=_registry, multiprocess_mode="liveall"
)
_descriptors = Gauge(
    "voz_process_open_descriptors", "Open files of a worker", registry=_registry, multiprocess_mode="liveall"
)
_started = Gauge(
    "voz_newest_worker_start_time_seconds",
    "When the newest worker started, in seconds since 1970",
    registry=_registry,
    multiprocess_mode="livemax",
)
_memory_used = Gauge(
    "voz_memory_used_bytes",
    "Memory in use by the container, or on the machine where no container has a limit",
    registry=_registry,
    multiprocess_mode="livemax",
)
_memory_limit = Gauge(
    "voz_memory_limit_bytes",
    "Memory that there is for it",
    registry=_registry,
    multiprocess_mode="livemax",
)


def request_ended(
    method: str,
    route: str | None,
    status: int,
    seconds: float,
    annotations: Mapping[str, Any],
    direction: str | None = None,
) -> None:
    """Count a request.

    Args:
        method: HTTP method, or `WEBSOCKET`.
        route: the template of its path; None: it was refused before routing, and its path may be anything.
        status: HTTP status; 499 if the caller left; the problem's status if the response broke off.
        seconds: duration of the request.
        annotations: the request's annotations: `key`, `problem`, `audio_seconds`, `cached`.
        direction: direction of its audio, `in` or `out`.
    """
    route = route or "none"
    method = method if method in _METHODS else "other"
    key = annotations.get("key", "none")
    _requests.labels(method, route, status, key).inc()
    _latency.labels(route, status, key).observe(seconds)
    if status == _CLIENT_GONE:
        _cancelled.labels(route).inc()
    elif status >= 400:
        problem = annotations.get("problem", "unknown")
        _errors.labels(route, problem).inc()
        if status in (429, 503) and "problem" in annotations:  # /health/ready says 503 of itself
            _shed.labels(problem).inc()
    if "cached" in annotations:
        _cache.labels("hit" if annotations["cached"] else "miss").inc()
    audio = float(annotations.get("audio_seconds", 0))
    if audio > 0 and direction is not None:
        _audio.labels(direction, key).inc(audio)
        if not annotations.get("cached"):
            _real_time.labels(direction).observe(seconds / audio)


class BatchMetrics(BatchObserver):
    """Counts the rows, steps and outcomes of batchers."""

    def started(self, engine: str, waited: float) -> None:
        _queue_seconds.labels(engine).observe(waited)

    def stepped(self, engine: str, rows: int, seconds: float) -> None:
        _batch_rows.labels(engine).observe(rows)
        _engine_seconds.labels(engine).inc(seconds)

    def ended(self, engine: str, outcome: Outcome) -> None:
        _rows.labels(engine, "left" if outcome == "cancelled" else outcome).inc()

    def retried(self, engine: str) -> None:
        _retried.labels(engine).inc()


def storage_used(storage: str, operation: str, outcome: str, seconds: float) -> None:
    """Count one storage operation; `outcome`: `ok`, `failed`, or `left` (the caller or the audio is gone)."""
    _storage_seconds.labels(storage, operation, outcome).observe(seconds)


def decoder_died(reason: str) -> None:
    """Count a decoder process that ended by itself.

    Args:
        reason: `crash`, `stuck`, `cpu`, `memory` (its file's fault); `idle` (it had no file); `server` (the
            process that decoders are forked from).
    """
    _decoders.labels(reason).inc()


def job_left(kind: str, outcome: str, audio_seconds: float) -> None:
    """Count a job that a worker is done with, and the audio that it has read or made.

    Args:
        kind: `transcription` or `speech`.
        outcome: `succeeded`, `failed`; `put off` (to be tried again), `handed back` (the server stops),
            `lost` (cancelled, or another worker's).
        audio_seconds: of this worker's part.
    """
    _jobs_left.labels(kind, outcome).inc()
    _job_audio.labels(kind).inc(audio_seconds)


def callback_attempted(outcome: str) -> None:
    """Count an attempt to deliver a callback: `delivered` or `failed`."""
    _callback_attempts.labels(outcome).inc()


def callback_given_up() -> None:
    """Count a callback that is not tried any more."""
    _callbacks_given_up.inc()


def jobs_state(by_state: Mapping[str, int], oldest_seconds: float, callbacks_pending: int) -> None:
    """Set the gauges of the queue of jobs, which all workers share."""
    for state, count in by_state.items():
        _jobs.labels(state).set(count)
    _oldest_job.set(oldest_seconds)
    _callbacks_pending.set(callbacks_pending)


def engine_state(
    engine: str, waiting: int, active: int, stalled_for: float, stall_limit: float, up: bool
) -> None:
    """Set the gauges of an engine of this process; `up`: whether it can take work."""
    _queue_rows.labels(engine, "waiting").set(waiting)
    _queue_rows.labels(engine, "active").set(active)
    _stalled.labels(engine).set(stalled_for)
    _stall_limit.labels(engine).set(stall_limit)
    _engine_up.labels(engine).set(up)


def engine_runs(task: str, engine: str, model: str, device: str, compute_type: str) -> None:
    """Set the info metric of an engine; `task` is `stt` or `tts`."""
    _engine_info.labels(task, engine, model, device, compute_type).set(1)


def admission_state(name: str, in_flight: int, limit: int) -> None:
    """Set the number of requests in flight, and its limit."""
    _in_flight.labels(name).set(in_flight)
    _limit.labels(name).set(limit)


def live_updated(lag: float) -> None:
    """Count an update of a live session, with the seconds for which unread audio has waited."""
    _live_lag.observe(lag)


def process_state() -> None:
    """Set the gauges of this process (memory, open files, start) and of the machine's memory."""
    _started.set(_STARTED)
    with contextlib.suppress(OSError, ValueError):  # no /proc: not Linux
        used, limit = memory_in_use()
        _memory_used.set(used)
        _memory_limit.set(limit)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        _memory.set(pages * os.sysconf("SC_PAGE_SIZE"))
        _descriptors.set(sum(1 for _ in Path("/proc/self/fd").iterdir()))


_OF_ENGINES = (
    "voz_queue_seconds",
    "voz_batch_rows",
    "voz_engine_seconds",
    "voz_rows",
    "voz_retried_rows",
    "voz_queue_rows",
    "voz_progress_age_seconds",
    "voz_stall_limit_seconds",
    "voz_engine_up",
    "voz_engine_info",
)


def engine_families() -> tuple[Family, ...]:
    """The metrics of the engines of this process, for another process to show."""
    return families(_registry, _OF_ENGINES)


def exposition(of_replicas: Callable[[], Mapping[str, Sequence[Family]]] = dict) -> bytes:
    """All metrics of all workers in Prometheus' text format. Blocks for some milliseconds.

    Args:
        of_replicas: gives `engine_families` of other processes, by the name of the process. They are shown
            beside those of this one.
    """
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return generate_latest(Merged(_registry, of_replicas))
    for file in Path(folder).glob("gauge_live*.db"):
        pid = re.search(r"_(\d+)\.db$", file.name)
        if pid is not None and not is_alive(int(pid[1])):
            mark_process_dead(int(pid[1]), folder)  # type: ignore[no-untyped-call]
    together = CollectorRegistry()
    MultiProcessCollector(together, path=folder)  # type: ignore[no-untyped-call]
    return generate_latest(Merged(together, of_replicas))
