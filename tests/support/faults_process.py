"""A real server process, with its open files, threads and memory."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support import clients
from tests.support.deploy_host import REPOSITORY
from tests.support.ports import free_port

KEY = "faults-test-key"
APP = "tests.support.faults_app:app"
SPEECH = {"text": "Good morning.", "language": "en"}
OPENAI_SPEECH = {"input": "Good morning to everyone.", "model": "tts-1", "voice": "alloy"}
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class Footprint:
    """Open files, threads and memory of a process."""

    files: int
    threads: int
    memory: int
    """Resident bytes."""

    @classmethod
    def of(cls, pid: int) -> "Footprint":
        process = Path(f"/proc/{pid}")
        return cls(
            files=len(list((process / "fd").iterdir())),
            threads=len(list((process / "task").iterdir())),
            memory=int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        )

    def grown_since(self, before: "Footprint", memory: int, files: int) -> list[str]:
        """Growth since `before`. Threads of asyncio's and anyio's pools are not counted."""
        pools = min(32, (os.cpu_count() or 1) + 4) + 40
        more = {
            "files": self.files - before.files > files,
            "threads": self.threads - before.threads > pools,
            "memory": self.memory - before.memory > memory * _MEBIBYTE,
        }
        return [what for what, grown in more.items() if grown]


def settled(pid: int, quiet: float = 1.0) -> Footprint:
    """The footprint of a process that closes no more files and takes no more memory.

    Args:
        quiet: seconds for which both must stay as they are, but for a MiB.
    """
    found = Footprint.of(pid)
    since = time.monotonic()

    def quiet_long_enough() -> bool:
        nonlocal found, since
        now = Footprint.of(pid)
        if now.files != found.files or now.memory > found.memory + _MEBIBYTE:
            found, since = now, time.monotonic()
        return time.monotonic() - since > quiet

    until(quiet_long_enough, lambda: f"it never settles: {found}", every=0.1)
    return Footprint.of(pid)


def gives_back(pid: int, before: Footprint, memory: int = 64, files: int = 2) -> None:
    """Wait until the process is back to `before`, within `memory` MiB and a number of open files."""
    until(
        lambda: not Footprint.of(pid).grown_since(before, memory, files),
        lambda: f"it held {before}, and still holds {Footprint.of(pid)}: {open_files(pid)}",
    )


def open_files(pid: int) -> list[str]:
    """Targets of the descriptors of a process."""
    links = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(str(file.readlink()))
    return sorted(links)


def until(
    reached: Callable[[], bool], otherwise: Callable[[], str], seconds: float = 60, every: float = 0.05
) -> None:
    """Wait; `otherwise` tells what was there in place of it.

    Args:
        every: seconds between two looks. A look that asks the server costs it CPU time.
    """
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, otherwise()
        time.sleep(every)


@dataclass
class Server:
    """gunicorn and its workers, as in production; most tests replace the engines."""

    process: "subprocess.Popen[bytes]"
    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    @property
    def workers(self) -> list[int]:
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in tasks.read_text().split()]

    @property
    def worker(self) -> int:
        [pid] = self.workers
        return pid

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def events(self) -> list[dict[str, Any]]:
        """The log lines that are JSON: all but those of the interpreter."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def told(self, request_id: str) -> list[dict[str, Any]]:
        """The log's lines on a request, once its last line is there."""

        def lines() -> list[dict[str, Any]]:
            return [line for line in self.events() if line.get("request_id") == request_id]

        until(lambda: any("status" in line for line in lines()), self.log)
        return lines()

    def client(self, timeout: float = 60) -> httpx.Client:
        return clients.client(self.url, KEY, timeout)

    def async_client(self, timeout: float = 60) -> httpx.AsyncClient:
        return clients.async_client(self.url, KEY, timeout)

    def works(self) -> None:
        """Check that it is alive and ready, and that both engines work."""
        with self.client() as client:
            for path in ("/health/live", "/health/ready"):
                answer = client.get(path)
                assert answer.status_code == 200, (path, answer.text)
            spoken = client.post("/tts", json=SPEECH)
            assert spoken.status_code == 200, spoken.text
            audio = client.get(spoken.json()["url"]).content
            read = client.post("/stt", files={"file": audio}, data={"language": "en"})
            assert read.status_code == 200, read.text

    def warm(self) -> Footprint:
        """Resources of its only worker after some requests of each kind, once they do not grow any more."""
        for _ in range(3):
            self.works()
        with self.client() as client:
            # without a language: the model that detects one is read once, at the latest now, and is 50 MB
            spoken = client.post("/v1/audio/speech", json=OPENAI_SPEECH)
            assert spoken.status_code == 200, spoken.text
        return settled(self.worker)


@contextmanager
def serving(
    folder: Path, workers: int = 1, open_files: int | None = None, app: str = APP, **environment: str
) -> Iterator[Server]:
    """gunicorn with gunicorn.conf.py on a free port; stopped at the end.

    Args:
        open_files: RLIMIT_NOFILE of the server, soft and hard; as it is, if None.
        app: what is served; as gunicorn takes it.
    """
    temporary, port = folder / "tmp", free_port()
    temporary.mkdir()
    variables = {
        "API_KEY": KEY,
        "PORT": str(port),
        "TMPDIR": str(temporary),
        "STORAGE": "local",
        "STORAGE_DIR": str(folder / "storage"),
        "DATA_DIR": str(folder / "data"),
        "TTS_CACHE": "false",
        "LOG_FORMAT": "json",
        "WEB_CONCURRENCY": str(workers),
    }
    command = [sys.executable, "-m", "gunicorn", app]
    if open_files is not None:
        command = ["/bin/sh", "-c", f'ulimit -n {open_files} && exec "$@"', "sh", *command]
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=os.environ | variables | environment,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    server = Server(process, port, folder)
    try:
        until(lambda: _ready(server), server.log, 180, every=0.2)
        until(lambda: len(server.workers) == workers, server.log)
        yield server
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, server.log()
    except BaseException:
        sys.stderr.write(server.log()[-20_000:])
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ready(server: Server) -> bool:
    assert server.process.poll() is None, server.log()
    with contextlib.suppress(httpx.TransportError), server.client() as client:
        return client.get("/health/ready").status_code == 200
    return False


@contextmanager
def no_file_larger_than(size: int, pid: int) -> Iterator[None]:
    """A full disk, for one process: writing beyond `size` bytes of a file fails.

    A small file system of its own would take rights that a container's root does not have.
    """
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
