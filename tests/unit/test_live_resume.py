"""A live session outlives the connections of its client: nothing said is lost, nothing heard comes twice."""

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from src.api.live.connection import Connection
from src.api.live.conversation import Conversation
from src.api.live.outbox import Outbox
from src.config import Settings
from src.errors import InvalidInput, TooSlow
from src.main import create_app
from tests.support.eventually import eventually
from tests.support.live import cut, live_address, opening, receive, receive_until, witness_engines
from tests.support.server import KEY, OTHER_KEY, RunningServer, serve
from tests.support.speech import clip

pytestmark = pytest.mark.anyio

START = json.dumps({"type": "start", "vad": False, "language": "en"})
STOP = '{"type": "stop"}'
COMMIT = '{"type": "commit"}'


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    with serve(create_app(make_settings(live_sessions=3), witness_engines)) as running:
        yield running


def pcm() -> bytes:
    return (clip("en-agent") * 32767).astype("<i2").tobytes()


def in_flight(server: RunningServer) -> int:
    in_flight: int = server.app.state.services.live_admission.in_flight
    return in_flight


def resume(seq: int, **more: Any) -> str:
    return json.dumps({"type": "resume", "seq": seq} | more)


async def finals(server: RunningServer) -> list[str]:
    """The texts of a session that is not disturbed."""
    data = pcm()
    async with opening(server) as socket:
        await socket.send(START)
        await socket.send(data[: len(data) // 2])
        await socket.send(COMMIT)
        await socket.send(data[len(data) // 2 :])
        await socket.send(STOP)
        return [one["text"] for one in await receive_until(socket, "closed") if one["type"] == "final"]


async def test_a_session_whose_connection_breaks_again_and_again_loses_nothing(server: RunningServer) -> None:
    expected = await finals(server)
    assert len(expected) == 2
    assert all(expected)
    chance = random.Random(7)
    data = pcm()
    half = len(data) // 2
    # what is to be sent: audio, and at its place the commit
    sent = received = commands = 0
    found: list[dict[str, Any]] = []
    session = ""
    path = "/stt/live"
    breaks = 0
    while not found or found[-1]["type"] != "closed":
        async with opening(server, path) as socket:
            await socket.send(resume(found[-1]["seq"]) if found else START)
            first = await receive(socket)
            if found:
                assert first["type"] == "resumed"
                received, commands = first["received"], first["commands"]
                assert received <= sent
            else:
                found.append(first)
                session = first["session"]
                path = f"/stt/live/{session}"
            sent = received
            steps = chance.randrange(3, 12) if breaks < 8 else 10_000
            while steps and sent < len(data):
                if sent >= half and commands == 0:
                    await socket.send(COMMIT)
                    commands = 1
                piece = data[sent : min(len(data), sent + chance.randrange(1, 9_000))]
                if sent < half:
                    piece = piece[: half - sent]
                await socket.send(piece)
                sent += len(piece)
                steps -= 1
            if breaks < 8:
                breaks += 1
                if chance.random() < 0.5:
                    found.append(await receive(socket))
                cut(socket)
                continue
            if commands < 2:
                await socket.send(STOP)
            found += await receive_until(socket, "closed")
    assert breaks == 8
    assert [one["seq"] for one in found] == list(range(1, len(found) + 1)), "each once, in order"
    assert [one["text"] for one in found if one["type"] == "final"] == expected
    assert next(one["seconds"] for one in found if one["type"] == "usage") == round(len(data) / 32_000, 2)
    await eventually(lambda: in_flight(server) == 0)


async def test_only_its_key_and_its_id_open_a_session_again(server: RunningServer) -> None:
    async with opening(server) as socket:
        await socket.send(START)
        session = (await receive(socket))["session"]
        cut(socket)
    for path, key in ((f"/stt/live/{session}", OTHER_KEY), ("/stt/live/unknown", KEY)):
        with pytest.raises(InvalidStatus) as refused:
            await opening(server, path, key)
        assert refused.value.response.status_code == 404
        assert json.loads(refused.value.response.body or b"")["type"] == "urn:voz:not-found"
    with pytest.raises(InvalidStatus) as refused:
        await opening(server, f"/stt/live/{session}", "wrong")
    assert refused.value.response.status_code == 401
    async with connect(live_address(server, f"/stt/live/{session}"), proxy=None) as socket:
        await socket.send(resume(1, api_key=OTHER_KEY))
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4404
    async with connect(live_address(server, f"/stt/live/{session}"), proxy=None) as socket:
        await socket.send(resume(1, api_key=KEY))
        assert (await receive(socket))["type"] == "resumed"
    await eventually(lambda: in_flight(server) == 0)


@pytest.mark.parametrize("message", [STOP, '{"type": "resume"}', '{"type": "resume", "seq": 99}', "x"])
async def test_a_wrong_resume_is_refused_and_the_session_goes_on(server: RunningServer, message: str) -> None:
    async with opening(server) as socket:
        await socket.send(START)
        session = (await receive(socket))["session"]
        async with opening(server, f"/stt/live/{session}") as second:
            await second.send(message)
            assert (await receive(second))["code"] == "invalid-input"
            with pytest.raises(ConnectionClosed):
                await second.recv()
            assert second.close_code == 1008
        await socket.send('{"type": "ping"}')
        assert await receive(socket) == {"type": "pong", "received": 0, "commands": 0}


async def test_another_connection_takes_over_from_one_that_still_stands(server: RunningServer) -> None:
    async with opening(server) as first:
        await first.send(START)
        session = (await receive(first))["session"]
        await first.send(bytes(3_200))
        await first.send('{"type": "ping"}')
        assert (await receive_until(first, "pong"))[-1]["received"] == 3_200
        async with opening(server, f"/stt/live/{session}") as second:
            await second.send(resume(1))
            assert await receive(second) == {"type": "resumed", "received": 3_200, "commands": 0}
            with pytest.raises(ConnectionClosed):
                while True:
                    await first.recv()
            assert first.close_code == 4000
            await second.send(STOP)
            assert (await receive_until(second, "closed"))[-2]["seconds"] == 0.1
    await eventually(lambda: in_flight(server) == 0)


async def test_the_last_messages_wait_for_a_client_whose_connection_broke(server: RunningServer) -> None:
    async with opening(server) as socket:
        await socket.send(START)
        session = (await receive(socket))["session"]
        await socket.send(pcm())
        await socket.send(STOP)
        await socket.send('{"type": "ping"}')
        await receive_until(socket, "pong")
        cut(socket)
    await eventually(lambda: in_flight(server) == 0)  # nothing is left to be done: its place is free
    for _ in range(2):
        async with opening(server, f"/stt/live/{session}") as socket:
            await socket.send(resume(1))
            assert (await receive(socket))["commands"] == 1
            rest = await receive_until(socket, "closed")
            assert "final" in [one["type"] for one in rest]
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1000


@pytest.mark.slow
async def test_a_session_that_waits_keeps_its_place_for_a_while(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings(live_sessions=2, live_sessions_per_key=1, live_resume_seconds=4.0)
    with serve(create_app(settings, witness_engines)) as server:
        async with opening(server) as socket:
            await socket.send(START)
            ready = await receive(socket)
            assert ready["resumable"] == 4.0
            cut(socket)
        with pytest.raises(InvalidStatus) as refused:
            await opening(server)
        assert refused.value.response.status_code == 429
        # the refused one has its answer a moment before its place is free
        await eventually(lambda: in_flight(server) == 1)
        await eventually(lambda: in_flight(server) == 0)
        with pytest.raises(InvalidStatus) as refused:
            await opening(server, f"/stt/live/{ready['session']}")
        assert refused.value.response.status_code == 404


async def test_who_closes_a_connection_does_not_come_back(server: RunningServer) -> None:
    async with opening(server) as socket:
        await socket.send(START)
        session = (await receive(socket))["session"]
    await eventually(lambda: in_flight(server) == 0)
    with pytest.raises(InvalidStatus):
        await opening(server, f"/stt/live/{session}")


async def test_a_stopping_server_and_one_that_keeps_none_let_go_at_once(
    make_settings: Callable[..., Settings],
) -> None:
    for seconds in (0, 30):
        with serve(create_app(make_settings(live_resume_seconds=seconds), witness_engines)) as server:
            async with opening(server) as socket:
                await socket.send(START)
                await receive(socket)
                if seconds:
                    server.app.state.services.shutdown._begun = True
                cut(socket)
            await eventually(lambda: in_flight(server) == 0)


async def test_a_failure_waits_for_its_client_too(server: RunningServer) -> None:
    async with opening(server) as socket:
        await socket.send(START)
        session = (await receive(socket))["session"]
        await socket.send("nonsense")
        cut(socket)
    await eventually(lambda: in_flight(server) == 0)
    async with opening(server, f"/stt/live/{session}") as socket:
        await socket.send(resume(1))
        assert (await receive_until(socket, "error"))[-1]["code"] == "invalid-input"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1008


class Waiting:
    """A connection whose client says nothing."""

    open = 0

    def __init__(self) -> None:
        self.closed_with: int | None = None

    async def receive(self) -> str:
        Waiting.open += 1
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            Waiting.open -= 1
        return ""

    async def send(self, message: dict[str, Any]) -> None:
        pass

    async def close(self, code: int, reason: str) -> None:
        self.closed_with = code


async def test_of_connections_that_resume_at_the_same_moment_one_stays() -> None:
    unused: Any = None
    session = Conversation(unused, unused, unused, words=False, key_name="k", until=0.0)
    connections = [Waiting() for _ in range(4)]
    first, *others = connections
    talks = [asyncio.create_task(session.talk(cast(Connection, first), 0))]
    await eventually(lambda: Waiting.open == 1)
    talks += [asyncio.create_task(session.talk(cast(Connection, one), 0)) for one in others]
    await eventually(lambda: sum(talk.done() for talk in talks) >= 3)
    await eventually(lambda: Waiting.open == 1)
    assert sorted(str(one.closed_with) for one in connections) == ["4000", "4000", "4000", "None"]
    for talk in talks:
        talk.cancel()
    await asyncio.gather(*talks, return_exceptions=True)
    assert Waiting.open == 0


async def numbers(outbox: Outbox, seen: int) -> list[int]:
    return [json.loads(text)["seq"] async for text in outbox.after(seen)]


async def test_an_outbox_forgets_what_was_sent_and_nothing_else() -> None:
    outbox = Outbox(most=3)
    for _ in range(3):
        outbox.put({})
    with pytest.raises(TooSlow):
        outbox.put({})
    outbox = Outbox(most=3)
    reading = asyncio.create_task(numbers(outbox, 0))
    for _ in range(9):
        outbox.put({})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    outbox.close()
    assert await reading == list(range(1, 10))
    for lost in (5, 10):
        with pytest.raises(InvalidInput):
            outbox.check(lost)
    for kept in (6, 9):
        outbox.check(kept)
    assert await numbers(outbox, 6) == [7, 8, 9]
    assert await numbers(outbox, 9) == []


async def test_an_outbox_is_bounded_in_bytes_and_always_has_room_for_the_last_word() -> None:
    outbox = Outbox(most_bytes=1_000)
    outbox.put({"text": "x" * 5_000})  # the newest is kept, whatever its size
    with pytest.raises(TooSlow):
        outbox.put({})
    outbox.put_last({"type": "error"})
    assert json.loads([text async for text in outbox.after(0)][-1])["type"] == "error"
