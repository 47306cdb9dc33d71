"""The AsyncAPI document of `/stt/live`: well formed, and true of the messages of real sessions."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from src.api.live.messages import Command, Resume, Start
from src.config import Settings
from src.main import create_app
from tests.support.live import cut, opening, receive, receive_until, witness_engines
from tests.support.recording import recorded
from tests.support.server import RunningServer, serve
from tests.support.speech import clip, silence

pytestmark = pytest.mark.anyio

SCHEMA = Path(__file__).parent.parent / "data" / "asyncapi-3.0.0.json.gz"
"""The schema of AsyncAPI 3.0.0 documents, from the npm package @asyncapi/specs 6.11.1 (Apache-2.0)."""
SENT = {"start", "commit", "clear", "stop", "ping", "resume"}


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    with serve(create_app(make_settings(), witness_engines)) as running:
        yield running


@pytest.fixture(scope="module")
def document(server: RunningServer) -> dict[str, Any]:
    with server.client(None) as client:
        answer = client.get("/asyncapi.yaml")
    assert answer.status_code == 200
    assert "asyncapi" in answer.headers["content-type"]
    found: dict[str, Any] = yaml.safe_load(answer.text)
    return found


class Listener:
    """Checks every message against the document, and notes which kinds there were."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self.kinds: set[str] = set()

    def check(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        schema = {"$ref": f"#/components/schemas/{kind}", "components": self._document["components"]}
        Draft202012Validator(schema).validate(message)
        self.kinds.add(kind)

    async def send(self, socket: ClientConnection, **message: Any) -> None:
        self.check(message)
        await socket.send(json.dumps(message))

    async def until(self, socket: ClientConnection, kind: str) -> list[dict[str, Any]]:
        found = await receive_until(socket, kind)
        for message in found:
            self.check(message)
        return found


def test_the_document_is_one_of_asyncapi(document: dict[str, Any]) -> None:
    schema = json.loads(gzip.decompress(SCHEMA.read_bytes()))
    assert list(Draft7Validator(schema).iter_errors(document)) == []
    assert list(Draft7Validator(schema).iter_errors(document | {"info": {}})), "the schema does not look"
    for one in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(one)


def test_it_has_the_fields_and_bounds_of_the_models(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    start = schemas["start"]["properties"]
    assert set(start) == {*Start.model_fields, "format"}
    assert set(schemas["resume"]["properties"]) == set(Resume.model_fields)
    commands = Command.model_json_schema()["properties"]["type"]["enum"]
    assert set(commands) | {"start", "resume"} == SENT
    for name, field in Start.model_json_schema()["properties"].items():
        for bound in ("minimum", "maximum", "maxLength", "default"):
            if name != "encoding" and bound in field and field[bound] not in ("", []):
                assert start[name].get(bound, field[bound] if name == "type" else None) == field[bound], name


async def test_real_sessions_say_what_it_says(server: RunningServer, document: dict[str, Any]) -> None:
    heard = Listener(document)
    spoken = np.concatenate([silence(0.3), clip("en-agent"), silence(1.0)])
    async with opening(server) as socket:
        await heard.send(socket, type="start", language="en", word_timestamps=True, encoding="webm")
        ready = await heard.until(socket, "ready")
        await socket.send(recorded(spoken, "webm"))
        final = (await heard.until(socket, "final"))[-1]
        assert final["segments"]
        await heard.send(socket, type="clear")
        await heard.send(socket, type="commit")
        await heard.send(socket, type="ping")
        await heard.until(socket, "pong")
        cut(socket)
    async with opening(server, f"/stt/live/{ready[-1]['session']}") as socket:
        await heard.send(socket, type="resume", seq=final["seq"])
        await heard.until(socket, "resumed")
        await heard.send(socket, type="stop")
        await heard.until(socket, "closed")
    async with opening(server) as socket:
        await socket.send("nonsense")
        heard.check(await receive(socket))
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    named = {name for channel in document["channels"].values() for name in channel["messages"]} - {"audio"}
    assert heard.kinds == named, "each kind was seen"
