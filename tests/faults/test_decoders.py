"""Decoders that hang or crash, behind gunicorn: who is answered what, and what is left of them."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.audio import tone_wav
from tests.support.faults_process import Server, gives_back, serving, until
from tests.support.traps import floods, silent_flac

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

LONG = silent_flac(1.9 * 3600)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("decoders"), MAX_QUEUE="100") as running:
        yield running


def children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    return found


def decoders(server: Server, worker: int | None = None) -> list[int]:
    """Decoder processes of the server; the process that they are forked from is not among them."""
    workers = [worker] if worker is not None else server.workers
    return [pid for one in workers for forker in children(one) for pid in children(forker)]


def state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "gone"


def at_work(server: Server) -> list[int]:
    """Decoders that have an upload open.

    The server's log is no upload, though a decoder has it open when it has just been forked.
    """
    found = []
    for pid in decoders(server):
        with contextlib.suppress(OSError):
            names = [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()]
            if any(name.startswith("/memfd:upload") for name in names):
                found.append(pid)
    return found


@contextlib.contextmanager
def one_that_hangs(server: Server, timeout: float = 60) -> Iterator[tuple[Future[httpx.Response], int]]:
    """An upload whose decoder does nothing more at all, and hears nothing."""

    def send() -> httpx.Response:
        with server.client(timeout) as client:
            return client.post("/stt", files={"file": LONG})

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send)
        busy: list[int] = []

        def found() -> bool:
            busy.extend(at_work(server))
            return bool(busy)

        until(found, lambda: f"nothing is decoded: {decoders(server)}")
        [pid] = busy
        os.kill(pid, signal.SIGSTOP)
        yield answer, pid


def test_a_decoder_that_hangs_ends_with_its_request(tmp_path: Path) -> None:
    with serving(tmp_path, REQUEST_TIMEOUT="6") as server:
        before = server.warm()
        with one_that_hangs(server) as (answer, pid), server.client() as client:
            assert client.post("/stt", files={"file": tone_wav(2.0)}).status_code == 200
            assert answer.result(30).status_code == 503
            assert answer.result().json()["type"] == "urn:voz:deadline-exceeded"
            until(lambda: state(pid) == "gone", lambda: state(pid))
            until(
                lambda: client.get("/models").json()["stt"]["requests"] == 0,
                lambda: "its place was not freed",
            )
        server.works()
        gives_back(server.worker, before)


def test_a_decoder_that_hangs_ends_with_its_server(tmp_path: Path) -> None:
    with serving(tmp_path, SHUTDOWN_TIMEOUT="1") as server, one_that_hangs(server) as (answer, _):
        everyone = [*decoders(server), *(pid for worker in server.workers for pid in children(worker))]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0  # gunicorn itself would kill it after a minute
        assert answer.result().status_code == 503
        # an orphan that has ended stands in the list of processes until init has waited for it
        until(lambda: {state(pid) for pid in everyone} == {"gone"}, server.log)


def test_a_decoder_that_hangs_ends_when_its_caller_leaves(server: Server) -> None:
    with one_that_hangs(server, timeout=3) as (answer, pid):
        assert isinstance(answer.exception(30), httpx.ReadTimeout)
        until(lambda: state(pid) == "gone", lambda: "it hangs for nobody")
        server.works()


def test_a_crash_costs_its_own_upload_alone(server: Server) -> None:
    with one_that_hangs(server) as (answer, pid), server.client() as client:
        worker = server.worker
        os.kill(pid, signal.SIGSEGV)
        os.kill(pid, signal.SIGCONT)
        refused = answer.result(30)
        assert refused.status_code == 415
        assert refused.json()["type"] == "urn:voz:not-audio"
        assert "crash" in refused.json()["detail"]
        assert 'voz_decoder_restarts_total{reason="crash"} 1.0' in client.get("/metrics").text
        server.works()
        assert server.worker == worker
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_each_worker_has_decoders_of_its_own(tmp_path: Path, preload: bool) -> None:
    more = "--preload" if preload else ""
    with serving(tmp_path, workers=2, GUNICORN_CMD_ARGS=more) as server, ThreadPoolExecutor(8) as pool:
        until(lambda: all(decoders(server, worker) for worker in server.workers), lambda: "none")
        with server.client() as client:
            answers = list(
                pool.map(lambda _: client.post("/stt", files={"file": tone_wav(2.0)}).status_code, range(40))
            )
        assert answers == [200] * 40
        everyone = decoders(server)
        # a worker that is killed takes its decoders along, and the others go on
        killed, other = server.workers
        its = decoders(server, killed)
        os.kill(killed, signal.SIGKILL)
        until(lambda: {state(pid) for pid in its} == {"gone"}, lambda: "they live on")
        assert all(state(pid) != "gone" for pid in decoders(server, other))
        assert len(everyone) >= 4
        until(lambda: len(server.workers) == 2, server.log)


def test_twenty_floods_of_boxes_hold_up_no_clip(server: Server) -> None:
    """Generous: the same takes a fraction of it on an idle machine."""
    uploads = list(floods(1_000_000).values()) * 4
    with ThreadPoolExecutor(len(uploads)) as pool:
        server.warm()
        with server.client() as client:
            began = time.monotonic()
            hostile = [pool.submit(client.post, "/stt", files={"file": content}) for content in uploads]
            for _ in range(5):
                assert client.post("/stt", files={"file": tone_wav(2.0)}).status_code == 200
            assert {one.result(60).status_code for one in hostile} == {415}
            assert time.monotonic() - began < 30
        server.works()
