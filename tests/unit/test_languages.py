"""Languages and other fields of `/stt` as clients write them."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from src.api.languages import language_code
from src.config import Settings
from src.errors import InvalidInput
from src.main import create_app
from tests.support.audio import tone_wav
from tests.support.faults_engines import open_engines
from tests.support.server import serve

KNOWN = ("en", "es", "fr", "de", "pt", "zh", "yue", "no", "he", "id", "haw", "jw", "tl", "ca", "nl")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("es", "es"), ("ES", "es"), (" es ", "es"), ("es-MX", "es"), ("es_MX", "es"), ("en-US", "en"),
        ("pt-BR", "pt"), ("zh-Hans-CN", "zh"), ("zh-TW", "zh"), ("spa", "es"), ("eng", "en"), ("fra", "fr"),
        ("Spanish", "es"), ("SPANISH", "es"), ("Español", "es"), ("castilian", "es"), ("Français", "fr"),
        ("Deutsch", "de"), ("Cantonese", "yue"), ("hawaiian", "haw"), ("Mandarin", "zh"), ("nb-NO", "no"),
        ("iw", "he"), ("in", "id"), ("", None), ("  ", None), ("auto", None), ("Auto", None),
    ],
)  # fmt: skip
def test_what_clients_send_is_understood(text: str, code: str | None) -> None:
    assert language_code(text, KNOWN) == code


@pytest.mark.parametrize("text", ["xx", "klingon", "e", "es,en", "-", "'; drop", "x" * 5000])
def test_what_is_no_language_is_refused_with_advice(text: str) -> None:
    with pytest.raises(InvalidInput, match="such as en, es or fr") as raised:
        language_code(text, KNOWN)
    assert raised.value.field == "language"
    assert len(str(raised.value)) < 250


def test_a_misspelt_name_is_guessed() -> None:
    with pytest.raises(InvalidInput, match="did you mean es"):
        language_code("Spanich", KNOWN)


@pytest.fixture(scope="module")
def client(make_settings: Callable[..., Settings]) -> Iterator[httpx.Client]:
    with serve(create_app(make_settings(), open_engines)) as running, running.client() as opened:
        yield opened


WAV = ("a.wav", tone_wav(1.0))


@pytest.mark.parametrize(
    "data", [{"task": "Translate"}, {"language": "  "}, {"language": "auto"}, {"track": "1"}]
)
def test_fields_in_any_dress_are_taken(client: httpx.Client, data: dict[str, str]) -> None:
    assert client.post("/stt", files={"file": WAV}, data=data).status_code == 200


@pytest.mark.parametrize(
    ("data", "field", "says"),
    [
        ({"language": "xx"}, "language", "ISO 639-1"),
        ({"languages": "en,xx"}, "languages", "ISO 639-1"),
        ({"task": "sing"}, "task", "'transcribe' or 'translate'"),
        ({"track": "2"}, "track", "there is no track 2"),
    ],
)
def test_a_wrong_field_is_named(client: httpx.Client, data: dict[str, str], field: str, says: str) -> None:
    answer = client.post("/stt", files={"file": WAV}, data=data)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
    assert [wrong["field"] for wrong in answer.json()["errors"]] == [field]


def test_a_body_that_is_no_form_is_told_what_to_send(client: httpx.Client) -> None:
    raw = client.post("/stt", content=WAV[1], headers={"Content-Type": "audio/wav"})
    assert raw.status_code == 422
    assert "send multipart/form-data with a part named `file`; this is audio/wav" in raw.json()["detail"]
    for extra in ("", "; filename*=UTF-8''a.wav"):
        body = f'--b\r\nContent-Disposition: form-data; name="file"{extra}\r\n\r\nRIFF\r\n--b--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        named = client.post("/stt", content=body.encode(), headers=headers)
        assert named.status_code == 422
        assert "has no `filename`" in named.json()["detail"]
