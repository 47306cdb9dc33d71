"""gunicorn.conf.py, as gunicorn itself finds and reads it, around a small application."""

import contextlib
import gc
import http.client
import os
import queue
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from src.processes.workers import MASTER_PID
from tests.support.deploy_host import REPOSITORY
from tests.support.faults_process import until
from tests.support.ports import free_port

KEY = "gunicorn-test-key"
APP = """
import asyncio, gc, os, sys
from contextlib import asynccontextmanager
from fastapi import FastAPI

collected_while_imported = gc.isenabled()

@asynccontextmanager
async def life(app):
    await asyncio.sleep(float(os.environ["START"]))
    yield
    print("closed", os.getpid(), file=sys.stderr, flush=True)

app = FastAPI(lifespan=life)

@app.get("/")
async def pid() -> int:
    return os.getpid()

@app.get("/collector")
async def collector() -> list[bool]:
    return [collected_while_imported, gc.isenabled(), gc.get_freeze_count() > 10_000]

@app.get("/brief")
async def brief() -> int:
    await asyncio.sleep(0.01)
    return os.getpid()

@app.get("/slow")
async def slow() -> int:
    print("begun", file=sys.stderr, flush=True)
    await asyncio.sleep(2)
    return os.getpid()
"""


@contextlib.contextmanager
def gunicorn(folder: Path, *arguments: str, **environment: str) -> Iterator[tuple[int, Path, int]]:
    """Run the command; gives its port, its log and its process id."""
    (folder / "small.py").write_text(APP)
    port, log = free_port(), folder / "log"
    command = [sys.executable, "-m", "gunicorn", *arguments, "small:app"]
    variables = {"PYTHONPATH": str(folder), "PORT": str(port), "API_KEY": KEY, "START": "0"}
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=os.environ | variables | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            for _ in range(600):
                assert server.poll() is None, log.read_text()
                with contextlib.suppress(OSError):
                    get(port)
                    break
                time.sleep(0.1)
            yield port, log, server.pid
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=60) == 0
        finally:
            # after a failure the workers, too
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def get(port: int, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def until_begun(log: Path, requests: int) -> None:
    until(lambda: log.read_text().count("begun") == requests, log.read_text)


@pytest.mark.parametrize("worker", [[], ["-k", "uvicorn.workers.UvicornWorker"]])
def test_a_worker_may_take_longer_to_start_than_to_answer(tmp_path: Path, worker: list[str]) -> None:
    with gunicorn(tmp_path, "-w", "2", "--timeout", "2", *worker, START="5") as (port, log, _):
        time.sleep(5)  # past the time-out once more: now the event loop must beat by itself
        assert get(port)[0] == 200
        assert get(port, "/collector")[1] == "[false,true,true]", "the collector waits for the import alone"
    text = log.read_text()
    assert "WORKER TIMEOUT" not in text
    assert text.count("Booting worker") == 2


def test_the_heartbeat_of_a_worker_that_ends_while_it_loads_ends_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gunicorn closes the file of the heartbeat; an error of the thread would be one of this test."""
    monkeypatch.setenv("API_KEY", "test-key-0123456789")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv(MASTER_PID, "")  # the configuration sets it: so that it is taken back
    config = runpy.run_path(str(REPOSITORY / "gunicorn.conf.py"))
    heartbeat = (tmp_path / "heartbeat").open("wb")
    heartbeat.close()
    worker = SimpleNamespace(
        config=SimpleNamespace(http="auto", callback_notify=None, timeout_graceful_shutdown=None),
        notify=lambda: os.utime(heartbeat.fileno()),
    )
    cfg = SimpleNamespace(graceful_timeout=30, timeout=0.4)
    before = signal.getsignal(signal.SIGTERM)
    try:
        config["post_fork"](SimpleNamespace(cfg=cfg, SIG_QUEUE=queue.SimpleQueue()), worker)
    finally:
        signal.signal(signal.SIGTERM, before)
    until(
        lambda: "beat-while-loading" not in [thread.name for thread in threading.enumerate()],
        lambda: "the thread goes on",
    )
    config["post_worker_init"](worker)
    assert gc.isenabled()


def test_what_is_in_hand_is_finished_and_the_application_closed(tmp_path: Path) -> None:
    with gunicorn(tmp_path, LOG_FORMAT="json") as (port, log, pid), ThreadPoolExecutor() as pool:
        slow = pool.submit(get, port, "/slow")
        until_begun(log, 1)
        os.kill(pid, signal.SIGTERM)
        assert slow.result(timeout=30)[0] == 200
    assert "closed" in log.read_text()
    assert '"event": "Shutting down: Master"' in log.read_text(), "the master's lines look like the workers'"


LATE = """
import runpy, time
from pathlib import Path

found = runpy.run_path({conf!r})
globals().update({{name: value for name, value in found.items() if not name.startswith("_")}})

def post_fork(server, worker):
    if Path({mark!r}).exists():
        time.sleep(2)
    found["post_fork"](server, worker)
"""


def test_a_worker_that_is_told_to_stop_as_soon_as_it_is_forked_stops(tmp_path: Path) -> None:
    mark, conf = tmp_path / "late", tmp_path / "late.py"
    conf.write_text(LATE.format(conf=str(REPOSITORY / "gunicorn.conf.py"), mark=str(mark)))
    with gunicorn(tmp_path, "-c", str(conf)) as (port, log, _):
        mark.touch()
        os.kill(int(get(port)[1]), signal.SIGKILL)
        until(lambda: log.read_text().count("Booting worker") == 2, log.read_text)
        began = time.monotonic()
    assert time.monotonic() - began < 20, "the grace time is a minute"


def test_one_that_outlasts_the_grace_time_does_not_cost_the_closing(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "--graceful-timeout", "6") as (port, log, pid), ThreadPoolExecutor() as pool:
        slow = [pool.submit(get, port, "/slow") for _ in range(2)]
        until_begun(log, 2)
        os.kill(pid, signal.SIGTERM)
        for one in slow:
            with contextlib.suppress(OSError, http.client.HTTPException):
                one.result(timeout=30)
    assert "closed" in log.read_text()


def test_recycling_drops_no_request(tmp_path: Path) -> None:
    recycle = ("-w", "2", "--max-requests", "60", "--max-requests-jitter", "20")
    with gunicorn(tmp_path, *recycle) as (port, _, _pid), ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: get(port, "/brief"), range(500)))
    assert {status for status, _ in answers} == {200}
    assert len({pid for _, pid in answers}) > 4, "workers were replaced meanwhile"


def test_a_reload_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    with gunicorn(tmp_path, LOG_FORMAT="json") as (port, log, master):
        before = get(port)
        os.kill(master, signal.SIGHUP)
        for _ in range(600):
            if get(port) != before:
                break
            time.sleep(0.1)
    # the first line is written before gunicorn reads its settings
    lines = log.read_text().splitlines()[1:]
    assert [line for line in lines if line.startswith("[")] == []
    assert sum("Handling signal: hup" in line for line in lines) == 1


def test_wrong_settings_are_named_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gunicorn", "src.main:app"]
    variables = os.environ | {"API_KEY": "k", "MAX_UPLOAD_MB": "none"}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert done.stderr.count("MAX_UPLOAD_MB") == 1
    assert "Traceback" not in done.stderr
