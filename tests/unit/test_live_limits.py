"""Limits of live sessions over real sockets: time, audio, clients that do not read, a stopping server."""

import asyncio
import json
import socket as sockets
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from src.api import protocol
from src.api.live import connection
from src.config import Settings
from src.main import create_app
from tests.support.eventually import eventually
from tests.support.live import live_address, opening, receive, receive_until, witness_engines
from tests.support.server import KEY, RunningServer, serve

pytestmark = pytest.mark.anyio

START = json.dumps({"type": "start", "vad": False, "partial": False})
REALTIME = "/v1/realtime?intent=transcription"


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    with serve(create_app(make_settings(), witness_engines)) as running:
        yield running


async def closing(socket: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """The messages to the end, and the close code."""
    found = []
    with pytest.raises(ConnectionClosed):
        while True:
            found.append(await receive(socket))
    return found, socket.close_code


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "limit"),
    [("/stt/live", "live_max_seconds"), (REALTIME, "live_max_seconds"), (REALTIME, "live_idle_timeout")],
)
async def test_a_session_ends_after_its_time(
    make_settings: Callable[..., Settings], path: str, limit: str
) -> None:
    with serve(create_app(make_settings(**{limit: 0.6}), witness_engines)) as server:
        async with opening(server, path) as socket:
            if path == "/stt/live":
                await socket.send(START)
            found, code = await closing(socket)
        assert limit.upper() in json.dumps(found[-1])
        assert found[-1]["type"] == "error"
        assert code == 1008
        await eventually(lambda: server.app.state.services.live_admission.in_flight == 0)


@pytest.mark.parametrize("path", ["/stt/live", REALTIME])
async def test_a_key_that_uses_up_its_audio_midway_is_told(
    make_settings: Callable[..., Settings], path: str
) -> None:
    with serve(create_app(make_settings(rate_limit="25s/minute"), witness_engines)) as server:
        async with opening(server, path) as socket:
            if path == "/stt/live":
                await socket.send(START)
                for _ in range(30):
                    await socket.send(bytes(32_000))
            else:
                audio = {"input": {"turn_detection": None}}
                session = {"type": "transcription", "audio": audio}
                await socket.send(json.dumps({"type": "session.update", "session": session}))
                for _ in range(35):
                    audio_64 = "AAAA" * 16_000  # 48,000 bytes: a second at 24 kHz
                    await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio_64}))
            found, code = await closing(socket)
        assert "this key may use 25 audio seconds in 60 s" in json.dumps(found[-1])
        assert code == 1013
        with pytest.raises(InvalidStatus) as refused:
            await opening(server, path)
        assert refused.value.response.status_code == 429


async def test_audio_is_charged_to_the_key_to_the_second(make_settings: Callable[..., Settings]) -> None:
    with serve(create_app(make_settings(rate_limit="1000s/minute"), witness_engines)) as server:
        for _ in range(2):
            async with opening(server) as socket:
                await socket.send(START)
                for _ in range(15):
                    await socket.send(bytes(30_000))  # 14.06 s
                await socket.send('{"type": "stop"}')
                await receive_until(socket, "closed")
        await eventually(lambda: server.app.state.services.live_admission.in_flight == 0)
        with server.client() as client:
            # rounded up for each session
            assert client.get("/models").headers["RateLimit-Remaining"] == str(1000 - 30)


@pytest.mark.slow
async def test_a_client_that_does_not_read_is_cut_and_others_do_not_notice(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_SEND_SECONDS", 5.0)
    monkeypatch.setattr(connection, "_CLOSE_SECONDS", 1.0)
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 15.0)
    narrow = sockets.socket()
    narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    host, port = server.url.removeprefix("http://").split(":")
    narrow.connect((host, int(port)))
    narrow.setblocking(False)
    headers = {"X-API-Key": KEY}
    address = live_address(server)
    deaf = await connect(address, sock=narrow, additional_headers=headers, proxy=None, compression=None)
    await deaf.send(START)
    deaf.transport.pause_reading()

    async def talk() -> None:
        with pytest.raises(ConnectionClosed):
            while True:
                for _ in range(200):
                    await deaf.send('{"type": "ping"}')
                await asyncio.sleep(0.02)

    async with opening(server) as other:
        await other.send(START)
        await receive(other)
        talking = asyncio.create_task(talk())
        slowest = 0.0
        in_flight = server.app.state.services.live_admission
        started = time.monotonic()
        while in_flight.in_flight > 1:
            assert time.monotonic() - started < 60, "it was not cut"
            asked = time.monotonic()
            await other.send('{"type": "ping"}')
            assert (await receive(other))["type"] == "pong"
            slowest = max(slowest, time.monotonic() - asked)
            await asyncio.sleep(0.05)
        assert slowest < 10.0
        await talking
    narrow.close()


@pytest.mark.parametrize("path", ["/stt/live", REALTIME])
async def test_a_stopping_server_tells_clients_to_come_back(server: RunningServer, path: str) -> None:
    await eventually(lambda: server.app.state.services.live_admission.in_flight == 0)
    shutdown = server.app.state.services.shutdown
    async with opening(server, path) as socket:
        if path == "/stt/live":
            await socket.send(START)
        await receive(socket)
        [task] = shutdown._requests
        shutdown._cut.add(task)
        task.get_loop().call_soon_threadsafe(task.cancel)
        found, code = await closing(socket)
        assert code == 1012
        assert found == []
    await eventually(lambda: server.app.state.services.live_admission.in_flight == 0)
    assert not shutdown._requests


@pytest.mark.parametrize("encoding", ["pcm_s16le", "mulaw", "alaw"])
async def test_seconds_are_those_of_the_encoding(server: RunningServer, encoding: str) -> None:
    size = 2 if encoding == "pcm_s16le" else 1
    async with opening(server) as socket:
        await socket.send(json.dumps({"type": "start", "encoding": encoding, "sample_rate": 8_000}))
        await socket.send(np.zeros(8_000 * size, np.uint8).tobytes())
        await socket.send('{"type": "stop"}')
        assert (await receive_until(socket, "closed"))[-2]["seconds"] == pytest.approx(1.0, abs=0.02)
