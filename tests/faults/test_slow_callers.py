"""Callers who send a byte now and then, for ever: many of them, beside others who are served meanwhile."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.support.audio import tone_wav
from tests.support.faults_process import KEY, SPEECH, Footprint, Server, gives_back, serving, until

LIMIT = 2.0
MANY = 100
BEATS = 60
"""Seconds for which a slow caller goes on if nobody stops it."""
HEAD = (
    b"POST /stt HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: 100000\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" % KEY.encode()
)
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(
        tmp_path_factory.mktemp("slow"),
        UPLOAD_TIMEOUT=str(LIMIT),
        STREAM_PAUSE_TIMEOUT=str(LIMIT),
        MAX_QUEUE="256",  # an upload holds a place while it arrives, a slow one for long
        MAX_TEXT_CHARS="20000",
    ) as running:
        yield running


async def drip(server: Server, beginning: bytes, rest: bytes) -> bytes:
    """Send the beginning at once, the rest a byte a second; returns what is answered before the close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

    async def send() -> None:
        writer.write(beginning)
        with contextlib.suppress(ConnectionError):
            for second in range(BEATS):
                await asyncio.sleep(1)
                writer.write(rest[second : second + 1])
                await writer.drain()

    sending = asyncio.create_task(send())
    answer = b""
    try:
        async with asyncio.timeout(BEATS):
            with contextlib.suppress(ConnectionResetError):  # it may have sent a byte too many
                while data := await reader.read(65_536):
                    answer += data
    finally:
        sending.cancel()
        writer.close()
        await asyncio.gather(sending, return_exceptions=True)
    return answer


async def upload_slowly(server: Server) -> httpx.Response:
    """Twice as slow as the limit, were there not a second more for each KiB."""
    audio = FORM + tone_wav(1.0) + b"\r\n--b--\r\n"

    async def pieces() -> AsyncIterator[bytes]:
        size = len(audio) // 12
        for start in range(0, len(audio), size):
            yield audio[start : start + size]
            await asyncio.sleep(LIMIT / 6)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with server.async_client() as client:
        return await client.post("/stt", content=pieces(), headers=headers)


async def besides(server: Server, slow: list[asyncio.Task[bytes]]) -> list[httpx.Response]:
    """Somebody else's requests, one after the other, for as long as there are slow callers."""
    answers = []
    async with server.async_client() as client:
        while not all(task.done() for task in slow):
            answers += [await client.get("/health/live"), await client.post("/tts", json=SPEECH)]
            await asyncio.sleep(0.1)
    return answers


def problem(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 "), answer
    assert b"content-type: application/problem+json" in head.lower()
    assert b"connection: close" in head.lower()
    told: dict[str, Any] = json.loads(body)
    assert told["type"] == "urn:voz:too-slow"
    assert f"{LIMIT:g} s" in told["detail"]
    assert told["request_id"].encode() in head
    return told


def test_slow_callers_are_ended_and_others_are_served(server: Server) -> None:
    before = server.warm()

    async def main() -> tuple[list[bytes], list[httpx.Response], httpx.Response]:
        beginnings = {
            "silent": (b"", b""),
            "head": (HEAD[:40], HEAD[40:]),
            "body": (HEAD, FORM),
            "second request": (GET + HEAD[:40], HEAD[40:]),
        }
        slow = [
            asyncio.create_task(drip(server, *begun)) for begun in beginnings.values() for _ in range(MANY)
        ]
        others = asyncio.create_task(besides(server, slow))
        steady = asyncio.create_task(upload_slowly(server))
        return await asyncio.gather(*slow), await others, await steady

    answers, others, steady = asyncio.run(main())
    assert steady.status_code == 200, steady.text
    silent, heads, bodies, seconds = (answers[start : start + MANY] for start in range(0, 4 * MANY, MANY))
    assert set(silent) == {b""}, "who says nothing is told nothing"
    for answer in heads:
        problem(answer)
    for answer in seconds:
        assert answer.startswith(b"HTTP/1.1 200 ")
        problem(answer[answer.rindex(b"HTTP/1.1 ") :])
    ids = [problem(answer)["request_id"] for answer in bodies]
    assert len(others) > 10
    assert {answer.status_code for answer in others} == {200}

    told = {line["request_id"]: line for line in server.events() if line.get("status") == 408}
    assert set(ids) <= set(told)
    assert {told[one]["problem"] for one in ids} == {"too-slow"}
    assert sum("head of the request did not arrive" in line["event"] for line in server.events()) == 2 * MANY
    server.works()
    gives_back(server.worker, before)


def test_a_head_without_end_is_refused(server: Server) -> None:
    before = server.warm()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nX-Long: ")
            answer = b""
            with contextlib.suppress(ConnectionError):
                for _ in range(1000):
                    connection.sendall(b"x" * 10_000)
                pytest.fail("ten megabytes of a head were taken")
            with contextlib.suppress(ConnectionError):
                answer = connection.recv(65_536)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
    assert sum("longer than 64 KiB" in line["event"] for line in server.events()) == 20
    server.works()
    gives_back(server.worker, before)


def test_callers_who_do_not_read_are_ended(server: Server) -> None:
    text = "It goes on. " * 900  # 12 MB: more than sockets buffer
    with server.client() as client:
        url = httpx.URL(client.post("/tts", json={"text": text, "language": "en"}).json()["url"])
    before = server.warm()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or the kernel reads it for us
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(b"GET " + url.raw_path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: Footprint.of(server.worker).files >= before.files + 20, server.log)
        server.works()
        until(lambda: server.log().count("was not read on") == 20, server.log)
        gives_back(server.worker, before)
    server.works()


def test_callers_who_leave_in_mid_upload_are_nobodys_fault(server: Server) -> None:
    before = server.warm()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(HEAD + FORM)
    until(lambda: sum(line.get("status") == 499 for line in server.events()) == 20, server.log)
    assert {line["level"] for line in server.events()} == {"info"}
    server.works()
    gives_back(server.worker, before)
