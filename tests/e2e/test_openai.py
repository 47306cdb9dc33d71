"""OpenAI's own Python package as the client, over a socket, with the real models."""

import asyncio
import io
import json
import math
import wave
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.audio import (
    Transcription,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionVerbose,
    TranslationVerbose,
)

from tests.support.audio import decode
from tests.support.server import KEY, RunningServer
from tests.support.speech_text import word_error_rate

# the package calls methods deprecated because OpenAI will end them
pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning"),
]

ENGLISH = "The water in the kettle is hot, so we can have our tea in the garden."
SPANISH = "El agua ya está caliente, así que podemos tomar el té en el jardín."
GREETING = "Good morning, how are you today?"
SALUDO = "Buenos días, ¿cómo está usted hoy?"
"""Speaking takes a second of CPU time for a second of sound: what only has to be said is short."""
STT_MODELS = ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-transcribe", "base"]
TTS_MODELS = ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "kokoro-82m"]


def sdk(server: RunningServer, key: str = KEY, prefix: str = "/v1", **options: Any) -> OpenAI:
    return OpenAI(api_key=key, base_url=server.url + prefix, **{"max_retries": 0, **options})


@pytest.fixture(scope="module")
def client(voz: RunningServer) -> Iterator[OpenAI]:
    with sdk(voz) as opened:
        yield opened


@pytest.fixture(scope="module")
def english(client: OpenAI) -> bytes:
    """Two sentences in English, as a WAV file."""
    text = f"{ENGLISH} {GREETING}"
    return client.audio.speech.create(model="tts-1", voice="nova", input=text, response_format="wav").content


@pytest.fixture(scope="module")
def spanish(client: OpenAI) -> bytes:
    return client.audio.speech.create(
        model="tts-1", voice="nova", input=SPANISH, response_format="wav"
    ).content


def test_whisper_s_names_all_transcribe(client: OpenAI, english: bytes) -> None:
    texts = set()
    for model in STT_MODELS:
        answer = client.audio.transcriptions.create(model=model, file=("speech.wav", english))
        assert isinstance(answer, Transcription)
        texts.add(answer.text)
        assert answer.usage is not None
        assert answer.usage.type == "duration"
        assert answer.usage.seconds == pytest.approx(wave_seconds(english), abs=0.05)
    [text] = texts
    assert word_error_rate(ENGLISH, text[: len(ENGLISH)]) <= 0.10


def test_every_format_of_a_transcript(client: OpenAI, english: bytes) -> None:
    def ask(wanted: Any) -> Any:
        return client.audio.transcriptions.create(
            model="whisper-1", file=("speech.wav", english), response_format=wanted
        )

    whole = ask("json").text
    assert ask("text") == whole
    assert ask("srt").startswith("1\n00:00:0")
    assert ask("vtt").startswith("WEBVTT\n")
    verbose = ask("verbose_json")
    assert isinstance(verbose, TranscriptionVerbose)
    assert (verbose.text, verbose.language) == (whole, "english")
    assert verbose.duration == pytest.approx(wave_seconds(english), abs=0.05)
    assert verbose.words is None
    assert verbose.segments is not None
    assert "".join(segment.text for segment in verbose.segments) == whole
    for segment in verbose.segments:
        assert set(segment.to_dict()) == {
            "id", "seek", "start", "end", "text", "tokens", "temperature",
            "avg_logprob", "compression_ratio", "no_speech_prob",
        }  # fmt: skip
        assert 0 <= segment.start < segment.end <= verbose.duration + 0.1
        assert segment.tokens
        assert segment.temperature == 0
        assert 0.5 < segment.compression_ratio < 2.4
        assert segment.avg_logprob < 0


@pytest.mark.parametrize("asked", [["word"], ["segment"], ["word", "segment"]], ids=str)
def test_words_and_segments_as_asked(client: OpenAI, english: bytes, asked: list[Any]) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1",
        file=("speech.wav", english),
        response_format="verbose_json",
        timestamp_granularities=asked,
    )
    assert (answer.words is not None, answer.segments is not None) == ("word" in asked, "segment" in asked)
    if answer.words is not None:
        assert " ".join(word.word for word in answer.words) == answer.text
        starts = [word.start for word in answer.words]
        assert starts == sorted(starts)


def test_names_without_brackets_are_the_same(voz: RunningServer, english: bytes) -> None:
    with voz.client() as plain:
        answers = [
            plain.post(
                f"/v1{path}",
                files={"file": ("speech.wav", english)},
                data={"model": "whisper-1", "response_format": "verbose_json", name: ["word", "segment"]},
            ).json()
            for path, name in [
                ("/audio/transcriptions", "timestamp_granularities"),
                ("/audio/transcriptions", "timestamp_granularities[]"),
            ]
        ]
    assert answers[0] == answers[1]
    assert answers[0]["words"]
    assert answers[0]["segments"]


def test_logprobs_are_those_of_the_text(client: OpenAI, english: bytes) -> None:
    answer = client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("speech.wav", english), include=["logprobs"]
    )
    assert answer.logprobs
    assert all(one.logprob is not None and one.logprob <= 0 for one in answer.logprobs)
    spelled = b"".join(bytes(map(int, one.bytes or ())) for one in answer.logprobs).decode()
    assert spelled.split() == answer.text.split()
    mean = sum(one.logprob or 0 for one in answer.logprobs) / len(answer.logprobs)
    assert -0.5 < mean < 0  # clear speech


def test_a_stream_s_deltas_are_the_text(client: OpenAI, english: bytes) -> None:
    whole = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=("speech.wav", english))
    for options in ({}, {"include": ["logprobs"]}, {"response_format": "text"}):
        events = list(
            client.audio.transcriptions.create(
                model="gpt-4o-transcribe", file=("speech.wav", english), stream=True, **cast(Any, options)
            )
        )
        *deltas, last = events
        assert all(isinstance(delta, TranscriptionTextDeltaEvent) for delta in deltas)
        assert isinstance(last, TranscriptionTextDoneEvent)
        assert "".join(cast(Any, delta).delta for delta in deltas) == last.text == whole.text
        assert last.usage is not None
        assert last.usage.type == "tokens"
        assert last.usage.total_tokens == last.usage.input_tokens + last.usage.output_tokens
        assert last.usage.output_tokens > 10
        assert last.usage.input_tokens == math.ceil(wave_seconds(english) * 50)
        if "include" in options:
            assert last.logprobs
            assert sum(len(cast(Any, delta).logprobs) for delta in deltas) == len(last.logprobs)


def test_fields_shape_what_is_read(client: OpenAI, english: bytes, spanish: bytes) -> None:
    def read(audio: bytes, **fields: Any) -> Any:
        return client.audio.transcriptions.create(
            model="gpt-transcribe", file=("speech.wav", audio), response_format="verbose_json", **fields
        )

    assert read(spanish).language == "spanish"
    assert read(spanish, language="es-MX").language == "spanish"
    assert read(spanish, languages=["pt", "es"]).language == "spanish"
    assert read(spanish, languages=["en"]).language == "english"
    warm = read(english, temperature=0.7)
    assert warm.segments is not None
    assert {segment.temperature for segment in warm.segments} == {0.7}
    plain = read(english).text
    for strategy in ("auto", {"type": "server_vad", "threshold": 0.4, "silence_duration_ms": 300}):
        assert read(english, chunking_strategy=strategy).text == plain


def test_keywords_and_a_prompt_change_the_spelling(client: OpenAI) -> None:
    audio = client.audio.speech.create(
        model="tts-1", voice="nova", input="Please ask Kayleigh and Siobhan.", response_format="wav"
    ).content

    def read(**fields: Any) -> Any:
        return client.audio.transcriptions.create(
            model="gpt-transcribe", file=("speech.wav", audio), **fields
        ).text

    assert "Kayleigh" in read(keywords=["Kayleigh", "Siobhan"])
    assert "Kayleigh" in read(prompt="A letter to Kayleigh and Siobhan.")
    assert "Caylee" in read(keywords=["Caylee"]) or "Caylee" in read(keywords=["Caylee", "Shivon"])


def test_translations(client: OpenAI, spanish: bytes) -> None:
    text = client.audio.translations.create(model="whisper-1", file=("speech.wav", spanish)).text
    assert "water" in text.lower()
    verbose = client.audio.translations.create(
        model="whisper-1", file=("speech.wav", spanish), response_format="verbose_json"
    )
    assert isinstance(verbose, TranslationVerbose)
    assert (verbose.language, verbose.text) == ("english", text)
    assert verbose.segments
    for wanted, begin in (("text", text), ("srt", "1\n00:"), ("vtt", "WEBVTT")):
        said: Any = client.audio.translations.create(
            model="whisper-1", file=("speech.wav", spanish), response_format=cast(Any, wanted)
        )
        assert said.startswith(begin)


@pytest.mark.parametrize("wanted", ["mp3", "opus", "aac", "flac", "wav"])
def test_every_format_of_speech(client: OpenAI, wanted: Any) -> None:
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input=GREETING, response_format=wanted)
    audio, rate = decode(answer.content)
    assert 1 < len(audio) / rate < 4
    transcript = client.audio.transcriptions.create(model="whisper-1", file=(f"a.{wanted}", answer.content))
    assert word_error_rate(GREETING, transcript.text) <= 0.10


@pytest.mark.parametrize("model", TTS_MODELS)
def test_every_name_of_a_model_speaks(client: OpenAI, model: str) -> None:
    answer = client.audio.speech.create(model=model, voice="alloy", input="Yes.")
    audio, rate = decode(answer.content)
    assert 0.3 < len(audio) / rate < 2


def test_mp3_is_the_default_and_pcm_is_24_khz(client: OpenAI) -> None:
    by_default = client.audio.speech.create(model="tts-1", voice="alloy", input="Yes.")
    assert by_default.response.headers["content-type"] == "audio/mpeg"
    pcm = client.audio.speech.create(
        model="tts-1", voice="alloy", input="Yes.", response_format="pcm"
    ).content
    wav = client.audio.speech.create(
        model="tts-1", voice="alloy", input="Yes.", response_format="wav"
    ).content
    np.testing.assert_array_equal(np.frombuffer(pcm, "<i2"), np.frombuffer(wav[44:], "<i2"))
    with wave.open(io.BytesIO(wav)) as header:
        assert (header.getframerate(), header.getnchannels(), header.getsampwidth()) == (24_000, 1, 2)


def test_speed(client: OpenAI) -> None:
    def length(speed: float) -> int:
        said = client.audio.speech.create(
            model="tts-1", voice="alloy", input="One, two.", response_format="pcm", speed=speed
        )
        return len(said.content)

    plain = length(1.0)
    for speed in (0.25, 1.5, 4.0):
        assert length(speed) == pytest.approx(plain / speed, rel=0.01)


def test_speech_comes_in_chunks_and_as_events(client: OpenAI) -> None:
    said: dict[str, Any] = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": f"{GREETING} {GREETING}"}
    with client.audio.speech.with_streaming_response.create(
        **said, response_format="pcm", instructions="Cheerfully."
    ) as raw:
        chunks = list(raw.iter_bytes())
    assert len(chunks) >= 2
    with client.audio.speech.with_streaming_response.create(
        **said, response_format="pcm", stream_format="sse"
    ) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = [
            json.loads(line[len("data: ") :]) for line in stream.iter_lines() if line.startswith("data")
        ]
    *deltas, last = events
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    audio = b"".join(httpx_decode(event["audio"]) for event in deltas)
    assert audio == b"".join(chunks)
    assert last["type"] == "speech.audio.done"
    assert last["usage"]["input_tokens"] == pytest.approx(len(said["input"]), abs=4)
    assert last["usage"]["output_tokens"] == math.ceil(len(audio) / 48_000 * 20)
    assert last["usage"]["total_tokens"] == last["usage"]["input_tokens"] + last["usage"]["output_tokens"]


def test_a_voice_speaks_the_text_s_language(client: OpenAI) -> None:
    for voice in ("alloy", "onyx", {"id": "nova"}):
        for text, language in ((SALUDO, "spanish"), (GREETING, "english")):
            audio = client.audio.speech.create(
                model="tts-1", voice=cast(Any, voice), input=text, response_format="wav"
            ).content
            transcript = client.audio.transcriptions.create(
                model="whisper-1", file=("a.wav", audio), response_format="verbose_json"
            )
            assert transcript.language == language
            assert word_error_rate(text, transcript.text) <= 0.10
    audio = client.audio.speech.create(model="tts-1", voice="em_alex", input="Hola.").content
    assert audio


def test_everything_works_without_v1(voz: RunningServer, english: bytes) -> None:
    with sdk(voz, prefix="") as client:
        assert client.audio.transcriptions.create(model="whisper-1", file=("a.wav", english)).text
        assert client.audio.translations.create(model="whisper-1", file=("a.wav", english)).text
        assert client.audio.speech.create(model="tts-1", voice="alloy", input="Hello.").content
        assert "whisper-1" in {model.id for model in client.models.list()}
        assert client.models.retrieve("tts-1").id == "tts-1"
        with pytest.raises(openai.NotFoundError) as caught:
            client.audio.speech.create(model="tts-9", voice="alloy", input="Hello.")
    assert caught.value.code == "model_not_found"


def test_the_async_client(voz: RunningServer, english: bytes) -> None:
    async def main() -> None:
        async with AsyncOpenAI(api_key=KEY, base_url=f"{voz.url}/v1", max_retries=0) as client:
            whole, stream, spoken = await asyncio.gather(
                client.audio.transcriptions.create(model="whisper-1", file=("a.wav", english)),
                client.audio.transcriptions.create(model="whisper-1", file=("a.wav", english), stream=True),
                client.audio.speech.create(model="tts-1", voice="echo", input="Yes."),
            )
            events = [event async for event in stream]
            assert "".join(getattr(event, "delta", "") for event in events) == whole.text
            assert cast(Any, events[-1]).text == whole.text
            assert spoken.content
            assert [model.id async for model in client.models.list()]

    asyncio.run(main())


def wave_seconds(content: bytes) -> float:
    """Of a WAV file that was streamed."""
    return (len(content) - 44) / 2 / 24_000


def httpx_decode(text: str) -> bytes:
    import base64

    return base64.b64decode(text)
