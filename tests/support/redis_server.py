"""A real Redis on a port of its own."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest

from tests.support.ports import free_port


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """The address of an empty Redis, which ends after the tests of the module."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("the tests of shared counters need Redis: apt-get install redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="voz-redis-") as folder:
        process = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait(process, port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert process.poll() is None, "Redis has ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError("Redis does not listen")
