"""Many large uploads at once: they wait outside, not on the disk or in memory."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.audio import tone_wav
from tests.support.faults_process import KEY, Footprint, Server, serving, until

MEGABYTE = 2**20
SIZE = 100 * MEGABYTE
FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
END = b"\r\n--b--\r\n"


def head(size: int, *, waits: bool, path: str = "/stt") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1", "Host: x", f"X-API-Key: {KEY}", f"Content-Length: {size}",
        "Content-Type: multipart/form-data; boundary=b",
    ]  # fmt: skip
    if waits:
        lines.append("Expect: 100-continue")
    return "\r\n".join([*lines, "", ""]).encode()


def connection_to(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def answer_of(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection, which it does after an unread body."""
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received


def spooled(pid: int, folder: Path) -> int:
    """Bytes of the temporary files that a process holds open; they have no names any more."""
    total = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if str(link.readlink()).startswith(str(folder)):
                total += link.stat().st_size
        except OSError:
            continue
    return total


@contextmanager
def watched(server: Server) -> Iterator[dict[str, int]]:
    """The most that the worker had on the disk and in memory while the block ran."""
    most, end = {"disk": 0, "memory": 0}, threading.Event()
    pid = server.worker

    def watch() -> None:
        while not end.wait(0.02):
            most["disk"] = max(most["disk"], spooled(pid, server.folder / "tmp"))
            most["memory"] = max(most["memory"], Footprint.of(pid).memory)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        end.set()
        thread.join()


def test_who_is_refused_has_sent_only_the_head(tmp_path: Path) -> None:
    with serving(tmp_path, MAX_QUEUE="2", UPLOAD_TIMEOUT="120") as server, ExitStack() as stack:
        held = [stack.enter_context(connection_to(server)) for _ in range(2)]
        for connection in held:
            connection.sendall(head(SIZE, waits=True))
            assert connection.recv(100).startswith(b"HTTP/1.1 100 "), "it has its place and may send"
            connection.sendall(FORM + b"x" * 1000)
        began = time.monotonic()
        for path in ("/stt", "/stt/language"):
            for _ in range(10):
                with connection_to(server) as refused:
                    refused.sendall(head(SIZE, waits=True, path=path))
                    answer = answer_of(refused)
                    assert answer.startswith(b"HTTP/1.1 503 "), answer
                    assert b"retry-after: " in answer.lower()
                    assert b"urn:voz:overloaded" in answer
        assert time.monotonic() - began < 15, "nobody waits for a body that nobody was told to send"
        with server.client() as client:
            assert client.get("/models").json()["stt"]["requests"] == 2
        for connection in held:
            connection.close()

        def places() -> int:
            with server.client() as client:
                return int(client.get("/models").json()["stt"]["requests"])

        until(lambda: places() == 0, server.log)
        server.works()


def test_twenty_uploads_of_a_hundred_megabytes_fill_neither_disk_nor_memory(tmp_path: Path) -> None:
    allowed = 2 * SIZE + 4 * MEGABYTE
    with serving(tmp_path, UPLOAD_SPACE_MB=str(allowed // MEGABYTE), UPLOAD_TIMEOUT="120") as server:
        before = server.warm()
        statuses: list[bytes] = []

        def upload() -> None:
            size = len(FORM) + SIZE + len(END)
            with connection_to(server) as connection:
                connection.sendall(head(size, waits=True))
                first = connection.recv(1000)
                if first.startswith(b"HTTP/1.1 100 "):
                    connection.sendall(FORM)
                    for _ in range(SIZE // MEGABYTE):
                        connection.sendall(bytes(MEGABYTE))
                    connection.sendall(END)
                    first = connection.recv(1000)
                statuses.append(first[9:12])

        with watched(server) as most:
            threads = [threading.Thread(target=upload) for _ in range(20)]
            for thread in threads:
                thread.start()
            # others are served meanwhile
            with server.client() as client:
                for _ in range(5):
                    assert client.get("/health/live").status_code == 200
                    assert client.post("/tts", json={"text": "Good morning."}).status_code == 200
                    time.sleep(0.05)
            for thread in threads:
                thread.join(timeout=120)
        assert len(statuses) == 20
        assert set(statuses) == {b"415", b"503"}
        assert statuses.count(b"415") >= 2
        assert SIZE < most["disk"] <= allowed
        assert most["memory"] - before.memory < 100 * MEGABYTE
        with server.client() as client:  # the space comes back
            answer = client.post("/stt", files={"file": tone_wav(60.0)}, data={"language": "en"})
            assert answer.status_code == 200, answer.text
        server.works()


def test_a_body_that_does_not_say_its_size_is_held_to_the_limit(tmp_path: Path) -> None:
    with serving(tmp_path, MAX_UPLOAD_MB="2", MAX_TEXT_CHARS="100") as server, server.client() as client:
        for path in ("/stt", "/tts"):
            with connection_to(server) as connection:
                connection.sendall(
                    f"POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nTransfer-Encoding: chunked\r\n"
                    "Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode()
                )
                connection.sendall(f"{len(FORM):x}\r\n".encode() + FORM + b"\r\n")
                chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
                for _ in range(64):
                    connection.sendall(chunk)
                answer = answer_of(connection)
            assert answer.startswith(b"HTTP/1.1 413 "), answer
            assert b"urn:voz:too-large" in answer
        declared = client.post("/tts", content=b"x" * 50_000)
        assert declared.status_code == 413
