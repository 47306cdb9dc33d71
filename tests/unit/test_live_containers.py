"""A session whose audio is a recording that is being made: Opus in WebM or Ogg."""

import json
import os
from collections.abc import Callable, Iterator

import pytest
from websockets.exceptions import ConnectionClosed

from src.config import Settings
from src.main import create_app
from tests.support.eventually import eventually
from tests.support.live import cut, opening, receive, receive_until, witness_engines
from tests.support.recording import pieces, recorded
from tests.support.server import RunningServer, serve
from tests.support.speech import clip

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    with serve(create_app(make_settings(), witness_engines)) as running:
        yield running


def start(encoding: str, name: str = "encoding") -> str:
    return json.dumps({"type": "start", name: encoding, "language": "en"})


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ("webm", start("audio/webm;codecs=opus")),
        ("webm", start("webm", "format")),
        ("ogg", start("audio/ogg; codecs=opus")),
    ],
)
async def test_a_recording_is_transcribed_and_a_broken_connection_loses_none_of_it(
    server: RunningServer, container: str, said: str
) -> None:
    audio = clip("en-agent")
    data = recorded(audio, container)
    texts = []
    for breaks in (False, True):
        async with opening(server) as socket:
            await socket.send(said)
            ready = await receive(socket)
            assert ready["encoding"] == container
            parts = list(pieces(data))
            for part in parts[: len(parts) // 2] if breaks else parts:
                await socket.send(part)
            if breaks:
                cut(socket)
            else:
                await socket.send('{"type": "stop"}')
                found = await receive_until(socket, "closed")
        if breaks:
            async with opening(server, f"/stt/live/{ready['session']}") as socket:
                await socket.send('{"type": "resume", "seq": 1}')
                received = (await receive(socket))["received"]
                assert received < len(data)
                await socket.send(data[received:])
                await socket.send('{"type": "stop"}')
                found = await receive_until(socket, "closed")
        seconds = next(one["seconds"] for one in found if one["type"] == "usage")
        assert seconds == pytest.approx(len(audio) / 16_000, abs=0.1)
        texts.append([one["text"] for one in found if one["type"] == "final"])
    assert texts[0]
    assert texts[0] == texts[1]


async def test_a_broken_recording_ends_its_session_alone(server: RunningServer) -> None:
    data = recorded(clip("en-agent"), "webm")
    async with opening(server) as good, opening(server) as bad:
        for socket in (good, bad):
            await socket.send(start("webm"))
            assert (await receive(socket))["type"] == "ready"
            await socket.send(data[: len(data) // 2])
        for _ in range(6):
            await bad.send(os.urandom(100_000))
        error = (await receive_until(bad, "error"))[-1]
        assert error["code"] == "not-audio"
        assert "broken" in error["message"]
        with pytest.raises(ConnectionClosed):
            await bad.recv()
        assert bad.close_code == 1008
        await good.send(data[len(data) // 2 :])
        await good.send('{"type": "stop"}')
        assert any(one["type"] == "final" for one in await receive_until(good, "closed"))
    await eventually(lambda: server.app.state.services.live_admission.in_flight == 0)


@pytest.mark.parametrize("encoding", ["audio/mp4", "flac", "audio/", ""])
async def test_other_encodings_are_refused(server: RunningServer, encoding: str) -> None:
    async with opening(server) as socket:
        await socket.send(start(encoding))
        assert (await receive(socket))["code"] == "invalid-input"
