"""Live transcription over real sockets, with the real model."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from httpx import AsyncClient
from openai import AsyncOpenAI, OpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from src.config import Settings
from src.engines.base import Audio
from tests.support.eventually import eventually
from tests.support.server import KEY, OTHER_KEY, RunningServer, app_with, serve
from tests.support.speech import clip, seconds, silence
from tests.support.speech_text import word_error_rate

# the package opens its sockets in a way that websockets 17 deprecates
if TYPE_CHECKING:
    from src.engines.models import Models

pytestmark = [
    pytest.mark.models,
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:connect\\(\\) must be used:DeprecationWarning"),
]

SAID = "That agent is already logged on. Please enter your agent number followed by the pound key."


def address(voz: RunningServer, path: str = "/stt/live") -> str:
    return voz.url.replace("http", "ws", 1) + path


def speech() -> Audio:
    return np.concatenate([silence(0.4), clip("en-agent"), silence(1.0)])


def pcm(audio: Audio, rate: int = 16_000) -> bytes:
    if rate != 16_000:
        at = np.arange(int(len(audio) * rate / 16_000)) * 16_000 / rate
        audio = np.interp(at, np.arange(len(audio)), audio).astype(np.float32)
    return (audio * 32767).astype("<i2").tobytes()


def mulaw(data: bytes) -> bytes:
    """16-bit PCM in ITU-T G.711's mu-law."""
    samples = np.frombuffer(data, "<i2").astype(np.int32)
    biased = np.minimum(np.abs(samples), 32_635) + 132
    exponent = np.log2(biased).astype(np.int32) - 7
    mantissa = biased >> (exponent + 3) & 15
    return bytes((~((samples < 0) << 7 | exponent << 4 | mantissa) & 255).astype(np.uint8))


async def feed(socket: ClientConnection, data: bytes, size: int = 3_200, pause: float = 0.03) -> None:
    for start in range(0, len(data), size):
        await socket.send(data[start : start + size])
        await asyncio.sleep(pause)


async def messages(socket: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    async for text in socket:
        yield json.loads(text)


async def test_words_come_while_they_are_spoken_and_the_text_at_the_end(voz: RunningServer) -> None:
    async with connect(address(voz), additional_headers={"X-API-Key": KEY}, proxy=None) as socket:
        await socket.send(json.dumps({"type": "start", "language": "en-US", "word_timestamps": True}))
        ready = json.loads(await socket.recv())
        assert ready["type"] == "ready"
        assert ready["model"] == "base"
        feeding = asyncio.create_task(feed(socket, pcm(speech()), pause=0.08))
        found: list[dict[str, Any]] = []
        async for message in messages(socket):
            found.append(message)
            if message["type"] == "final":
                await feeding  # a GPU is done with the speech before the silence behind it is sent
                await socket.send('{"type": "stop"}')
    kinds = [message["type"] for message in found]
    assert kinds[0] == "speech_started"
    assert kinds[-2:] == ["usage", "closed"]
    assert kinds.index("partial") < kinds.index("speech_stopped") < kinds.index("final")
    [final] = [message for message in found if message["type"] == "final"]
    assert word_error_rate(SAID, final["text"]) == 0
    assert final["language"] == "en"
    words = [word for segment in final["segments"] for word in segment["words"]]
    assert words[-1]["end"] == pytest.approx(5.7, abs=0.4), "seconds of the session"
    deltas = "".join(message["delta"] for message in found if message["type"] == "partial")
    tentative = [message["tentative"] for message in found if message["type"] == "partial"]
    assert deltas or any(tentative), "nothing was said before the end"
    assert word_error_rate(SAID[: len(deltas)], deltas) < 0.4
    assert found[-2]["seconds"] == pytest.approx(len(speech()) / 16_000, abs=0.1)


async def test_the_text_is_the_same_at_every_rate_and_in_mu_law(voz: RunningServer) -> None:
    async def said(rate: int, encoding: str, data: bytes) -> tuple[str, float]:
        async with connect(address(voz), additional_headers={"X-API-Key": KEY}, proxy=None) as socket:
            options = {"sample_rate": rate, "encoding": encoding, "language": "en", "partial": False}
            await socket.send(json.dumps({"type": "start", **options}))
            await feed(socket, data, pause=0)
            await socket.send('{"type": "stop"}')
            found = [message async for message in messages(socket)]
        finals = [message["text"] for message in found if message["type"] == "final"]
        return " ".join(finals), found[-2]["seconds"]

    audio = speech()
    texts = await asyncio.gather(
        said(24_000, "pcm_s16le", pcm(audio, 24_000)),
        said(16_000, "pcm_s16le", pcm(audio)),
        said(8_000, "mulaw", mulaw(pcm(audio, 8_000))),
    )
    for text, length in texts:
        assert word_error_rate(SAID, text) == 0
        assert length == pytest.approx(seconds(audio), abs=0.1)


async def test_the_key_may_come_in_the_first_message(voz: RunningServer) -> None:
    async with connect(address(voz), proxy=None) as socket:
        await socket.send(json.dumps({"type": "start", "api_key": KEY}))
        assert json.loads(await socket.recv())["type"] == "ready"
        await socket.send('{"type": "ping"}')
        assert json.loads(await socket.recv())["type"] == "pong"


@pytest.mark.parametrize("first", ['{"type": "start", "api_key": "wrong"}', '{"type": "start"}', "nonsense"])
async def test_a_first_message_without_a_right_key_closes(voz: RunningServer, first: str) -> None:
    async with connect(address(voz), proxy=None) as socket:
        await socket.send(first)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1008


async def test_a_browser_offers_its_key_as_a_sub_protocol(voz: RunningServer) -> None:
    protocols = ["realtime", f"openai-insecure-api-key.{KEY}"]
    async with connect(address(voz), subprotocols=protocols, proxy=None) as socket:  # type: ignore[arg-type]
        assert socket.subprotocol == "realtime"
    wrong = ["realtime", "openai-insecure-api-key.wrong"]
    with pytest.raises(InvalidStatus) as refused:
        await connect(address(voz), subprotocols=wrong, proxy=None)  # type: ignore[arg-type]
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    ("query", "message", "words"),
    [
        ("?sample_rate=1", None, "sample_rate"),
        ("?api_key=x", None, "address"),
        ("", '{"type": "start", "language": "klingon"}', "klingon"),
        ("", '{"type": "sing"}', "type"),
    ],
)
async def test_wrong_options_are_named(
    voz: RunningServer, query: str, message: str | None, words: str
) -> None:
    headers = {"X-API-Key": KEY}
    async with connect(address(voz) + query, additional_headers=headers, proxy=None) as socket:
        if message:
            await socket.send(message)
        found = json.loads(await socket.recv())
        while found["type"] == "ready":
            found = json.loads(await socket.recv())
        assert found["type"] == "error"
        assert words in found["message"]
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_a_client_who_leaves_takes_its_rows_along(voz: RunningServer) -> None:
    async with connect(address(voz), additional_headers={"X-API-Key": KEY}, proxy=None) as socket:
        await feed(socket, pcm(speech()), pause=0)
    async with voz.async_client() as http:
        for _ in range(400):
            state = (await http.get("/models")).json()
            left = state["stt"]["rows_waiting"] + state["stt"]["rows_active"] + state["live"]["sessions"]
            if left == 0:
                break
            await asyncio.sleep(0.05)
    assert left == 0, state


def append(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_a_session_killed_at_any_moment_leaves_no_row_behind(voz: RunningServer) -> None:
    data = pcm(speech(), 24_000)[: 24_000 * 2 * 3]  # somebody speaks at its end
    held: list[int] = []

    async def rows(http: AsyncClient) -> tuple[int, int]:
        state = (await http.get("/models")).json()
        return state["stt"]["rows_waiting"] + state["stt"]["rows_active"], state["live"]["sessions"]

    async with voz.async_client() as http:
        for number in range(10):
            url = address(voz, "/v1/realtime?intent=transcription")
            async with connect(url, additional_headers={"X-API-Key": KEY}, proxy=None) as socket:
                message = {"type": "input_audio_buffer.append", "audio": append(data)}
                await socket.send(json.dumps(message))
                await asyncio.sleep(0.05 * number)
                held.append((await rows(http))[0])
                socket.transport.abort()
        for _ in range(400):
            if (left := await rows(http)) == (0, 0):
                break
            await asyncio.sleep(0.05)
    assert left == (0, 0)
    assert any(held), "no session had a row when it was killed"


async def test_the_sdk_transcribes_in_real_time(voz: RunningServer) -> None:
    client = AsyncOpenAI(api_key=KEY, base_url=f"{voz.url}/v1", websocket_base_url=address(voz, "/v1"))
    kinds: list[str] = []
    deltas, completed = "", None
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(
            session={"type": "transcription", "audio": {"input": {"transcription": {"language": "en"}}}}
        )

        async def send() -> None:
            data = pcm(speech(), 24_000)
            for start in range(0, len(data), 4_800):
                await connection.input_audio_buffer.append(audio=append(data[start : start + 4_800]))
                await asyncio.sleep(0.06)  # a busy machine must have made updates before the end

        sending = asyncio.create_task(send())
        async for event in connection:
            kinds.append(event.type)
            if event.type == "conversation.item.input_audio_transcription.delta":
                deltas += event.delta or ""
            if event.type == "conversation.item.input_audio_transcription.completed":
                completed = event
                break
        await sending
    assert completed is not None
    assert word_error_rate(SAID, completed.transcript) == 0
    assert completed.usage.type == "duration"
    order = [
        "session.created",
        "session.updated",
        "input_audio_buffer.speech_started",
        "conversation.item.input_audio_transcription.delta",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
    ]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    assert deltas
    await client.close()


def test_the_sdk_commits_by_itself_and_is_told_its_mistakes(voz: RunningServer) -> None:
    client = OpenAI(api_key=KEY, base_url=f"{voz.url}/v1", websocket_base_url=address(voz, "/v1"))
    with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        assert connection.recv().type == "session.created"
        connection.session.update(
            session={
                "type": "transcription",
                "audio": {"input": {"turn_detection": None, "transcription": {"language": "en"}}},
            }
        )
        assert connection.recv().type == "session.updated"
        connection.input_audio_buffer.commit()
        refused = connection.recv()
        assert refused.type == "error"
        assert refused.error.code == "input_audio_buffer_commit_empty"
        connection.send({"type": "response.create", "event_id": "mine"})
        refused = connection.recv()
        assert refused.type == "error"
        assert (refused.error.param, refused.error.event_id) == ("type", "mine")
        connection.input_audio_buffer.append(audio=append(pcm(speech(), 24_000)))
        connection.input_audio_buffer.commit()
        while (event := connection.recv()).type != "conversation.item.input_audio_transcription.completed":
            assert event.type != "error"
        assert word_error_rate(SAID, event.transcript) == 0
    client.close()


def test_a_client_secret_opens_live_sessions_alone(voz: RunningServer) -> None:
    with OpenAI(api_key=KEY, base_url=f"{voz.url}/v1") as client:
        secret = client.realtime.client_secrets.create(
            session={"type": "transcription", "audio": {"input": {"transcription": {"language": "es"}}}}
        )
    assert secret.value.startswith("ek_")
    with (
        OpenAI(
            api_key=secret.value, base_url=f"{voz.url}/v1", websocket_base_url=address(voz, "/v1")
        ) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        created: Any = connection.recv()
        assert created.session.audio.input.transcription.language == "es"
    with voz.client(secret.value) as http:
        assert http.get("/models").status_code == 401


async def test_a_key_has_so_many_sessions(models: "Models", make_settings: Callable[..., Settings]) -> None:
    with serve(app_with(models, make_settings(live_sessions=2, live_sessions_per_key=1))) as voz:
        headers, other = {"X-API-Key": KEY}, {"X-API-Key": OTHER_KEY}
        async with connect(address(voz), additional_headers=headers, proxy=None):
            with pytest.raises(InvalidStatus) as refused:
                await connect(address(voz), additional_headers=headers, proxy=None)
            assert refused.value.response.status_code == 429
            async with connect(address(voz), additional_headers=other, proxy=None):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(address(voz), additional_headers=other, proxy=None)
                assert refused.value.response.status_code == 503, "there is no place for anybody"
                with voz.client() as http:
                    live = http.get("/models").json()["live"]
                assert (live["sessions"], live["max_sessions"]) == (2, 2)
                assert live["cost"] > 0, "measured when the server started"
        # the server learns a moment later that the client has left
        await eventually(lambda: voz.app.state.services.live_admission.in_flight == 0, 20)
        async with connect(address(voz), additional_headers=headers, proxy=None):
            pass


async def test_nobody_is_let_in_while_sessions_lag(
    models: "Models", make_settings: Callable[..., Settings]
) -> None:
    with serve(app_with(models, make_settings())) as voz:
        headers = {"X-API-Key": KEY}
        async with connect(address(voz), additional_headers=headers, proxy=None):
            for _ in range(40):
                voz.app.state.services.stt.live.updated(0.1, 1.0, 0.1, 0.4, 5.0, time.monotonic())
            with pytest.raises(InvalidStatus) as refused:
                await connect(address(voz), additional_headers=headers, proxy=None)
            assert refused.value.response.status_code == 503
            assert int(refused.value.response.headers["Retry-After"]) > 0
            assert b"lag" in (refused.value.response.body or b"")
            with voz.client() as http:
                live = http.get("/models").json()["live"]
            assert live["lag"] > 2
            assert live["interval"] >= 0.4


async def test_a_silent_client_is_cut_off(models: "Models", make_settings: Callable[..., Settings]) -> None:
    with serve(app_with(models, make_settings(live_idle_timeout=0.5))) as voz:
        async with connect(address(voz), additional_headers={"X-API-Key": KEY}, proxy=None) as socket:
            assert "LIVE_IDLE_TIMEOUT" in json.loads(await socket.recv())["message"]
            with pytest.raises(ConnectionClosed):
                await socket.recv()
