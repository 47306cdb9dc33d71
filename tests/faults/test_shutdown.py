"""Stopping and replacing real servers while they work."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support import clients
from tests.support.deploy_host import REPOSITORY
from tests.support.ports import free_port

KEY = "shutdown-test-key"
UVICORN = ("uvicorn", "tests.support.drain_app:app")
GUNICORN = ("gunicorn", "tests.support.drain_app:app")


@dataclass
class Server:
    process: "subprocess.Popen[bytes]"
    url: str
    temporary: Path
    log: Path

    def client(self) -> httpx.Client:
        return clients.client(self.url, KEY, timeout=60)

    def get(self, path: str) -> httpx.Response:
        with self.client() as client:
            return client.get(path)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def lines(self, text: str) -> int:
        return self.log.read_text().count(text)


@contextmanager
def running(
    folder: Path, command: tuple[str, ...], *arguments: str, ends_well: bool = True, **environment: str
) -> Iterator[Server]:
    """A server in a process of its own, which is to end well and leave nothing behind."""
    temporary, log, port = folder / "tmp", folder / "log", free_port()
    temporary.mkdir()
    variables = {
        "API_KEY": KEY,
        "PORT": str(port),
        "TMPDIR": str(temporary),
        "STORAGE": "local",
        "STORAGE_DIR": str(folder / "storage"),
        "DATA_DIR": str(folder / "data"),
    }
    where = ("--port", str(port)) if command == UVICORN else ()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *where, *arguments],
            cwd=REPOSITORY, env=os.environ | variables | environment, stdout=output, stderr=output,
        )  # fmt: skip
        server = Server(process, f"http://127.0.0.1:{port}", temporary, log)
        try:
            until(lambda: answers(server) == 200, server)
            yield server
            status = process.wait(timeout=60)
            if ends_well:
                assert status == 0
                assert list(temporary.iterdir()) == []
                assert "Traceback" not in log.read_text()
        except BaseException:
            sys.stderr.write(log.read_text())
            raise
        finally:
            process.kill()
            process.wait()


def answers(server: Server) -> int:
    with contextlib.suppress(httpx.TransportError):
        return server.get("/health/ready").status_code
    return 0


def until(reached: Callable[[], bool], server: Server) -> None:
    """Wait for something that must come: the test's own time limit is all there is."""
    end = time.monotonic() + 60
    while not reached():
        assert server.process.poll() is None, server.log.read_text()
        assert time.monotonic() < end, server.log.read_text()
        time.sleep(0.05)


def at_work(server: Server) -> bool:
    return bool(list(server.temporary.glob("in-hand-*")))


@pytest.mark.parametrize("command", [UVICORN, GUNICORN], ids=["uvicorn", "gunicorn"])
def test_work_in_hand_is_finished_and_new_work_is_told_to_come_back(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    with running(tmp_path, command) as server, ThreadPoolExecutor() as pool, server.client() as client:
        slow = pool.submit(server.get, "/slow/6")
        drip = pool.submit(server.get, "/drip/6")
        until(lambda: len(list(server.temporary.glob("in-hand-*"))) == 2, server)
        server.signal(signal.SIGTERM)
        until(lambda: answers(server) == 503, server)
        ready = client.get("/health/ready")
        refused = client.post("/tts", json={"text": "Too late.", "language": "en"})
        large = client.post("/stt", files={"file": b"x" * 20_000_000})
        alive = client.get("/health/live")
        assert "the server is stopping" in ready.json()["problems"]
        assert alive.status_code == 200
        for answer in (refused, large):
            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:voz:overloaded"
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["connection"] == "close"
        assert slow.result().status_code == 200
        assert drip.result().content == b"firstlast"
    assert server.lines("closed") == 1


@pytest.mark.parametrize("command", [UVICORN, GUNICORN], ids=["uvicorn", "gunicorn"])
def test_what_takes_too_long_is_cancelled_and_nobody_is_left_hanging(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    with running(tmp_path, command, SHUTDOWN_TIMEOUT="0.5") as server, ThreadPoolExecutor() as pool:
        slow = pool.submit(server.get, "/slow/600")
        drip = pool.submit(server.get, "/drip/600")
        until(lambda: len(list(server.temporary.glob("in-hand-*"))) == 2, server)
        server.signal(signal.SIGTERM)
        assert slow.result().status_code == 503
        assert slow.result().headers["retry-after"]
        with pytest.raises(httpx.RemoteProtocolError):
            drip.result()
    assert server.lines("closed") == 1
    assert server.lines("2 requests took longer than SHUTDOWN_TIMEOUT") == 1


def test_workers_of_uvicorn_finish_what_they_have(tmp_path: Path) -> None:
    with running(tmp_path, UVICORN, "--workers", "2") as server, ThreadPoolExecutor() as pool:
        slow = pool.submit(server.get, "/slow/2")
        until(lambda: at_work(server), server)
        server.signal(signal.SIGTERM)
        assert slow.result().status_code == 200
    assert server.lines("closed") == 2


def test_a_server_that_reloads_finishes_what_it_has(tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    with (
        running(tmp_path, UVICORN, "--reload", "--reload-dir", str(watched)) as server,
        ThreadPoolExecutor() as pool,
    ):
        slow = pool.submit(server.get, "/slow/2")
        until(lambda: at_work(server), server)
        (watched / "changed.py").touch()
        assert slow.result().status_code == 200
        until(lambda: answers(server) == 200, server)
        assert server.lines("closed") == 1
        server.signal(signal.SIGTERM)


def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    with running(tmp_path, UVICORN, ends_well=False) as server, ThreadPoolExecutor() as pool:
        drip = pool.submit(server.get, "/drip/600")
        until(lambda: at_work(server), server)
        server.signal(signal.SIGINT)
        until(lambda: answers(server) == 503, server)
        while server.process.poll() is None:
            server.signal(signal.SIGINT)
            time.sleep(0.2)
        with pytest.raises(httpx.TransportError):
            drip.result()


def test_a_rolling_restart_under_load_fails_no_request(tmp_path: Path) -> None:
    with running(tmp_path, GUNICORN, "-w", "2", START="2") as server:
        stop = threading.Event()
        statuses: list[int] = []
        workers: set[int] = set()

        def ask(_: int) -> None:
            with server.client() as client:  # keeps its connection, as most callers do
                while not stop.is_set():
                    answer = client.get("/slow/0.1")
                    statuses.append(answer.status_code)
                    workers.add(answer.json())

        with ThreadPoolExecutor(8) as pool:
            try:
                asking = [pool.submit(ask, number) for number in range(8)]
                until(lambda: bool(workers), server)
                for closed in (2, 4):
                    old = set(workers)
                    server.signal(signal.SIGHUP)
                    until(lambda number=closed: server.lines("closed") == number, server)  # type: ignore[misc]
                    until(lambda before=old: bool(workers - before), server)  # type: ignore[misc]
            finally:
                stop.set()
            for one in asking:
                one.result()
        assert set(statuses) == {200}
        assert len(statuses) > 100
        booted = set(re.findall(r"Booting worker with pid: (\d+)", server.log.read_text()))
        assert len(booted) == 6
        server.signal(signal.SIGTERM)
