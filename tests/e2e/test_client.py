"""The client against the whole service: real models, a real socket."""

import os
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

import voz as client_package
from tests.support.server import KEY, RunningServer
from tests.support.speech import clip

pytestmark = pytest.mark.models

REPOSITORY = Path(__file__).parent.parent.parent
SPEECH = REPOSITORY / "tests" / "data" / "speech"


@pytest.fixture(scope="module")
def client(voz: RunningServer) -> Iterator[client_package.Client]:
    with client_package.Client(voz.url, KEY) as opened:
        yield opened


def test_a_stream_gives_what_the_whole_answer_gives(client: client_package.Client) -> None:
    file = SPEECH / "es-agent.flac"
    whole = client.transcribe(file, language="es", words=True)
    with client.stream_transcription(file, document="srt", language="es", words=True) as stream:
        segments = tuple(stream)
    assert segments == whole.segments
    assert stream.result == whole
    assert whole.segments[0].words
    assert stream.document == client.transcribe_as(file, "srt", language="es")
    assert "-->" in stream.document


def test_it_speaks_and_reads_back(client: client_package.Client) -> None:
    with client.stream_speech("The quick brown fox.", language="en", format="mp3") as audio:
        spoken = b"".join(audio)
    assert "fox" in client.transcribe(spoken).text.lower()
    assert client.detect_language(spoken, ["en", "es"])[0].language == "en"
    stored = client.speak("The quick brown fox.", language="en", timestamps=True)
    assert [word.word for word in stored.words][-1] == "fox."
    assert set(stored.word_urls) == {"json", "srt", "vtt"}
    with client.stream_speech_with_words("The quick brown fox.", language="en") as parts:
        words = [word.word for part in parts for word in part.words]
    assert words == ["The", "quick", "brown", "fox."]


def test_it_tells_what_the_server_is(client: client_package.Client) -> None:
    assert {"en", "es"} <= {voice.language for voice in client.voices()}
    assert client.models().stt.engine == "whisper"
    assert client.ready().ready


def test_its_errors_are_the_server_s(client: client_package.Client, voz: RunningServer) -> None:
    with pytest.raises(client_package.NotAudio) as caught:
        client.transcribe(b"no audio at all")
    assert caught.value.kind == "not-audio"
    assert len(caught.value.request_id) == 16
    with pytest.raises(client_package.InvalidInput) as wrong:
        client.speak("Hello", speed=9)
    assert wrong.value.errors[0].field == "speed"
    with client_package.Client(voz.url, "a-wrong-key") as other, pytest.raises(client_package.Unauthorized):
        other.voices()


def test_the_examples_of_the_documentation_run(voz: RunningServer, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "client.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 6
    shutil.copy(SPEECH / "en-agent.flac", tmp_path / "recording.flac")
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((clip("en-agent") * 32767).astype("<i2").tobytes())
    said = []
    for example in examples:
        process = subprocess.run(
            [sys.executable, "-c", example], cwd=tmp_path, text=True, capture_output=True, check=False,
            env=os.environ | {
                "VOZ_URL": voz.url, "VOZ_API_KEY": KEY, "PYTHONPATH": str(REPOSITORY),
                "NO_PROXY": "127.0.0.1",
            },
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        said.append(process.stdout)
    assert said[0].startswith("en ")
    assert "-->" in (tmp_path / "recording.srt").read_text()
    assert "Hello from" in said[2]
    assert "agent" in said[3]
    assert "succeeded" in said[4]
    assert "-->" in (tmp_path / "job.srt").read_text()
    assert said[5].startswith("not-audio ")
