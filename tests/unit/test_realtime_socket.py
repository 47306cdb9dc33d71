"""`WS /v1/realtime` over a real socket: each client event is answered as OpenAI's interface has it."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from src.config import Settings
from src.main import create_app
from tests.support.eventually import eventually
from tests.support.live import live_address, opening, receive, receive_until, witness_engines
from tests.support.server import KEY, RunningServer, serve
from tests.support.speech import clip, silence

pytestmark = pytest.mark.anyio

PATH = "/v1/realtime"
COMPLETED = "conversation.item.input_audio_transcription.completed"
COMMIT = {"type": "input_audio_buffer.commit"}


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    with serve(create_app(make_settings(), witness_engines)) as running:
        yield running


def update(**given: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "transcription", "audio": {"input": given}}}


def append(data: bytes) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()}


async def tell(socket: ClientConnection, *events: dict[str, Any]) -> None:
    for event in events:
        await socket.send(json.dumps(event))


@pytest.mark.parametrize("query", ["", "?intent=transcription", "?model=whisper-1", "?model=gpt-realtime"])
@pytest.mark.parametrize("path", [PATH, "/realtime"])
async def test_every_way_to_start_begins_a_transcription_session(
    server: RunningServer, path: str, query: str
) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "OpenAI-Beta": "realtime=v1"}
    async with connect(live_address(server, path + query), additional_headers=headers, proxy=None) as socket:
        created = await receive(socket)
    assert created["type"] == "session.created"
    assert created["event_id"]
    session = created["session"]
    assert (session["type"], session["object"]) == ("transcription", "realtime.transcription_session")
    assert session["id"].startswith("sess_")
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"


async def test_a_browser_s_sub_protocols(server: RunningServer) -> None:
    offered: Any = ["realtime", f"openai-insecure-api-key.{KEY}", "openai-beta.realtime-v1"]
    async with connect(live_address(server, PATH), subprotocols=offered, proxy=None) as socket:
        assert socket.subprotocol == "realtime"
        assert (await receive(socket))["type"] == "session.created"
    with pytest.raises(InvalidStatus) as refused:
        await connect(live_address(server, PATH), subprotocols=offered[:1], proxy=None)
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"")["error"]["code"] == "invalid_api_key"


OTHERS = [
    "conversation.item.create", "conversation.item.delete", "conversation.item.retrieve",
    "conversation.item.truncate", "response.create", "response.cancel", "output_audio_buffer.clear",
    "transcription_session.update", "anything",
]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        *(({"type": kind}, "unsupported_event", "type") for kind in OTHERS),
        ({}, "missing_required_parameter", "type"),
        ({"type": 7}, "missing_required_parameter", "type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": {"type": "realtime"}}, "invalid_value", "session.type"),
        (update(format={"type": "audio/mp3"}), "invalid_value", "session.audio.input.format.type"),
        (update(transcription={"model": "nobody"}), "model_not_found", None),
        (update(transcription={"language": "klingon"}), "invalid_value",
         "session.audio.input.transcription.language"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "%"}, "invalid_value", "audio"),
        (COMMIT, "input_audio_buffer_commit_empty", None),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_an_error_and_the_session_stays(
    server: RunningServer, event: dict[str, Any], code: str, param: str | None
) -> None:
    async with opening(server, PATH) as socket:
        await receive(socket)
        await tell(socket, event | {"event_id": "mine"})
        refused = await receive(socket)
        assert refused["type"] == "error"
        error = refused["error"]
        assert error["type"] == "invalid_request_error"
        assert (error["code"], error["event_id"]) == (code, "mine")
        assert error["param"] == param or param is None
        assert error["message"]
        await tell(socket, {"type": "input_audio_buffer.clear"})
        assert (await receive(socket))["type"] == "input_audio_buffer.cleared"


@pytest.mark.parametrize("message", ["no JSON", "[]", "7", "null"])
async def test_what_is_no_event_is_an_error_too(server: RunningServer, message: str) -> None:
    async with opening(server, PATH) as socket:
        await receive(socket)
        await socket.send(message)
        assert (await receive(socket))["error"]["code"] == "invalid_json"
        await tell(socket, update(turn_detection=None))
        assert (await receive(socket))["type"] == "session.updated"


FORMATS = [
    ({"type": "audio/pcm", "rate": 24_000}, 48_000), ({"type": "audio/pcm", "rate": 16_000}, 32_000),
    ({"type": "audio/pcmu"}, 8_000), ({"type": "audio/pcma"}, 8_000),
]  # fmt: skip


@pytest.mark.parametrize(("given", "bytes_a_second"), FORMATS)
async def test_commit_ends_an_item_in_every_format(
    server: RunningServer, given: dict[str, Any], bytes_a_second: int
) -> None:
    quiet = b"\0" if "rate" in given else b"\xff" if given["type"] == "audio/pcmu" else b"\xd5"
    async with opening(server, PATH) as socket:
        await receive(socket)
        await tell(socket, update(format=given, turn_detection=None))
        updated = await receive(socket)
        assert updated["session"]["audio"]["input"]["format"]["type"] == given["type"]
        assert updated["session"]["audio"]["input"]["turn_detection"] is None
        previous = None
        for _ in range(2):
            await tell(socket, append(quiet * bytes_a_second), COMMIT)
            found = [one for one in await receive_until(socket, COMPLETED) if "delta" not in one["type"]]
            assert [one["type"] for one in found] == [
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
                COMPLETED,
            ]
            item = found[0]["item_id"]
            assert found[0]["previous_item_id"] == previous
            assert {one.get("item_id") or one["item"]["id"] for one in found} == {item}
            assert found[-1]["content_index"] == 0
            assert found[-1]["usage"]["type"] == "duration"
            assert found[-1]["usage"]["seconds"] == pytest.approx(1.0, abs=0.02)
            previous = item


async def test_clear_forgets_what_was_not_committed(server: RunningServer) -> None:
    async with opening(server, PATH) as socket:
        await receive(socket)
        await tell(socket, update(turn_detection=None), append(bytes(48_000)))
        await tell(socket, {"type": "input_audio_buffer.clear"}, COMMIT)
        kinds = [one["type"] for one in await receive_until(socket, "error")]
        assert kinds[:2] == ["session.updated", "input_audio_buffer.cleared"]
        assert kinds[-1] == "error"


@pytest.mark.parametrize("vad", [{"type": "server_vad"}, {"type": "semantic_vad", "eagerness": "high"}])
async def test_turns_are_found_and_told_in_openai_s_order(server: RunningServer, vad: dict[str, Any]) -> None:
    audio = np.concatenate([silence(0.5), clip("en-agent"), silence(3.0)])
    data = (audio * 32767).astype("<i2").tobytes()
    async with opening(server, PATH) as socket:
        await receive(socket)
        await tell(socket, update(format={"type": "audio/pcm", "rate": 16_000}, turn_detection=vad))
        shown = (await receive(socket))["session"]["audio"]["input"]["turn_detection"]
        assert shown["type"] == vad["type"]
        assert ("eagerness" in shown) == ("eagerness" in vad)
        for start in range(0, len(data), 16_000):
            await tell(socket, append(data[start : start + 16_000]))
        found = [one for one in await receive_until(socket, COMPLETED) if "delta" not in one["type"]]
    assert [one["type"] for one in found[:5]] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert 0 < found[0]["audio_start_ms"] < 1_000
    assert found[0]["audio_start_ms"] < found[1]["audio_end_ms"] <= len(audio) / 16
    assert len({one["event_id"] for one in found}) == len(found)


async def test_a_session_ends_with_its_connection(server: RunningServer) -> None:
    async with opening(server, PATH) as socket:
        await receive(socket)
        socket.transport.abort()
        await asyncio.sleep(0)
    await eventually(lambda: server.app.state.services.live_admission.in_flight == 0)
