"""Clients of OpenAI's API that nobody here wrote: two packages as they are, three programs by their requests.

The requests are those that the programs' sources make: Open WebUI (`backend/open_webui/routers/audio.py`),
LiveKit's OpenAI plugin (`livekit-plugins-openai`, `stt.py` and `tts.py`), Subtitle Edit
(`OpenAiSttService.cs`).
"""

import base64
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg
import openai
import pytest

from tests.support.audio import decode
from tests.support.server import KEY, RunningServer
from tests.support.speech_text import word_error_rate

# the package calls methods deprecated because OpenAI will end them
pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning"),
]

TEXT = "The water in the kettle is hot."
BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def speech(voz: RunningServer) -> bytes:
    with voz.client() as client:
        answer = client.post("/tts/stream", json={"text": TEXT})
        assert answer.status_code == 200
        return answer.content


def run(script: str, *arguments: str, path: str = "") -> Any:
    """Run a script in a process of its own: these packages change much that is global. It prints JSON."""
    found = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": path, "NO_PROXY": "*", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": "/nonexistent"},
    )
    assert found.returncode == 0, found.stderr[-4000:]
    return json.loads(found.stdout.splitlines()[-1])


LITELLM = """
import json, sys, litellm, openai
base, key, path = sys.argv[1:]
spoken = litellm.speech(model="openai/tts-1", voice="alloy", input="Hello there.", api_base=base, api_key=key)
with open(path, "rb") as file:
    read = litellm.transcription(model="openai/whisper-1", file=file, api_base=base, api_key=key)
with open(path, "rb") as file:
    timed = litellm.transcription(
        model="openai/whisper-1", file=file, api_base=base, api_key=key,
        response_format="verbose_json", timestamp_granularities=["word"],
    )
try:
    with open(path, "rb") as file:
        litellm.transcription(model="openai/gpt-9", file=file, api_base=base, api_key=key, max_retries=0)
    refused = ""
except openai.NotFoundError as error:
    refused = str(error)
print(json.dumps([len(spoken.content), read.text, timed.text, len(timed.words), refused]))
"""


def test_litellm(voz: RunningServer, speech: bytes, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(speech)
    size, text, timed, words, refused = run(LITELLM, f"{voz.url}/v1", KEY, str(path))
    assert size > 1000
    assert word_error_rate(TEXT, text) <= 0.10
    assert timed == text
    assert words == len(text.split())
    assert "gpt-9" in refused


LANGCHAIN = """
import json, sys, warnings
warnings.simplefilter("ignore")
from langchain_community.document_loaders.blob_loaders import Blob
from langchain_community.document_loaders.parsers.audio import OpenAIWhisperParser
base, key, path = sys.argv[1:]
parser = OpenAIWhisperParser(api_key=key, base_url=base, chunk_duration_threshold=0.1)
print(json.dumps([document.page_content for document in parser.lazy_parse(Blob.from_path(path))]))
"""


@pytest.fixture
def ffmpeg_on_path(tmp_path: Path) -> Iterator[str]:
    """pydub, which LangChain's parser reads audio with, calls the program by its name."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    shutil.copy(imageio_ffmpeg.get_ffmpeg_exe(), program)
    yield str(program.parent)


def test_langchain(voz: RunningServer, speech: bytes, tmp_path: Path, ffmpeg_on_path: str) -> None:
    path = tmp_path / "speech.wav"
    # a header that knows its length: pydub reads it by Python's `wave`
    with voz.client() as client:
        answer = client.post("/tts", json={"text": TEXT}).json()
    path.write_bytes(httpx.get(answer["url"], trust_env=False).content)
    texts = run(LANGCHAIN, f"{voz.url}/v1", KEY, str(path), path=ffmpeg_on_path)
    assert word_error_rate(TEXT, " ".join(texts)) <= 0.10


def test_open_webui(voz: RunningServer, speech: bytes) -> None:
    with httpx.Client(base_url=f"{voz.url}/v1", headers=BEARER, trust_env=False, timeout=60) as client:
        voices = client.get("/audio/voices").json()["voices"]
        assert {"id", "name"} <= set(voices[0])
        spoken = client.post(
            "/audio/speech",
            json={"input": TEXT, "model": "tts-1", "voice": "alloy"},
            headers={"X-OpenWebUI-User-Name": "Ann", "X-OpenWebUI-User-Role": "user"},
        )
        audio, rate = decode(spoken.content)
        assert len(audio) / rate > 2
        # a recording of a browser, under a name that says something else
        read = client.post(
            "/audio/transcriptions",
            files={"file": ("0b2f.wav", spoken.content)},
            data={"model": "whisper-1"},
        )
        assert word_error_rate(TEXT, read.json()["text"]) <= 0.10
        failed = client.post(
            "/audio/transcriptions", files={"file": ("0b2f.wav", b"no")}, data={"model": "whisper-1"}
        )
        assert failed.json()["error"]["message"]


def test_livekit_s_plugin(voz: RunningServer, speech: bytes) -> None:
    with openai.OpenAI(api_key=KEY, base_url=f"{voz.url}/v1", max_retries=0) as client:
        for model, wanted, hints in (
            ("whisper-1", "verbose_json", {"language": "en", "prompt": "Tea."}),
            ("gpt-transcribe", "json", {"languages": ["en", "es"], "keywords": ["kettle"]}),
        ):
            read: Any = client.audio.transcriptions.create(
                file=("file.wav", speech, "audio/wav"),
                model=model,
                response_format=wanted,  # type: ignore[call-overload]
                temperature=openai.omit,
                timeout=httpx.Timeout(30, connect=10),
                **hints,
            )
            assert word_error_rate(TEXT, read.text) <= 0.10
            language = read.language if wanted == "verbose_json" else read.languages[0].code
            assert language in ("english", "en")
        for model, wanted in (("tts-1", "audio"), ("gpt-4o-mini-tts", "sse")):
            with client.audio.speech.with_streaming_response.create(
                input=TEXT,
                model=model,
                voice="ash",
                response_format="pcm",
                speed=1.0,
                instructions="Calmly.",
                stream_format=wanted,  # type: ignore[arg-type]
            ) as stream:
                media_type = stream.headers["content-type"].split(";")[0].strip().lower()
                if wanted == "audio":
                    assert media_type == "audio/pcm"
                    sound = b"".join(stream.iter_bytes())
                    continue
                assert media_type == "text/event-stream"
                pushed, usage = b"", {}
                for line in stream.iter_lines():
                    if not line.startswith("data: "):
                        continue
                    event = json.loads(line[6:])
                    if event["type"] == "speech.audio.delta":
                        pushed += base64.b64decode(event["audio"])
                    elif event["type"] == "speech.audio.done":
                        usage = event["usage"]
                assert pushed == sound
                assert usage["input_tokens"] > 0
                assert usage["output_tokens"] > 0


def test_subtitle_edit(voz: RunningServer, speech: bytes) -> None:
    def ask(**more: str) -> httpx.Response:
        return httpx.post(
            f"{voz.url}/v1/audio/transcriptions",
            headers=BEARER,
            files={"file": ("clip.wav", io.BytesIO(speech), "audio/wav")},
            data={
                "model": "whisper-1",
                "language": "en",
                "response_format": "json",
                "timestamp_granularities[]": ["segment", "word"],
                "temperature": "0.20",
                **more,
            },
            trust_env=False,
            timeout=60,
        )

    whole = ask().json()
    assert whole["text"]
    assert [set(segment) >= {"id", "start", "end", "text"} for segment in whole["segments"]]

    # its reader of events: it goes by the lines `event:`, and takes the segments from the last one
    name, text, segments = "", "", []
    for line in ask(stream="true").text.splitlines():
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data = json.loads(line[5:])
            if name == "transcript.text.delta":
                text += data["delta"]
            elif name == "transcript.text.done":
                segments = data["segments"]
        elif not line.strip():
            name = ""
    assert word_error_rate(TEXT, text) <= 0.10
    assert segments
    assert segments[-1]["end"] > segments[0]["start"] >= 0
