"""`voz.AsyncClient.live` over a network that breaks."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

import voz
from src.config import Settings
from src.main import create_app
from tests.support.eventually import eventually
from tests.support.live import witness_engines
from tests.support.server import KEY, RunningServer, serve
from tests.support.speech import clip
from voz.resending import Unacknowledged

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    with serve(create_app(make_settings(live_resume_seconds=5), witness_engines)) as running:
        yield running


class Network:
    """Passes connections on to a server, and cuts them."""

    def __init__(self) -> None:
        self.connections = 0
        self.up = True
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    @asynccontextmanager
    async def to(self, server: RunningServer) -> AsyncIterator[str]:
        """The address at which it listens."""
        port = int(server.url.rpartition(":")[2])

        async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not self.up:
                writer.transport.abort()
                return
            self.connections += 1
            there, back = await asyncio.open_connection("127.0.0.1", port)
            both = {writer, back}
            self._open |= both
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_copy(reader, back))
                    group.create_task(_copy(there, writer))
            except* OSError:
                pass
            finally:
                for one in both:
                    one.transport.abort()
                self._open -= both

        listening = await asyncio.start_server(serve_one, "127.0.0.1", 0)
        async with listening:
            yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            self.cut()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError("it has ended")


def pcm() -> bytes:
    return (clip("en-agent") * 32767).astype("<i2").tobytes()


async def said(
    url: str, each: Callable[[int], None] = lambda _: None
) -> tuple[list[str], list[voz.LiveEvent]]:
    """The final texts of a clip of which the middle is committed; `each` is called after each piece."""
    data = pcm()
    async with voz.AsyncClient(url, KEY) as client, client.live(language="en") as session:

        async def send() -> None:
            for index, start in enumerate(range(0, len(data), 6_400)):
                if index == 10:
                    await session.commit()
                await session.send(data[start : start + 6_400])
                each(index)
                await asyncio.sleep(0.01)
            await session.stop()

        sending = asyncio.create_task(send())
        try:
            events = [event async for event in session]
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    return [event.text for event in events if event.type == "final"], events


async def test_a_session_goes_on_over_a_network_that_breaks(server: RunningServer) -> None:
    expected, _ = await said(server.url)
    assert expected
    network = Network()
    async with network.to(server) as url:
        texts, events = await said(url, lambda index: network.cut() if index % 4 == 3 else None)
    assert texts == expected
    assert network.connections > 3
    numbers = [event.data["seq"] for event in events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert (events[0].type, events[-1].type) == ("ready", "closed")


@pytest.mark.slow
async def test_a_network_that_is_gone_ends_a_session_in_the_end(
    server: RunningServer,
) -> None:
    network = Network()

    def fall(index: int) -> None:
        if index == 5:
            network.up = False
            network.cut()

    async with network.to(server) as url:
        started = time.monotonic()
        with pytest.raises(voz.BrokenOff):
            await said(url, fall)
        assert time.monotonic() - started < 30
    await eventually(lambda: server.app.state.services.live_admission.in_flight == 0)


@pytest.mark.slow
async def test_a_session_that_the_server_forgot_is_broken_off(server: RunningServer) -> None:
    network = Network()
    async with network.to(server) as url, voz.AsyncClient(url, KEY) as client, client.live() as session:
        await session.send(bytes(3_200))
        events = aiter(session)
        assert (await anext(events)).type == "ready"
        server.app.state.services.live_kept._known.clear()
        network.cut()
        with pytest.raises(voz.BrokenOff):
            await anext(events)
        with pytest.raises(voz.BrokenOff):
            await session.send(bytes(3_200))
    # the server's own task goes on to hold it for its five seconds
    await eventually(lambda: server.app.state.services.live_admission.in_flight == 0, 20.0)


@pytest.mark.slow
async def test_who_closes_a_session_while_it_connects_again_is_done(server: RunningServer) -> None:
    network = Network()
    async with network.to(server) as url, voz.AsyncClient(url, KEY) as client, client.live() as session:
        await session.send(bytes(3_200))
        events = aiter(session)
        assert (await anext(events)).type == "ready"
        network.up = False
        network.cut()
        following = asyncio.ensure_future(anext(events, None))
        await asyncio.sleep(0.1)
        await session.close()
        network.up = True
        assert await asyncio.wait_for(following, 20) is None
        assert network.connections == 1
    await eventually(lambda: server.app.state.services.live_admission.in_flight == 0, 20.0)


def test_what_was_acknowledged_is_forgotten_and_the_rest_is_sent_again_in_order() -> None:
    kept = Unacknowledged()
    for one in (b"abcd", "commit", b"efgh", "clear", "stop"):
        kept.add(one)
    kept.acknowledge(2)
    assert kept.rest(2) == [b"cd", "commit", b"efgh", "clear", "stop"]
    kept.acknowledge(4)
    assert kept.rest(4) == ["commit", b"efgh", "clear", "stop"], "it may not have come"
    kept.acknowledge(4, commands=1)
    assert kept.rest(4) == [b"efgh", "clear", "stop"]
    kept.acknowledge(6)
    assert kept.rest(6) == [b"gh", "clear", "stop"]
    kept.acknowledge(8, commands=2)
    assert kept.rest(8) == ["stop"]
    kept.acknowledge(8, commands=3)
    assert kept.rest(8) == []


def test_what_is_not_kept_any_more_is_not_sent_again() -> None:
    kept = Unacknowledged(most=6)
    kept.add("clear")
    for letter in (b"aaa", b"bbb", b"ccc"):
        kept.add(letter)
    assert kept.rest(2) is None
    kept.acknowledge(4)
    assert kept.rest(4) == [b"bb", b"ccc"]
    assert Unacknowledged().rest(0) == []
