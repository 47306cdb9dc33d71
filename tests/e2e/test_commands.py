"""The ways a user starts the server, each as its own process: `make run`, uvicorn, gunicorn."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.compiled_kernels import lend_kernels
from tests.support.ports import free_port

REPOSITORY = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Path:
    """A checkout as git would make it, with the weights and the compiled kernels at hand."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard",
         "src", "voz", "scripts", "*.py", ".env.example"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    (folder / "models").symlink_to(models_dir)
    lend_kernels(folder / "src")
    return folder


@pytest.fixture
def folder(checkout: Path) -> Path:
    """The checkout without a `.env`."""
    (checkout / ".env").unlink(missing_ok=True)
    return checkout


@contextmanager
def started(command: list[str], folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=inherited | {"TTS_ENGINE": "kokoro", "HF_HUB_OFFLINE": "1"} | environment, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def read_until(process: subprocess.Popen[str], marker: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if marker in line:
            return seen
    raise AssertionError(f"{marker!r} never came:\n{seen}")


def wait_until_ready(port: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[0]
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("never ready")


def test_make_run_prints_two_lines_that_work_when_pasted(folder: Path) -> None:
    port = free_port()
    with started([sys.executable, "-m", "scripts.run"], folder, PORT=str(port)) as process:
        said = read_until(process, "Ctrl-C")
        assert f"http://127.0.0.1:{port}/docs" in said
        assert oct((folder / ".env").stat().st_mode & 0o777) == "0o600"
        key = re.search(r"^API_KEY=(.+)$", (folder / ".env").read_text(), re.M)
        assert key is not None
        assert len(key[1]) >= 32
        curls = re.findall(r"^  (curl (?:.*\\\n)*.*)$", said, re.M)
        assert len(curls) == 2
        transcript, spoken = (
            subprocess.run(
                ["sh", "-c", line.replace("curl", "curl -sS --fail --noproxy '*'", 1)],
                cwd=folder, capture_output=True, text=True, check=True,
            ).stdout
            for line in curls
        )  # fmt: skip
    assert (
        "voz" in transcript.lower() or "voice" in transcript.lower() or "write it down" in transcript.lower()
    )
    assert '"url":"http://127.0.0.1' in spoken


@pytest.mark.parametrize(
    "command",
    [
        ["uvicorn", "src.main:app", "--reload", "--port", "{port}"],
        ["gunicorn", "-w", "2", "-k", "uvicorn.workers.UvicornWorker", "-b", "127.0.0.1:{port}",
         "src.main:app"],
    ],
    ids=["uvicorn", "gunicorn"],
)  # fmt: skip
def test_the_user_s_own_command_serves(folder: Path, command: list[str]) -> None:
    port = free_port()
    filled = [sys.executable, "-m", *(part.format(port=port) for part in command)]
    with started(filled, folder, API_KEY="own-test-key", LOG_FORMAT="json") as process:
        wait_until_ready(port, process)
        answer = httpx.post(
            f"http://127.0.0.1:{port}/tts",
            json={"text": "Hello.", "language": "en"},
            headers={"X-API-Key": "own-test-key"},
            timeout=60,
            trust_env=False,
        )
        assert answer.status_code == 200
        assert httpx.get(answer.json()["url"], trust_env=False).content[:4] == b"RIFF"
        os.killpg(process.pid, signal.SIGINT)
        log, _ = process.communicate(timeout=60)
    assert '"status": 200' in log
    assert "own-test-key" not in log


@pytest.mark.parametrize(
    ("environment", "message"),
    [({}, "API_KEY is not set"), ({"API_KEY": "k", "MAX_UPLOAD_MB": "many"}, "MAX_UPLOAD_MB")],
    ids=["no key", "bad value"],
)
def test_it_refuses_to_start_and_says_why(folder: Path, environment: dict[str, str], message: str) -> None:
    command = [sys.executable, "-m", "uvicorn", "src.main:app", "--port", str(free_port())]
    with started(command, folder, **environment) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert message in said
    assert "Traceback" not in said
