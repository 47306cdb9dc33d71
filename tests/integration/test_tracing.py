"""Traces, as a collector of OpenTelemetry gets them: over a socket, in the protocol's own encoding."""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pydantic import SecretStr

from src.config import Settings
from src.core.security import ApiKeys
from src.engines.models import Models
from tests.support.collector import Collector, collector
from tests.support.deploy_host import REPOSITORY
from tests.support.server import KEY, RunningServer, app_with, serve

pytestmark = pytest.mark.models

SPEECH = REPOSITORY / "tests" / "data" / "speech" / "en-agent.flac"
SECRET = "collector-password"
CALLER = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
TRACEPARENT = f"00-{CALLER[0]}-{CALLER[1]}-01"


def attributes(span: Span) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, cast(str, pair.value.WhichOneof("value"))) for pair in span.attributes
    }


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def traced(models: Models, models_once: Models, make_settings: Callable[..., Settings]) -> Callable[..., Any]:
    """A server whose traces go to an address; its own are all there once it has stopped.

    It reads each row, and speaks a text once: what comes from memory has no span of an engine.
    """

    def start(url: str, **settings: Any) -> Any:
        own = Models(models.stt, models_once.tts)
        return serve(app_with(own, make_settings(otel_exporter_otlp_endpoint=url, **settings)))

    return start


def speak(server: RunningServer, text: str = "Yes.", **headers: str) -> dict[str, Any]:
    with server.client() as client:
        answer = client.post("/tts", json={"text": text, "language": "en"}, headers=headers)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found


def inside(kept: Collector, request: Span) -> dict[str, list[Span]]:
    """What was done for a request, by name; checked to be a part of it."""
    found: dict[str, list[Span]] = {}
    for span in kept.spans:
        if span.parent_span_id == request.span_id:
            assert span.trace_id == request.trace_id
            assert request.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
            found.setdefault(span.name, []).append(span)
    return found


def test_a_spoken_text_is_one_trace(traced: Callable[..., Any]) -> None:
    with collector() as kept:
        with traced(kept.url) as server:
            link = speak(server, "A trace tells a story.")["url"]  # which nobody has said before
            with server.client(key=None) as client:
                assert client.get(link.removeprefix(server.url)).status_code == 200
        [request] = kept.named("POST /tts")
        told = attributes(request)
        assert (told["http.route"], told["http.response.status_code"]) == ("/tts", 200)
        assert told["voz.key"] == ApiKeys([SecretStr(KEY)]).name_of(KEY)
        assert told["voz.audio_seconds"] > 0
        assert told["voz.cached"] is False
        parts = inside(kept, request)
        assert parts.keys() >= {"queue", "engine", "storage get", "storage put", "storage url"}
        assert attributes(parts["engine"][0])["voz.engine"] == "kokoro"
        assert attributes(parts["storage put"][0])["voz.storage"] == "local"
        everything = b"".join(request.SerializeToString() for request in kept.requests)
        assert KEY.encode() not in everything
        assert b"story" not in everything, "what callers say is theirs"
        assert b"signature" not in everything, "a link's signature opens it"
        [service] = {
            pair.value.string_value
            for request in kept.requests
            for of in request.resource_spans
            for pair in of.resource.attributes
            if pair.key == "service.name"
        }
        assert service == "voz"


def test_a_transcript_is_one_trace_and_a_part_of_its_callers(traced: Callable[..., Any]) -> None:
    with collector() as kept:
        with traced(kept.url) as server, server.client() as client:
            answer = client.post(
                "/stt", files={"file": SPEECH.read_bytes()}, headers={"traceparent": TRACEPARENT}
            )
            assert answer.status_code == 200
        [request] = kept.named("POST /stt")
        assert (request.trace_id.hex(), request.parent_span_id.hex()) == CALLER
        parts = inside(kept, request)
        assert parts.keys() >= {"decode", "queue", "engine"}
        assert attributes(parts["queue"][0])["voz.engine"] == "whisper"
        assert parts["queue"][0].end_time_unix_nano <= parts["engine"][0].end_time_unix_nano


def test_what_failed_is_marked(traced: Callable[..., Any]) -> None:
    with collector() as kept:
        with traced(kept.url) as server, server.client() as client:
            assert client.post("/stt", files={"file": b"not audio at all"}).status_code == 415
        [request] = kept.named("POST /stt")
        assert attributes(request)["error.type"] == "not-audio"
        assert request.status.code == Status.STATUS_CODE_UNSET, "the caller's mistake, not ours"
        [decode] = inside(kept, request)["decode"]
        assert decode.status.code == Status.STATUS_CODE_ERROR


def test_a_caller_who_leaves_leaves_no_span_open(traced: Callable[..., Any]) -> None:
    long = {"text": " ".join(f"This is sentence {n} of many." for n in range(30)), "language": "en"}
    with collector() as kept:
        with (
            traced(kept.url) as server,
            server.client() as client,
            client.stream("POST", "/tts/stream", json=long) as answer,
        ):
            next(answer.iter_bytes())
        [request] = kept.named("POST /tts/stream")
        assert inside(kept, request)["engine"]


def test_log_lines_name_their_trace(traced: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    with collector() as kept, traced(kept.url, log_format="json") as server:
        speak(server, traceparent=TRACEPARENT)
        with server.client() as client:
            client.get("/health/live")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    routes = {line["route"]: line.get("trace_id") for line in lines if "route" in line}
    assert routes == {"/tts": CALLER[0], "/health/live": None}


def test_the_collector_gets_its_password_and_nobody_else(
    traced: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    headers = f"Authorization=Bearer%20{SECRET},x-a=b"
    with collector() as kept, traced(kept.url, otel_exporter_otlp_headers=headers) as server:
        speak(server)
    assert kept.headers[0]["authorization"] == f"Bearer {SECRET}"
    assert kept.headers[0]["x-a"] == "b"
    assert SECRET not in capsys.readouterr().err


def test_the_sampler_of_the_environment_counts(
    traced: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with collector() as kept:
        with traced(kept.url) as server:
            speak(server)
        assert kept.spans == []


@pytest.mark.parametrize("trouble", ["refuses", "hangs", "fails"])
def test_a_collector_in_trouble_troubles_nobody(
    traced: Callable[..., Any], capsys: pytest.CaptureFixture[str], trouble: str
) -> None:
    with collector(silent=trouble == "hangs", status=500 if trouble == "fails" else 200) as kept:
        url = f"http://127.0.0.1:{closed_port()}" if trouble == "refuses" else kept.url
        with traced(url) as server:
            for _ in range(3):
                speak(server)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert ("Failed to export" in said) if trouble == "fails" else ("could not be sent" in said)


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


WITHOUT = """
import asyncio, sys, httpx
from tests.support.quick_app import app

async def main():
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://voz") as client:
            assert (await client.get("/models", headers={"X-API-Key": "some-test-key"})).status_code == 200

asyncio.run(main())
print(*sys.modules)
"""
TRACING = {"opentelemetry.sdk", "opentelemetry.exporter"}
UNASKED = {
    "aiobotocore", "aiohttp", "alembic", "ctranslate2", "faster_whisper", "huggingface_hub", "numba",
    "onnxruntime", "ray", "redis", "TTS", "torch", "wyoming",
}  # fmt: skip
"""Modules for options and engines that this server does not have, or for a database of an earlier release."""


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
def test_nothing_is_loaded_that_nobody_asked_for(tmp_path: Path, endpoint: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    own = {"API_KEY": "some-test-key", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "STORAGE": "local"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        env=kept
        | own
        | {"STORAGE_DIR": str(tmp_path), "DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"fastapi", "src.main", "sqlalchemy"} < loaded
    assert loaded & (TRACING | UNASKED) == (TRACING if endpoint else set())
