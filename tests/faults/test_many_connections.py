"""Ten thousand open connections, and more of them than there are open files."""

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.faults_process import Footprint, Server, gives_back, serving, until

MANY = 10_000
LIMIT = 384
"""Connections of a process that may open 512 files."""
SPARE = 500
"""Descriptors that the test itself needs."""


@contextmanager
def open_files(wanted: int) -> Iterator[int]:
    """Let this process have so many open files, or as many as the system allows; yields how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    try:
        yield most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(stack: ExitStack, server: Server, count: int, beginning: bytes = b"") -> list[socket.socket]:
    connections = []
    for number in range(count):
        # not all from one address: the system may have fewer ports than that
        source = (f"127.0.0.{2 + number % 8}", 0)
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=60, source_address=source)
        connections.append(stack.enter_context(connection))
        if beginning:
            connection.sendall(beginning)
        if number % 500 == 499 or number == count - 1:
            # its turn comes after theirs: the system queues some thousand connections, and then drops them
            with server.client() as client:
                assert client.get("/health/live").status_code == 200
    return connections


def test_ten_thousand_connections_keep_nobody_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        open_files(2 * MANY) as allowed,
        serving(tmp_path, UPLOAD_TIMEOUT="300") as server,
        ExitStack() as stack,
    ):
        count = min(MANY, allowed * 3 // 4 - SPARE)
        if count < MANY:  # RLIMIT_NOFILE allows no more here
            with capsys.disabled():
                sys.stdout.write(f"only {count} connections ")
        before = server.warm()
        connect(stack, server, count // 2)
        connect(stack, server, count - count // 2, b"POST /tts HTTP/1.1\r\nHost: x\r\n")
        held = Footprint.of(server.worker)
        # it may have closed some of its own meanwhile
        assert held.files >= before.files + count - 10
        assert (held.memory - before.memory) / count < 50_000, "bytes for a connection that waits"
        server.works()
        stack.close()
        server.works()
        gives_back(server.worker, before, memory=200)
        assert "which is all this process takes" not in server.log()


def test_more_connections_than_open_files_push_out_the_idle(tmp_path: Path) -> None:
    with serving(tmp_path, open_files=512, UPLOAD_TIMEOUT="300") as server, ExitStack() as stack:
        before = server.warm()
        idle = connect(stack, server, 1000)
        server.works()
        assert Footprint.of(server.worker).files < 450, "there are descriptors left for uploads"
        # the oldest went, the newest are still there
        assert idle[0].recv(1) == b""
        idle[-1].sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle[-1].recv(12) == b"HTTP/1.1 200"
        # at work, all of them: one more cannot be had
        stack.close()
        until(lambda: Footprint.of(server.worker).files <= before.files + 10, server.log)
        busy = b"POST /stt HTTP/1.1\r\nHost: x\r\nX-API-Key: faults-test-key\r\nContent-Length: 1000\r\n"
        busy += b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b"
        connect(stack, server, LIMIT - 1, busy)
        last = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        last.sendall(busy)
        until(lambda: Footprint.of(server.worker).files >= before.files + LIMIT - 2, server.log)
        with server.client() as client:
            refused = client.get("/health/live")
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:voz:overloaded"
        assert refused.headers["retry-after"] == "10"
        stack.close()
        server.works()
        gives_back(server.worker, before)
    log = server.log()
    assert f"{LIMIT + 1} connections, which is all this process takes" in log
    assert "Too many open files" not in log
