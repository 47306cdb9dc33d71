"""The client over real sockets, against a server whose answers are scripted."""

import asyncio
import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from starlette.responses import PlainTextResponse

import voz
from tests.support.client_app import SEGMENT, WHOLE, Script, app_of, event, problem
from tests.support.server import serve
from voz.retries import RetryPolicy, retry_after


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[str, Script]]:
    script = Script()
    with serve(app_of(script)) as server:
        yield server.url, script


@pytest.fixture
def script(running: tuple[str, Script]) -> Script:
    vars(running[1]).update(vars(Script()))
    return running[1]


@pytest.fixture
def client(running: tuple[str, Script], script: Script) -> Iterator[voz.Client]:
    with voz.Client(running[0], "the-api-key", max_wait=5) as opened:
        yield opened


def test_a_transcription_is_typed_and_ignores_what_it_does_not_know(
    client: voz.Client, script: Script, tmp_path: Path
) -> None:
    (tmp_path / "añadido.wav").write_bytes(b"RIFF....")
    found = client.transcribe(
        tmp_path / "añadido.wav",
        language="es-MX",
        languages=["es", "en"],
        words=True,
        prompt="Voz",
        track=2,
        beam_size=3,
    )
    assert isinstance(found, voz.Transcription)
    assert (found.text, found.segments[0].end, found.warnings) == ("Hello there.", 1.5, ())
    assert script.headers[0]["x-api-key"] == "the-api-key"
    sent = script.bodies[0].decode()
    for name, value in [
        ("language", "es-MX"), ("languages", "es"), ("languages", "en"), ("word_timestamps", "true"),
        ("prompt", "Voz"), ("track", "2"), ("beam_size", "3"), ("response_format", "verbose_json"),
    ]:  # fmt: skip
        assert f'name="{name}"\r\n\r\n{value}\r\n' in sent
    assert "RIFF...." in sent
    assert "ñ" in sent


def opened(path: Path) -> BinaryIO:
    file = path.open("rb")
    file.seek(2)
    return file


@pytest.mark.parametrize("source", [str, Path, Path.read_bytes, opened], ids=lambda kind: kind.__name__)
def test_every_kind_of_source_is_sent_whole_at_each_attempt(
    client: voz.Client, script: Script, tmp_path: Path, source: Callable[[Path], Any]
) -> None:
    (tmp_path / "a.wav").write_bytes(b"..the whole of it")
    script.answers += [problem(503, retry_after="0"), problem(503, retry_after="0")]
    given = source(tmp_path / "a.wav")
    client.transcribe(given)
    if isinstance(given, io.BufferedReader):
        given.close()
    assert len(script.bodies) == 3
    assert all(b"the whole of it\r\n" in body for body in script.bodies)


class Pipe(io.RawIOBase):
    """Can be read once."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1, /) -> bytes:
        content, self.content = getattr(self, "content", b"only once"), b""
        return content


def test_a_source_that_can_be_read_once_is_sent_once(client: voz.Client, script: Script) -> None:
    script.answers.append(problem(503, retry_after="0"))
    with pytest.raises(voz.Unavailable):
        client.transcribe(Pipe())  # type: ignore[arg-type]
    assert len(script.bodies) == 1
    assert b"only once" in script.bodies[0]


def test_retry_after_is_waited_for(client: voz.Client, script: Script) -> None:
    script.answers.append(problem(503, retry_after="1"))
    assert client.transcribe(b"audio").text == "Hello there."
    assert 1.0 <= script.times[1] - script.times[0] < 3.0


@pytest.mark.parametrize(
    ("status", "kind", "attempts"),
    [
        (429, "rate-limited", 4),
        (503, "overloaded", 4),
        (503, "deadline-exceeded", 1),
        (500, "engine-failed", 1),
        (502, "", 1),
        (415, "not-audio", 1),
    ],
)
def test_only_what_was_refused_is_repeated(
    client: voz.Client, script: Script, status: int, kind: str, attempts: int
) -> None:
    script.answers += [problem(status, kind, retry_after="0")] * 10
    with pytest.raises(voz.ApiError) as caught:
        client.transcribe(b"audio")
    assert caught.value.kind == kind
    assert len(script.times) == attempts


def test_a_read_is_repeated_after_a_gateway_failed(client: voz.Client, script: Script) -> None:
    script.answers += [PlainTextResponse("<html>", 502), PlainTextResponse("<html>", 504)]
    assert client.voices() == ()
    assert len(script.times) == 3


def test_a_wait_that_is_too_long_is_left_to_the_caller(client: voz.Client, script: Script) -> None:
    script.answers.append(problem(429, "rate-limited", retry_after="3600"))
    begun = time.monotonic()
    with pytest.raises(voz.RateLimited) as caught:
        client.transcribe(b"audio")
    assert caught.value.retry_after == 3600
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, voz.InvalidInput), (401, voz.Unauthorized), (403, voz.Forbidden), (404, voz.NotFound),
        (409, voz.Conflict), (413, voz.TooLarge), (415, voz.NotAudio), (422, voz.InvalidInput),
        (418, voz.ApiError), (500, voz.ServerError),
    ],
)  # fmt: skip
def test_each_status_has_its_error_with_all_that_the_server_says(
    client: voz.Client, script: Script, status: int, expected: type[voz.ApiError]
) -> None:
    script.answers.append(problem(status, "some-kind"))
    with pytest.raises(voz.ApiError) as caught:
        client.transcribe(b"audio")
    error = caught.value
    assert type(error) is expected
    assert (error.status, error.kind, error.detail, error.request_id) == (
        status, "some-kind", "what was wrong", "abc123",
    )  # fmt: skip
    assert error.errors == (voz.FieldError("speed", "too fast"),)
    assert "abc123" in str(error)


def test_an_answer_of_a_proxy_is_an_error_too(client: voz.Client, script: Script) -> None:
    script.answers.append(PlainTextResponse("<html>", 500, {"X-Request-ID": "seen"}))
    with pytest.raises(voz.ServerError, match="500 Internal Server Error") as caught:
        client.transcribe(b"audio")
    assert caught.value.request_id == "seen"


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("VOZ_URL", f"http://127.0.0.1:{probe.getsockname()[1]}")
        with voz.Client(retries=1) as client, pytest.raises(voz.ConnectionFailed, match="no server answers"):
            client.voices()


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        voz.Client(url)


def test_a_server_that_does_not_answer(running: tuple[str, Script], script: Script) -> None:
    script.waits = 1.5
    with voz.Client(running[0], timeout=0.3) as client, pytest.raises(voz.TimedOut):
        client.transcribe(b"audio")
    assert len(script.times) == 1


def test_the_environment_names_server_and_key(
    running: tuple[str, Script], script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOZ_URL", f"{running[0]}/prefix/")
    monkeypatch.setenv("VOZ_API_KEY", "from-the-environment")
    with voz.Client() as client:
        client.transcribe(b"audio")
    assert script.headers[0]["x-api-key"] == "from-the-environment"


def test_segments_come_one_by_one_and_then_the_whole(client: voz.Client, script: Script) -> None:
    script.stream = [
        b": keep alive\n\n",
        event("segment", json.dumps(SEGMENT)),
        event("done", json.dumps(WHOLE | {"document": "1\n00:00"})),
    ]
    with client.stream_transcription(b"audio", document="srt") as stream:
        with pytest.raises(RuntimeError):
            _ = stream.result
        assert [segment.text for segment in stream] == ["Hello there."]
        assert stream.result.segments[0].end == 1.5
        assert stream.document == "1\n00:00"
    assert b'name="response_format"\r\n\r\nsrt' in script.bodies[0]


def test_an_error_midway_is_raised(client: voz.Client, script: Script) -> None:
    failed = json.loads(bytes(problem(500, "engine-failed").body))
    script.stream = [event("segment", json.dumps(SEGMENT)), event("error", json.dumps(failed))]
    seen = []
    with (
        pytest.raises(voz.ServerError) as caught,
        client.stream_transcription(b"audio") as stream,
    ):
        seen += list(stream)
    assert caught.value.kind == "engine-failed"
    assert caught.value.request_id == "abc123"


@pytest.mark.parametrize("cut", [True, False], ids=["connection cut", "no last event"])
def test_half_a_stream_is_no_result(client: voz.Client, script: Script, cut: bool) -> None:
    script.stream, script.breaks_off = [event("segment", json.dumps(SEGMENT))], cut
    seen = []
    with (
        pytest.raises(voz.BrokenOff),
        client.stream_transcription(b"audio") as stream,
    ):
        for segment in stream:
            seen.append(segment)  # noqa: PERF402 - what came before the error counts
    assert len(seen) == 1


def test_speech_comes_as_it_is_made(client: voz.Client, script: Script) -> None:
    script.stream = [b"RIFF", b"more"]
    with client.stream_speech("Hello", voice="af_heart", speed=1.5) as audio:
        assert b"".join(audio) == b"RIFFmore"
    sent = json.loads(script.bodies[0])
    assert sent == {"text": "Hello", "voice": "af_heart", "speed": 1.5, "timestamps": False}


def test_speech_that_breaks_off_is_no_result(client: voz.Client, script: Script) -> None:
    script.stream, script.breaks_off = [b"RIFF"], True
    with pytest.raises(voz.BrokenOff), client.stream_speech("Hello") as audio:
        list(audio)


def test_speech_with_its_words(client: voz.Client, script: Script) -> None:
    script.stream = [
        event("words", json.dumps({"words": [{"word": "Hi", "start": 0, "end": 0.4}]})),
        event("audio", json.dumps({"audio": "UklGRg=="})),
        event("done", "{}"),
    ]
    with client.stream_speech_with_words("Hi") as parts:
        assert list(parts) == [
            voz.SpeechPart(words=(voz.SpokenWord("Hi", 0, 0.4),)),
            voz.SpeechPart(audio=b"RIFF"),
        ]


def test_leaving_a_stream_early_is_seen_by_the_server(client: voz.Client, script: Script) -> None:
    script.stream, script.endless = [event("segment", json.dumps(SEGMENT))], True
    with client.stream_transcription(b"audio") as stream:
        assert next(iter(stream)).text == "Hello there."
    end = time.monotonic() + 10
    while not script.left.is_set() and time.monotonic() < end:
        time.sleep(0.01)
    assert script.left.is_set()


@pytest.mark.anyio
async def test_the_async_client_does_the_same(running: tuple[str, Script], script: Script) -> None:
    async with voz.AsyncClient(running[0], "the-api-key") as client:
        script.answers.append(problem(429, "rate-limited", retry_after="0"))
        assert (await client.transcribe(b"audio")).segments[0].text == "Hello there."
        assert len(script.times) == 2
        script.answers.append(problem(415, "not-audio"))
        with pytest.raises(voz.NotAudio):
            await client.transcribe(b"audio")
        script.stream = [event("segment", json.dumps(SEGMENT)), event("done", json.dumps(WHOLE))]
        async with client.stream_transcription(b"audio") as stream:
            assert [segment.id async for segment in stream] == [0]
            assert stream.result.language == "en"
        script.stream = [b"RIFF", b"more"]
        async with client.stream_speech("Hello") as audio:
            assert b"".join([chunk async for chunk in audio]) == b"RIFFmore"
        script.breaks_off = True
        with pytest.raises(voz.BrokenOff):
            async with client.stream_speech("Hello") as audio:
                [chunk async for chunk in audio]


@pytest.mark.anyio
async def test_cancelling_a_call_closes_its_connection(running: tuple[str, Script], script: Script) -> None:
    script.endless = True
    async with voz.AsyncClient(running[0]) as client:

        async def read() -> None:
            async with client.stream_transcription(b"audio") as stream:
                async for _ in stream:
                    pass

        task = asyncio.create_task(read())
        while not script.bodies:  # noqa: ASYNC110 - another loop sets it
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            while not script.left.is_set():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def test_retry_after_as_seconds_or_a_date() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after({"retry-after": "7"}) == 7
    assert 55 < (retry_after({"retry-after": in_a_minute}) or 0) <= 60
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_waits_grow_and_are_bounded() -> None:
    policy = RetryPolicy(retries=10, max_wait=60)
    waits = [policy.after_answer(False, attempt, 503, "", None) for attempt in range(11)]
    assert waits[-1] is None
    assert all(wait is not None and 0.25 * min(16, 2**attempt) <= wait <= 8
               for attempt, wait in enumerate(waits[:-1]))  # fmt: skip
    asked = [policy.after_answer(False, 0, 503, "", 10.0) for _ in range(50)]
    assert all(wait is not None and 10 <= wait <= 13 for wait in asked)
    assert len(set(asked)) > 1


def test_importing_the_client_needs_nothing_of_the_server() -> None:
    code = (
        "import sys, voz; "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'src', 'fastapi', 'torch', 'numpy', "
        "'pydantic', 'typer'}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        cwd=Path(__file__).parent.parent.parent,
    )  # fmt: skip
    assert said.stdout.strip() == "[]"
