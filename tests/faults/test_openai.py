"""What OpenAI's Python package makes of errors, at once and midway; names; web pages. A tone is the voice."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import httpx
import numpy as np
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.audio import TranscriptionTextDeltaEvent

from src.config import Settings
from src.main import create_app
from tests.support.audio import tone_wav
from tests.support.faults_engines import open_engines
from tests.support.server import KEY, RunningServer, serve
from tests.support.speech import clip, clip_path, silence, wav

# the package calls methods deprecated because OpenAI will end them
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")

MakeSettings = Callable[..., Settings]
HALFWAY = " ".join(f"Here comes sentence number {n}, which is fine." for n in range(1, 30)) + " Then poison."
PAGE = "https://app.example.com"


def sdk(server: RunningServer, key: str = KEY, prefix: str = "/v1", **options: Any) -> OpenAI:
    return OpenAI(api_key=key, base_url=server.url + prefix, **{"max_retries": 0, **options})


@pytest.fixture(scope="module")
def server(make_settings: MakeSettings) -> Iterator[RunningServer]:
    settings = make_settings(
        model_aliases="narrator=tts-1", cors_allow_origins=PAGE, max_text_chars=2000, max_audio_seconds=60
    )
    with serve(create_app(settings, open_engines)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[OpenAI]:
    with sdk(server) as opened:
        yield opened


@pytest.fixture(scope="module")
def speech() -> bytes:
    return clip_path("en-extended").read_bytes()


def test_models_and_voices(server: RunningServer, client: OpenAI) -> None:
    names = {model.id: model for model in client.models.list()}
    assert {"whisper-1", "gpt-4o-transcribe", "tts-1", "gpt-4o-mini-tts", "tone", "narrator"} <= set(names)
    assert (names["tone"].owned_by, names["tts-1"].owned_by) == ("voz", "openai")
    one = client.models.retrieve("whisper-1")
    assert (one.id, one.object) == ("whisper-1", "model")
    assert one.created > 1_700_000_000
    with server.client() as plain:
        voices = plain.get("/v1/audio/voices").json()["voices"]
        assert {"speaker-en", "speaker-es", "alloy"} <= {voice["id"] for voice in voices}
        found = {voice["id"]: voice for voice in voices}
        assert found["speaker-en"] == {
            "id": "speaker-en", "name": "speaker-en (en)", "language": "en", "engine": "speaker",
            "sample": "/voices/speaker-en/sample",
        }  # fmt: skip
        assert found["alloy"] == {"id": "alloy", "name": "alloy (the text's language)", "gender": "female"}
        bearer = {"Authorization": f"Bearer {KEY}"}
        assert httpx.get(
            server.url + found["speaker-en"]["sample"], headers=bearer, trust_env=False
        ).is_success
        assert plain.get("/audio/voices").json()["voices"] == voices
        assert plain.get("/models").json()["data"] == plain.get("/v1/models").json()["data"]
        assert plain.get("/models").json()["stt"]["engine"] == "reader"
    assert client.audio.speech.create(model="narrator", voice="alloy", input="Hello.").content


def test_everything_is_there_without_v1(server: RunningServer, speech: bytes) -> None:
    with sdk(server, prefix="") as client:
        assert client.audio.transcriptions.create(model="whisper-1", file=("a.flac", speech)).text == "a tone"
        assert client.audio.translations.create(model="whisper-1", file=("a.flac", speech)).text == "a tone"
        assert client.audio.speech.create(model="tts-1", voice="alloy", input="Hello.").content
        assert "whisper-1" in {model.id for model in client.models.list()}
        assert client.models.retrieve("tts-1").id == "tts-1"
        error = error_of(lambda: client.audio.speech.create(model="tts-9", voice="alloy", input="Hello."))
    assert error.code == "model_not_found"


def error_of(call: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        call()
    error = caught.value
    assert set(cast(Any, error.body)) == {"message", "type", "param", "code"}
    assert len(cast(Any, error.body)["message"]) > 10
    return error


def test_wrong_keys_and_models(server: RunningServer, client: OpenAI, speech: bytes) -> None:
    call: Any
    with sdk(server, "wrong-key-0123456") as stranger:
        for call in (
            stranger.models.list,
            lambda: stranger.audio.transcriptions.create(model="whisper-1", file=("a.flac", speech)),
            lambda: stranger.audio.speech.create(model="tts-1", voice="alloy", input="Hello."),
        ):
            error = error_of(call)
            assert isinstance(error, openai.AuthenticationError)
            assert error.code == "invalid_api_key"
    for call in (
        lambda: client.models.retrieve("gpt-9"),
        lambda: client.audio.transcriptions.create(model="gpt-9", file=("a.flac", speech)),
        lambda: client.audio.translations.create(model="tts-1", file=("a.flac", speech)),
        lambda: client.audio.speech.create(model="whisper-1", voice="alloy", input="Hello."),
    ):
        error = error_of(call)
        assert isinstance(error, openai.NotFoundError)
        assert (error.code, error.param) == ("model_not_found", "model")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "diarized_json"}, "response_format"),
        ({"response_format": "docx"}, "response_format"),
        ({"language": "klingon"}, "language"),
        ({"languages": ["en", "xx"]}, "languages"),
        ({"temperature": 2}, "temperature"),
        ({"prompt": "x" * 2001}, "prompt"),
        ({"include": ["logprobs"], "response_format": "text"}, "include"),
        ({"include": ["everything"]}, "include"),
        ({"timestamp_granularities": ["word"], "response_format": "srt"}, "timestamp_granularities"),
        ({"timestamp_granularities": ["hour"], "response_format": "verbose_json"}, "timestamp_granularities"),
        ({"chunking_strategy": "never"}, "chunking_strategy"),
        ({"chunking_strategy": {"type": "server_vad", "threshold": 7}}, "chunking_strategy"),
        ({"stream": True, "response_format": "srt"}, "stream"),
        ({"known_speaker_names": ["Ann"]}, "known_speaker_names"),
    ],
    ids=str,
)
def test_a_field_that_is_refused_is_named(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    error = error_of(
        lambda: client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", tone_wav(1.0)), **cast(Any, fields)
        )
    )
    assert isinstance(error, openai.BadRequestError)
    assert (error.param, error.type) == (param, "invalid_request_error")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"voice": "speaker-em"}, "voice"),
        ({"voice": {"id": "speaker-em"}}, "voice"),
        ({"voice": 5}, "voice"),
        ({"response_format": "ogg"}, "response_format"),
        ({"speed": 5}, "speed"),
        ({"speed": 0.1}, "speed"),
        ({"input": ""}, "input"),
        ({"input": " \n "}, "input"),
        ({"input": "!?"}, "input"),
        ({"stream_format": "tape"}, "stream_format"),
        ({"instructions": "x" * 5000}, "instructions"),
    ],
    ids=str,
)
def test_a_field_of_speech_that_is_refused_is_named(
    client: OpenAI, fields: dict[str, Any], param: str
) -> None:
    body: dict[str, Any] = {"model": "tts-1", "voice": "alloy", "input": "Hello."} | fields
    error = error_of(lambda: client.audio.speech.create(**body))
    assert isinstance(error, openai.BadRequestError)
    assert error.param == param


def test_what_is_too_large_or_no_audio(make_settings: MakeSettings) -> None:
    settings = make_settings(max_upload_mb=1, max_audio_seconds=3, max_text_chars=20, rate_limit="6/minute")
    with serve(create_app(settings, open_engines)) as server, sdk(server) as client:
        calls = {
            415: lambda: client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no sound")),
            413: lambda: client.audio.transcriptions.create(model="whisper-1", file=("a.wav", tone_wav(5.0))),
        }
        for status, call in calls.items():
            assert error_of(call).status_code == status
        large = ("a.wav", bytes(4 * 2**20))
        assert (
            error_of(lambda: client.audio.transcriptions.create(model="whisper-1", file=large)).status_code
            == 413
        )
        long = error_of(lambda: client.audio.speech.create(model="tts-1", voice="alloy", input="a" * 21))
        assert long.status_code == 413
        for _ in range(3):  # what is refused for its declared size is not counted
            client.models.list()
        limited = error_of(client.models.list)
    assert isinstance(limited, openai.RateLimitError)
    assert limited.code == "rate_limit_exceeded"
    assert int(limited.response.headers["retry-after"]) >= 1


def test_an_error_midway_is_raised(server: RunningServer, client: OpenAI) -> None:
    said: dict[str, Any] = {
        "model": "tts-1",
        "voice": "alloy",
        "input": HALFWAY,
    }
    with (
        client.audio.speech.with_streaming_response.create(**said, response_format="pcm") as raw,
        pytest.raises(httpx_errors()),
    ):
        list(raw.iter_bytes())
    with client.audio.speech.with_streaming_response.create(**said, stream_format="sse") as stream:
        events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    *deltas, last = events
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert last["type"] == "error"
    assert last["error"]["code"] == "engine_failed"
    # before the first byte it is an error of its own status
    first = error_of(
        lambda: client.audio.speech.create(model="tts-1", voice="alloy", input="Poison, poison.")
    )
    assert isinstance(first, openai.InternalServerError)
    assert first.status_code == 500


def test_a_transcript_that_breaks_off_is_raised(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, speech: bytes
) -> None:
    """The second chunk of speech fails: the client has had a delta, and then gets an exception."""
    from tests.support import faults_engines

    whole = faults_engines._Reader.result
    seen = 0

    def second_fails(self: Any, row: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen > 1:
            raise RuntimeError("a model that fails")
        return whole(self, row)

    monkeypatch.setattr(faults_engines._Reader, "result", second_fails)
    with serve(create_app(make_settings(), open_engines)) as server, sdk(server) as client:
        events = client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", long_speech()), language="en", stream=True
        )
        first = next(events)
        assert isinstance(first, TranscriptionTextDeltaEvent)
        with pytest.raises(openai.APIError) as caught:
            list(events)
    assert caught.value.code == "engine_failed"
    assert cast(Any, caught.value.body)["type"] == "server_error"


def test_the_async_client_gets_the_same_errors(server: RunningServer) -> None:
    async def main() -> None:
        async with AsyncOpenAI(
            api_key="wrong-key-012345", base_url=f"{server.url}/v1", max_retries=0
        ) as client:
            with pytest.raises(openai.AuthenticationError):
                await client.models.list()
        async with AsyncOpenAI(api_key=KEY, base_url=f"{server.url}/v1", max_retries=0) as client:
            with pytest.raises(openai.BadRequestError):
                await client.audio.speech.create(model="tts-1", voice="alloy", input="!?")

    asyncio.run(main())


def test_a_full_server_is_tried_again(make_settings: MakeSettings) -> None:
    """503 with Retry-After, which the package obeys: the second try finds a place."""
    settings = make_settings(max_queue=1)
    with serve(create_app(settings, open_engines)) as server:

        async def main() -> None:
            async with (
                AsyncOpenAI(api_key=KEY, base_url=f"{server.url}/v1", max_retries=0) as hasty,
                AsyncOpenAI(api_key=KEY, base_url=f"{server.url}/v1", max_retries=8) as patient,
            ):
                slow = asyncio.create_task(
                    hasty.audio.speech.create(model="tts-1", voice="alloy", input="Let us crawl.")
                )
                while server.app.state.services.tts_admission.in_flight == 0:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                with pytest.raises(openai.InternalServerError) as caught:
                    await hasty.audio.speech.create(model="tts-1", voice="alloy", input="Hello.")
                assert caught.value.status_code == 503
                assert int(caught.value.response.headers["retry-after"]) >= 1
                answer = await patient.audio.speech.create(model="tts-1", voice="alloy", input="Hello.")
                assert answer.content
                await slow

        asyncio.run(main())


def test_a_page_of_another_origin_may_call(server: RunningServer) -> None:
    with server.client(None) as browser:
        preflight = browser.options(
            "/v1/audio/transcriptions",
            headers={
                "Origin": PAGE,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        refused = browser.post("/stt", headers={"Origin": PAGE})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, PAGE)


def httpx_errors() -> tuple[type[Exception], ...]:
    """Of a body that breaks off, raised by whichever HTTP library the package uses."""
    import httpx2

    return (httpx.HTTPError, httpx2.HTTPError, openai.APIConnectionError)


def long_speech() -> bytes:
    """Speech for more than one row: at most 30 s go into one."""
    return wav(np.concatenate([np.resize(clip("en-extended"), 16_000 * 25), silence(2.0)] * 2)).getvalue()
