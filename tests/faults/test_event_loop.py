"""No input holds the event loop: others are served meanwhile."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from src.config import Settings
from src.engines.base import Segment, Word
from src.main import create_app
from src.services.stt import Result
from src.services.usage import Usage
from tests.support.audio import tone_wav
from tests.support.faults_engines import open_engines
from tests.support.faults_process import Server, serving
from tests.support.server import serve
from tests.support.watchdog import Watchdog

BAR = 0.05
"""Seconds of CPU time that one step of the loop may take."""
WAV = ("a.wav", tone_wav(1.0))
MEGABYTE = 2**20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("lag")
    with serving(folder, app="tests.support.lag_app:app") as running:
        running.works()
        running.works()
        yield running


def multipart(*parts: bytes) -> dict[str, object]:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    return {"content": body, "headers": {"Content-Type": "multipart/form-data; boundary=b"}}


def field(name: str, value: bytes) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value


def file(content: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + content


def as_json(text: str) -> dict[str, object]:
    return {"content": text.encode(), "headers": {"Content-Type": "application/json"}}


def unknown(count: int) -> str:
    return json.dumps({"text": "Hi."} | {f"f{number}": number for number in range(count)})


CASES: dict[str, tuple[str, Callable[[], dict[str, object]], set[int]]] = {
    "60,000 unknown fields": ("/tts", lambda: as_json(unknown(60_000)), {413}),
    "as many unknown fields as fit": ("/tts", lambda: as_json(unknown(3_500)), {422}),
    "a field with a long name": ("/tts", lambda: as_json(json.dumps({"x" * 60_000: 1})), {422}),
    "nested lists": ("/tts", lambda: as_json("[" * 30_000 + "]" * 30_000), {422}),
    "a long list": ("/tts", lambda: as_json('{"text": [' + "1," * 30_000 + "1]}"), {422}),
    "a number of 60,000 digits": (
        "/tts",
        lambda: as_json('{"text": "a", "speed": ' + "9" * 60_000 + "}"),
        {422},
    ),
    "escapes only": ("/tts", lambda: as_json('{"text": "' + "\\u00e9" * 9_000 + '"}'), {413}),
    "the longest text": ("/tts", lambda: as_json(json.dumps({"text": "$1.5 " * 1_000})), {200}),
    "many form fields": (
        "/stt",
        lambda: multipart(*(field(f"f{number}", b"1") for number in range(30_000)), file(WAV[1])),
        {422},
    ),
    "many languages in a field": (
        "/stt",
        lambda: multipart(field("languages", b"en," * 5_000), file(WAV[1])),
        {422},
    ),
    "many fields of languages": (
        "/stt",
        lambda: multipart(*(field("languages", b"en," * 5_000) for _ in range(100)), file(WAV[1])),
        {422},
    ),
    "a long prompt": ("/stt", lambda: multipart(field("prompt", b"x" * 500_000), file(WAV[1])), {422}),
    "a prompt as long as a field may be": (
        "/stt",
        lambda: multipart(field("prompt", b"x" * 16_000), file(WAV[1])),
        {422},
    ),
    "many files": ("/stt", lambda: multipart(*(file(b"x") for _ in range(30_000))), {422}),
    "a part with many headers": (
        "/stt",
        lambda: multipart(b"".join(b"X-%d: 1\r\n" % number for number in range(100_000)) + b"\r\nx"),
        {422},
    ),
    "line ends only": ("/stt", lambda: multipart(file(b"\r" * 8 * MEGABYTE)), {415}),
    "half boundaries only": ("/stt", lambda: multipart(file(b"\r\n--" * 2 * MEGABYTE)), {415}),
    "an urlencoded form": (
        "/stt",
        lambda: {
            "content": b"a=1&" * MEGABYTE,
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
        {422},
    ),
    "a long query": ("/tts?" + "a&" * 25_000, lambda: as_json('{"text": "Hi."}'), {413}),
    "as long a query as there may be": ("/tts?" + "a&" * 2_000, lambda: as_json('{"text": "Hi."}'), {200}),
    "many headers": (
        "/tts",
        lambda: {
            "content": b'{"text": "Hi."}',
            "headers": [("Content-Type", "application/json"), *(("a", "b") for _ in range(8_000))],
        },
        {200},
    ),
    "many cookies": (
        "/tts",
        lambda: {
            "content": b'{"text": "Hi."}',
            "headers": {"Content-Type": "application/json", "Cookie": "a=b;" * 12_000},
        },
        {200},
    ),
    "a path of slashes": ("/a" + "/" * 50_000, lambda: as_json("{}"), {404}),
}


@pytest.mark.parametrize("case", CASES)
def test_no_input_holds_the_loop(server: Server, case: str) -> None:
    path, request, statuses = CASES[case]
    with server.client() as client:
        client.get("/longest").raise_for_status()
        answer = _send(client, path, request())
        held = client.get("/longest").json()
    assert answer.status_code in statuses, answer.text[:500]
    assert len(answer.content) < 10_000 or answer.status_code == 200
    assert held < BAR, f"{held * 1000:.0f} ms"


def _send(client: httpx.Client, path: str, request: dict[str, object]) -> httpx.Response:
    return client.request("POST", path, **request)  # type: ignore[arg-type]


@pytest.mark.parametrize("response_format", ["verbose_json", "srt", "vtt", "json"])
def test_a_transcript_of_two_hours_does_not_hold_it(
    make_settings: Callable[..., Settings], response_format: str
) -> None:
    words = [Word(start=n / 3, end=(n + 1) / 3, word=f" word{n}", probability=0.9) for n in range(21_600)]
    segments = tuple(
        Segment(n * 3.0, n * 3.0 + 3, " said", -0.1, 0.0, tuple(words[n * 9 : n * 9 + 9]))
        for n in range(2_400)
    )

    class Reader:
        async def transcribe(self, *_: Any) -> Result:
            return Result(" said" * 2_400, "en", 1.0, 7200.0, segments, "tone", Usage(7200.0))

    app = create_app(make_settings(), open_engines)
    Watchdog(app)
    with serve(app) as running, running.client() as client:
        app.state.services = replace(app.state.services, stt=Reader())
        client.get("/longest").raise_for_status()
        data = {"response_format": response_format, "word_timestamps": "true"}
        answer = client.post("/stt", files={"file": WAV}, data=data)
        held = client.get("/longest").json()
    assert answer.status_code == 200
    assert len(answer.content) > 10_000
    assert held < BAR, f"{held * 1000:.0f} ms"


def test_the_watchdog_sees_a_loop_that_is_held(server: Server) -> None:
    with server.client() as client:
        client.get("/longest")
        client.get("/hold").raise_for_status()
        assert client.get("/longest").json() > BAR


def test_the_answer_lists_the_first_unknown_fields_and_how_many_more(server: Server) -> None:
    with server.client() as client:
        few = client.post("/tts", json={"text": "Hi.", "voise": 1, "speeed": 2}).json()
        many = client.post("/tts", **as_json(unknown(500))).json()  # type: ignore[arg-type]
    assert [wrong["field"] for wrong in few["errors"]] == ["voise", "speeed"]
    assert "f0, f1, f2" in many["detail"]
    assert "and 490 more" in many["detail"]
    assert "f10" not in many["detail"]
