"""Word times over a socket, with Kokoro's real weights."""

import base64
import io
import json
import wave
from typing import Any

import httpx
import pytest

from tests.support.server import RunningServer

pytestmark = pytest.mark.models

TEXT = "Dr. Smith paid $5. It was 3 km away."
SPANISH = "El Dr. Pérez pagó 5 €."


def fetched(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False)


def in_order(words: list[dict[str, Any]], seconds: float) -> bool:
    edges = [edge for word in words for edge in (word["start"], word["end"])]
    return edges == sorted(edges) and edges[0] >= 0 and edges[-1] <= seconds + 0.001


@pytest.mark.parametrize(("text", "language"), [(TEXT, "en"), (SPANISH, "es")])
def test_words_are_answered_and_stored_beside_the_audio(voz: RunningServer, text: str, language: str) -> None:
    body = {"text": text, "language": language, "timestamps": True}
    with voz.client() as client:
        answer = client.post("/tts", json=body)
        assert answer.status_code == 200, answer.text
        again = client.post("/tts", json=body).json()
        plain = client.post("/tts", json=body | {"timestamps": False}).json()
    speech = answer.json()
    words = speech["words"]
    assert [word["word"] for word in words] == text.split()
    assert in_order(words, speech["duration"])
    assert (again["cached"], again["words"]) == (True, words)
    assert "words" not in plain
    assert plain["duration"] == speech["duration"]
    stored = {form: fetched(url) for form, url in speech["word_urls"].items()}
    assert stored["json"].json() == {"words": words}
    assert stored["vtt"].text.startswith("WEBVTT\n")
    assert " --> " in stored["srt"].text
    for subtitles in (stored["srt"].text, stored["vtt"].text):
        assert all(word in subtitles for word in text.split())
    assert stored["srt"].headers["content-type"].startswith("application/x-subrip")


def test_times_follow_the_speed(voz: RunningServer) -> None:
    with voz.client() as client:
        slow, fast = (
            client.post("/tts", json={"text": TEXT, "timestamps": True, "speed": speed}).json()
            for speed in (1.0, 2.0)
        )
    for one, other in zip(slow["words"], fast["words"], strict=True):
        assert other["start"] == pytest.approx(one["start"] / 2, abs=0.002)
    assert in_order(fast["words"], fast["duration"])


def events_of(client: httpx.Client, path: str, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    events: list[tuple[str, dict[str, Any]]] = []
    with client.stream("POST", path, json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.append((name, json.loads(line.removeprefix("data: "))))
    return events


def test_a_stream_tells_the_words_with_their_sound(voz: RunningServer) -> None:
    body = {"text": TEXT, "timestamps": True}
    with voz.client() as client:
        stored = client.post("/tts", json=body).json()
        events = events_of(client, "/tts/stream", body)
    words = [word for name, data in events if name == "words" for word in data["words"]]
    assert words == stored["words"]
    audio = b"".join(base64.b64decode(data["audio"]) for name, data in events if name == "audio")
    with wave.open(io.BytesIO(audio)) as wav:
        assert (len(audio) - 44) / 2 / wav.getframerate() == pytest.approx(stored["duration"], abs=0.001)
    assert events[0][0] == "words"
    assert [name for name, _ in events].count("words") == 2
    assert events[-1] == ("done", {"duration": stored["duration"], "sample_rate": 24_000})


def test_openai_s_events_tell_the_words_if_asked(voz: RunningServer) -> None:
    body = {"model": "tts-1", "voice": "af_heart", "input": TEXT, "response_format": "pcm"}
    with voz.client() as client:
        stored = client.post("/tts", json={"text": TEXT, "timestamps": True}).json()
        timed = events_of(client, "/v1/audio/speech", body | {"stream_format": "sse", "timestamps": True})
        plain = events_of(client, "/v1/audio/speech", body | {"stream_format": "sse"})
        refused = client.post("/v1/audio/speech", json=body | {"timestamps": True})
    told = [data["words"] for name, data in timed if name == data["type"] == "speech.audio.words"]
    assert [word for words in told for word in words] == stored["words"]
    assert timed[0][0] == "speech.audio.words"
    assert [event for event in timed if event[0] != "speech.audio.words"] == plain
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "timestamps"


def test_a_stream_that_cannot_begin_has_its_own_status(voz: RunningServer) -> None:
    with voz.client() as client:
        answer = client.post("/tts/stream", json={"text": "?!", "timestamps": True})
    assert answer.status_code == 422
