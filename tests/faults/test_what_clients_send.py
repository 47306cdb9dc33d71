"""What real clients send: tags, names, nulls, HEAD, white space, and bodies of another kind."""

import http.client
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest

from src.api.languages import language_tag
from src.config import Settings
from src.main import create_app
from tests.support.audio import tone_wav
from tests.support.faults_engines import open_engines
from tests.support.server import KEY, RunningServer, serve


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    with serve(create_app(make_settings(tts_cache=False), open_engines)) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("es", "es"), ("ES", "es"), ("es-MX", "es-MX"), ("es_mx", "es-MX"), ("es-419", "es-419"),
        ("en-US", "en-US"), ("Spanish", "es"), ("español", "es"), ("English", "en"), ("inglés", "en"),
        (" es ", "es"), ("auto", None), ("Auto", None), ("  ", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_a_language_is_read_as_clients_write_it(written: str | None, tag: str | None) -> None:
    assert language_tag(written, ("en", "es")) == tag


@pytest.mark.parametrize("language", ["es-MX", "es_MX", "ES", "Spanish", "español"])
def test_speech_takes_tags_and_names(client: httpx.Client, language: str) -> None:
    answer = client.post("/tts", json={"text": "Hola, buenos días.", "language": language})
    assert answer.status_code == 200, answer.text
    assert answer.json()["language"] == "es"


@pytest.mark.parametrize("language", ["en-US", "EN", "English", "auto", "  "])
def test_transcription_takes_tags_and_names(client: httpx.Client, language: str) -> None:
    answer = client.post("/stt", files={"file": ("a.wav", tone_wav(1.0))}, data={"language": language})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("path", "request_", "field"),
    [
        ("/stt", {"files": {"file": ("a.wav", tone_wav(1.0))}, "data": {"language": "xx"}}, "language"),
        ("/tts", {"json": {"text": "Hi", "language": "xx"}}, "language"),
        ("/tts", {"json": {"text": "Hi", "voice": "nobody"}}, "voice"),
        ("/tts", {"json": {"text": "Hi", "speed": 9}}, "speed"),
        ("/tts", {"json": {"text": "   "}}, "text"),
    ],
)
def test_one_wrong_field_is_listed(
    client: httpx.Client, path: str, request_: dict[str, object], field: str
) -> None:
    answer = client.post(path, **request_)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert [item["field"] for item in answer.json()["errors"]] == [field]


def test_null_is_absent(client: httpx.Client) -> None:
    body = {"text": "Hi there", "speed": None, "voice": None, "language": None, "format": None}
    assert client.post("/tts", json=body).status_code == 200
    assert client.post("/tts", json={"text": None}).status_code == 422
    body = {"model": "tts-1", "voice": "alloy", "input": "Hi there", "speed": None, "response_format": None}
    body |= {"stream_format": None, "timestamps": None, "instructions": None}
    assert client.post("/v1/audio/speech", json=body).status_code == 200
    assert client.post("/v1/audio/speech", json=body | {"input": None}).status_code == 400


@pytest.mark.parametrize(
    ("content", "headers", "field", "words"),
    [
        (b'{"text":"Hi",}', {"Content-Type": "application/json"}, "body", "not JSON"),
        (b'{"text":"Hi"}', {"Content-Type": "text/plain"}, "body", "send Content-Type: application/json"),
        (
            b'{"text":"Hi"}',
            {"Content-Type": "application/x-www-form-urlencoded"},
            "body",
            "send Content-Type: application/json",
        ),
        (b'["Hi"]', {"Content-Type": "application/json"}, "body", "must be a JSON object"),
        (b'{"txt":"Hi"}', {"Content-Type": "application/json"}, "text", "required"),
    ],
)
def test_a_message_says_what_to_do(
    client: httpx.Client, content: bytes, headers: dict[str, str], field: str, words: str
) -> None:
    answer = client.post("/tts", content=content, headers=headers)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["errors"][0]["field"] == field
    assert words in problem["detail"]


def test_a_raw_body_is_told_how_to_send_a_file(client: httpx.Client) -> None:
    answer = client.post("/stt", content=tone_wav(1.0), headers={"Content-Type": "audio/wav"})
    assert answer.status_code == 422
    assert "multipart/form-data with a part named `file`" in answer.json()["detail"]
    assert "this is audio/wav" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/models", "/docs", "/openapi.json"])
def test_head_works_where_get_does(client: httpx.Client, path: str) -> None:
    got, asked = client.get(path), client.head(path)
    assert (asked.status_code, asked.content) == (got.status_code, b"")
    assert asked.headers["content-type"] == got.headers["content-type"]
    assert client.head("/tts").status_code == 405


def test_white_space_around_a_key_is_none_of_it(server: RunningServer) -> None:
    def status(key: str) -> int:
        # httpx refuses to send such a value
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
        with closing(connection):
            connection.request("GET", "/models", headers={"X-API-Key": key})
            return connection.getresponse().status

    assert [status(key) for key in (KEY, f"{KEY} ", f" {KEY}\t")] == [200, 200, 200]
    assert status("  ") == 401


PREAMBLES = [
    b"This is a multipart message\r\n",
    b"\r\n",
    b"two lines,\r\nof which one is --BB\r\n",
    b"-" * 100_000 + b"\r\n",
    b"only a line feed\n",
]


@pytest.mark.parametrize("preamble", PREAMBLES, ids=range(len(PREAMBLES)))
@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_a_form_may_have_a_preamble(client: httpx.Client, preamble: bytes, size: int) -> None:
    form = (
        b'--BB\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        + tone_wav(0.2)
        + b"\r\n--BB--\r\nan epilogue"
    )
    whole = preamble + form
    cut = len(preamble) + 200 if size == 1 else len(whole)
    pieces = [whole[at : at + size] for at in range(max(0, len(preamble) - 60), cut, size)]
    pieces = [whole[: max(0, len(preamble) - 60)], *pieces, whole[cut:]]
    answer = client.post(
        "/stt", content=iter(pieces), headers={"Content-Type": "multipart/form-data; boundary=BB"}
    )
    assert answer.status_code == 200, answer.text


def test_a_form_without_its_boundary_is_refused(client: httpx.Client) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=BB"}
    for body in (b"", b"nothing of the kind", b"--B", b"x--BB\r\n"):
        answer = client.post("/stt", content=body, headers=headers)
        assert answer.status_code == 422, answer.text


@pytest.mark.parametrize(
    ("disposition", "words"),
    [
        (b'form-data; name="file"', "the part `file` has no `filename`"),
        (b"form-data; name=\"file\"; filename*=UTF-8''a.wav", "`filename*` is not for forms"),
        (b"form-data", "name"),
    ],
)
def test_a_part_without_a_name_or_filename(client: httpx.Client, disposition: bytes, words: str) -> None:
    body = b"--BB\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + tone_wav(0.2) + b"\r\n--BB--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=BB"}
    answer = client.post("/stt", content=body, headers=headers)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_a_file_that_is_no_audio_is_named(client: httpx.Client) -> None:
    answer = client.post("/stt", files={"file": ("a.wav", b"not audio at all")})
    assert answer.status_code == 415
    assert [item["field"] for item in answer.json()["errors"]] == ["file"]
