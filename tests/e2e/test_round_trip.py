"""Speak a sentence, fetch the link, read it back: the service as its user meets it."""

import io
import wave
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.server import RunningServer
from tests.support.speech_text import word_error_rate

SENTENCES = {
    "en": "Good morning. The train to the airport leaves from the last platform in a few minutes.",
    "es": "Buenos días. El próximo tren con destino a Madrid sale dentro de unos minutos.",
}


@pytest.mark.models
@pytest.mark.parametrize("language", ["en", "es"])
def test_what_is_spoken_is_read_back(voz: RunningServer, language: str) -> None:
    with voz.client() as client:
        spoken = client.post("/tts", json={"text": SENTENCES[language], "language": language})
        assert spoken.status_code == 200, spoken.text
        answer = spoken.json()
        audio = httpx.get(answer["url"], trust_env=False)
        transcript = client.post("/stt", files={"file": ("speech.wav", audio.content)}).json()
    assert audio.status_code == 200
    assert audio.headers["content-type"] == "audio/wav"
    assert transcript["language"] == language
    assert word_error_rate(SENTENCES[language], transcript["text"]) <= 0.10
    with wave.open(io.BytesIO(audio.content)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth()) == (1, 2)
        assert wav.getframerate() == answer["sample_rate"]
        assert wav.getnframes() / wav.getframerate() == pytest.approx(answer["duration"], abs=0.001)
    assert transcript["duration"] == pytest.approx(answer["duration"], abs=0.05)


@pytest.mark.models
def test_the_answer_has_the_fields_of_the_contract(voz: RunningServer) -> None:
    with voz.client() as client:
        answer = client.post("/tts", json={"text": "Hello there.", "language": "en"}).json()
    assert set(answer) == {
        "url", "key", "expires_in", "expires_at", "format", "duration",
        "sample_rate", "language", "voice", "engine", "model", "cached",
    }  # fmt: skip
    assert answer["url"].startswith(voz.url)
    assert answer["key"] in urlsplit(answer["url"]).path
    assert (answer["engine"], answer["format"], answer["language"]) == ("kokoro", "wav", "en")
    assert answer["expires_in"] == 3600
    assert answer["expires_at"].endswith("Z")


@pytest.mark.models
def test_a_link_that_was_tampered_with_is_refused(voz: RunningServer) -> None:
    with voz.client() as client:
        url = client.post("/tts", json={"text": "Hello there.", "language": "en"}).json()["url"]
    for bad in (url[:-1] + ("A" if url[-1] != "A" else "B"), url.replace("expires=", "expires=9")):
        assert httpx.get(bad, trust_env=False).status_code == 403
    assert httpx.get(url.split("?")[0], trust_env=False).status_code == 422


@pytest.mark.models
def test_every_format_of_a_transcript(voz: RunningServer) -> None:
    with voz.client() as client:
        wav = client.post("/tts/stream", json={"text": "One two three. Four five six.", "language": "en"})
        answers = {
            wanted: client.post(
                "/stt",
                files={"file": wav.content},
                data={"response_format": wanted, "word_timestamps": "true"},
            )
            for wanted in ("json", "text", "verbose_json", "srt", "vtt")
        }
    assert {answer.status_code for answer in answers.values()} == {200}
    whole = answers["json"].json()
    assert set(whole) == {"text", "language", "language_probability", "duration", "model"}
    assert answers["text"].text == whole["text"]
    verbose = answers["verbose_json"].json()
    assert "".join(segment["text"] for segment in verbose["segments"]).strip() == whole["text"]
    words = [word for segment in verbose["segments"] for word in segment["words"]]
    assert "".join(word["word"] for word in words).strip() == whole["text"]
    assert all(a["start"] <= a["end"] <= verbose["duration"] + 0.1 for a in words)
    assert answers["srt"].text.startswith("1\n00:00:0")
    assert answers["vtt"].text.startswith("WEBVTT\n")
    assert answers["srt"].headers["content-type"].startswith("application/x-subrip")
