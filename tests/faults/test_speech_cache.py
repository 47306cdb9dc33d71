"""What has been spoken is not spoken again: over a socket, with the real batcher around a tone."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest

from src.config import Settings
from src.engines.models import Models
from src.main import create_app
from tests.support.eventually import eventually
from tests.support.faults_engines import _Engine, _Model, _Reader
from tests.support.server import KEY, OTHER_KEY, RunningServer, serve

TEXT = {"text": "Good morning.", "language": "en"}


class _Held(_Model):
    """Speaks nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_speak = threading.Event()
        self.rows = 0

    def add(self, row_id: int, row: Any) -> None:
        self.rows += 1
        super().add(row_id, row)

    def step(self) -> list[tuple[int, Any]]:
        if self.may_speak.is_set():
            return super().step()
        time.sleep(0.01)
        return []


@contextmanager
def serving(settings: Settings, model: _Held) -> Iterator[RunningServer]:
    @asynccontextmanager
    async def open_engines(_: Settings) -> AsyncIterator[Models]:
        async with _Engine("reader", _Reader()) as stt, _Engine("speaker", model) as tts:
            yield Models(stt, tts)

    with serve(create_app(settings, open_engines)) as server:
        yield server


def in_flight(server: RunningServer) -> int:
    return int(server.app.state.services.tts_admission.in_flight)


def run(
    settings: Settings, use: Callable[[RunningServer, _Held, httpx.AsyncClient], Awaitable[None]]
) -> None:
    model = _Held()

    async def main(server: RunningServer) -> None:
        async with server.async_client() as client:
            try:
                await use(server, model, client)
            finally:
                model.may_speak.set()

    with serving(settings, model) as server:
        asyncio.run(main(server))


def test_equal_texts_at_once_are_spoken_once(make_settings: Callable[..., Settings]) -> None:
    async def use(server: RunningServer, model: _Held, client: httpx.AsyncClient) -> None:
        asking = [asyncio.create_task(client.post("/tts", json=TEXT)) for _ in range(10)]
        other = asyncio.create_task(client.post("/tts", json=TEXT | {"text": "Good evening."}))
        await eventually(lambda: in_flight(server) == 11)  # all of them wait
        model.may_speak.set()
        answers = [answer.json() for answer in await asyncio.gather(*asking)]
        assert len({answer["key"] for answer in answers}) == 1
        assert sorted(answer["cached"] for answer in answers) == [False] + [True] * 9
        assert (await other).json()["key"] != answers[0]["key"]
        assert model.rows == 2

    run(make_settings(max_queue=20), use)


def test_a_caller_who_leaves_does_not_stop_the_others_and_the_last_one_does(
    make_settings: Callable[..., Settings],
) -> None:
    async def use(server: RunningServer, model: _Held, client: httpx.AsyncClient) -> None:
        async def ask() -> httpx.Response:
            async with server.async_client() as own:  # closing it closes the connection
                return await own.post("/tts", json=TEXT)

        first, second, third = (asyncio.create_task(ask()) for _ in range(3))
        await eventually(lambda: in_flight(server) == 3)  # all of them wait
        first.cancel()
        await eventually(lambda: in_flight(server) == 2)  # the first has left
        await eventually(lambda: server.app.state.services.models.tts.load.active == 1)  # for the others
        model.may_speak.set()
        assert (await second).json()["key"] == (await third).json()["key"]
        assert model.rows == 1

        model.may_speak.clear()
        leaving = [
            asyncio.create_task(client.post("/tts", json=TEXT | {"speed": 1.1}, timeout=2)) for _ in range(3)
        ]
        await eventually(lambda: server.app.state.services.models.tts.load.active == 1)  # it is being spoken
        left = await asyncio.gather(*leaving, return_exceptions=True)
        assert all(isinstance(error, httpx.ReadTimeout) for error in left)
        await eventually(lambda: in_flight(server) == 0)  # their places came back
        await eventually(
            lambda: server.app.state.services.models.tts.load.active == 0
        )  # the row was put down

    run(make_settings(), use)


def test_what_is_in_storage_is_answered_under_full_load(make_settings: Callable[..., Settings]) -> None:
    async def use(server: RunningServer, model: _Held, client: httpx.AsyncClient) -> None:
        model.may_speak.set()
        spoken = (await client.post("/tts", json=TEXT)).json()
        model.may_speak.clear()
        busy = [asyncio.create_task(client.post("/tts", json=TEXT | {"text": f"{n}."})) for n in (1, 2)]
        await eventually(lambda: in_flight(server) == 2)  # the queue is full
        assert (await client.post("/tts", json=TEXT | {"text": "3."})).status_code == 503
        for _ in range(5):
            again = (await client.post("/tts", json=TEXT)).json()
            assert (again["cached"], again["key"]) == (True, spoken["key"])
        assert in_flight(server) == 2
        model.may_speak.set()
        assert [answer.status_code for answer in await asyncio.gather(*busy)] == [200, 200]

    run(make_settings(max_queue=2), use)


def test_a_key_is_not_told_what_another_has_spoken(make_settings: Callable[..., Settings]) -> None:
    async def use(server: RunningServer, model: _Held, client: httpx.AsyncClient) -> None:
        async def ask(key: str) -> tuple[str, bool]:
            answer = (await client.post("/tts", json=TEXT, headers={"X-API-Key": key})).json()
            return answer["key"], answer["cached"]

        both = [asyncio.create_task(ask(key)) for key in (KEY, OTHER_KEY)]
        await eventually(lambda: in_flight(server) == 2)  # both wait
        model.may_speak.set()
        (mine, first), (theirs, second) = await asyncio.gather(*both)
        assert mine != theirs
        assert (first, second) == (False, False)
        assert await ask(KEY) == (mine, True)
        assert await ask(OTHER_KEY) == (theirs, True)

    run(make_settings(), use)


def test_without_a_cache_every_text_is_spoken(make_settings: Callable[..., Settings]) -> None:
    async def use(server: RunningServer, model: _Held, client: httpx.AsyncClient) -> None:
        model.may_speak.set()
        answers = await asyncio.gather(*(client.post("/tts", json=TEXT) for _ in range(3)))
        assert [answer.json()["cached"] for answer in answers] == [False] * 3
        assert model.rows == 3

    run(make_settings(tts_cache=False), use)


@pytest.mark.parametrize("path", ["/tts", "/tts/stream"])
def test_a_voice_is_asked_for_by_name(make_settings: Callable[..., Settings], path: str) -> None:
    async def use(server: RunningServer, model: _Held, client: httpx.AsyncClient) -> None:
        model.may_speak.set()
        for voice in ("speaker-es", "alloy"):
            answer = await client.post(path, json=TEXT | {"language": "es", "voice": voice})
            assert answer.status_code == 200
        wrong = await client.post(path, json=TEXT | {"voice": "speaker-es"})
        assert (wrong.status_code, "speaks 'es', not 'en'" in wrong.json()["detail"]) == (422, True)
        unknown = await client.post(path, json=TEXT | {"voice": "speaker-em"})
        assert (unknown.status_code, "the nearest is speaker-e" in unknown.json()["detail"]) == (422, True)
        strange = await client.post(path, json={"text": "Bonjour.", "language": "fr"})
        assert (strange.status_code, "voices for en, es" in strange.json()["detail"]) == (422, True)

    run(make_settings(), use)


def test_a_sample_of_a_voice_is_spoken_once(make_settings: Callable[..., Settings]) -> None:
    async def use(server: RunningServer, model: _Held, client: httpx.AsyncClient) -> None:
        model.may_speak.set()
        listed = (await client.get("/voices")).json()["voices"]
        for voice in listed:
            first = await client.get(voice["sample"])
            spoken = model.rows
            again = await client.get(voice["sample"])
            assert first.headers["content-type"] == "audio/mpeg"
            assert first.content == again.content
            assert len(first.content) > 1000
            assert model.rows == spoken
        assert model.rows == 2 * len(listed)  # sentences
        assert (await client.get("/voices/alloy/sample")).status_code == 200

        unknown = await client.get("/voices/speaker-xx/sample")
        assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:voz:not-found")
        assert "the nearest is speaker-e" in unknown.json()["detail"]
        async with server.async_client(key=None) as stranger:
            assert (await stranger.get(listed[0]["sample"])).status_code == 401

    run(make_settings(), use)
