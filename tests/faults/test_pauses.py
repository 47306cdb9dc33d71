"""A player that pauses keeps its stream, for as long as STREAM_PAUSE_TIMEOUT says."""

import contextlib
import json
import socket
import time
from pathlib import Path

from tests.support.faults_process import KEY, Server, serving, until

TEXT = " ".join(f"Sentence {number} says something of its own." for number in range(1, 110))
MOST_OF_IT = 4_000_000
"""Bytes of speech: more than the sockets between server and caller hold."""


def player(server: Server) -> socket.socket:
    """A client that asked for a stream and has received its beginning."""
    body = json.dumps({"text": TEXT, "language": "en"}).encode()
    connection = socket.socket()
    connection.settimeout(60)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or the kernel reads it for us
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(
        b"POST /tts/stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
        + f"X-API-Key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    return connection


def rest_of(connection: socket.socket) -> bytes:
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(1_000_000):
            received += chunk
    return bytes(received)


def test_a_pause_longer_than_every_other_limit_costs_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, UPLOAD_TIMEOUT="2", REQUEST_TIMEOUT="3") as server, player(server) as paused:
        time.sleep(5)
        rest = rest_of(paused)
        assert len(rest) > MOST_OF_IT
        assert rest.endswith(b"\r\n0\r\n\r\n"), "the stream came to its end"
        assert "was not read on" not in server.log()
        server.works()


def test_a_pause_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with serving(tmp_path, STREAM_PAUSE_TIMEOUT="1") as server, player(server) as gone:
        until(lambda: "was not read on within 1 s" in server.log(), server.log)
        assert not rest_of(gone).endswith(b"\r\n0\r\n\r\n")

        def in_flight() -> int:
            with server.client() as client:
                return int(client.get("/models").json()["tts"]["requests"])

        until(lambda: in_flight() == 0, server.log)
        server.works()
