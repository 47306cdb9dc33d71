"""The routes of jobs over a real socket, with engines that are ready at once."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np
import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from src.config import Settings
from src.main import create_app
from tests.support.audio import wav_of
from tests.support.faults_engines import open_engines
from tests.support.faults_process import until
from tests.support.server import OTHER_KEY, RunningServer, serve
from tests.support.speech import clip

SPEECH = {"type": "speech", "text": "Good morning.", "language": "en"}


def recording(seconds: float = 2.0) -> bytes:
    return wav_of(np.resize(clip("en-extended"), round(seconds * 16_000)))


@pytest.fixture(scope="module")
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(jobs_allowed_networks="127.0.0.0/8", jobs_max_queued=20)


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[RunningServer]:
    with serve(create_app(settings, open_engines)) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def submitted(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def over() -> bool:
        found[:] = [client.get(f"/jobs/{job['id']}").json()]
        return found[0]["state"] not in ("queued", "running")

    until(over, lambda: str(found))
    return found[0]


def test_an_upload_is_read_and_the_result_is_behind_a_link(client: httpx.Client) -> None:
    answer = client.post(
        "/jobs",
        files={"file": ("a.wav", recording())},
        data={
            "language": "en",
            "response_format": "srt",
            "metadata": '{"customer": "4711"}',
            "priority": "3",
        },
    )
    job = submitted(answer)
    assert answer.headers["location"].endswith(f"/jobs/{job['id']}")
    assert (job["state"], job["position"], job["priority"]) == ("queued", 1, 3)
    done = ended(client, job)
    assert (done["state"], done["error"], done["metadata"]) == ("succeeded", None, {"customer": "4711"})
    assert done["progress"] == {"seconds": 2.0, "total_seconds": 2.0}
    assert (done["result"]["duration"], done["result"]["language"]) == (2.0, "en")
    with httpx.Client(trust_env=False) as anybody:
        result = anybody.get(done["result"]["url"])
    assert result.text.startswith("1\n00:00:0")
    direct = client.post(
        "/stt", files={"file": recording()}, data={"language": "en", "response_format": "srt"}
    )
    assert result.text == direct.text


def test_a_text_is_spoken_with_the_times_of_its_words_as_a_job(client: httpx.Client) -> None:
    job = submitted(client.post("/jobs", json={**SPEECH, "format": "mp3", "voice": None}))
    done = ended(client, job)
    assert done["state"] == "succeeded", done
    assert (done["result"]["format"], done["result"]["voice"]) == ("mp3", "speaker-en")
    audio = client.get(done["result"]["url"])
    assert audio.headers["content-type"] == "audio/mpeg"
    assert len(audio.content) > 1000


def test_a_batch_is_one_call(client: httpx.Client) -> None:
    answer = client.post("/jobs", json={"jobs": [SPEECH, {**SPEECH, "text": "Good night."}]})
    batch = submitted(answer)
    assert len(batch["jobs"]) == 2
    assert answer.headers["location"].endswith(f"/jobs?batch_id={batch['batch_id']}")
    for job in batch["jobs"]:
        assert ended(client, job)["state"] == "succeeded"
    found = client.get("/jobs", params={"batch_id": batch["batch_id"], "state": "succeeded"}).json()
    assert {job["id"] for job in found["jobs"]} == {job["id"] for job in batch["jobs"]}
    assert found["next_after"] is None
    page = client.get("/jobs", params={"batch_id": batch["batch_id"], "limit": 1}).json()
    assert page["next_after"] == page["jobs"][0]["id"]


def test_a_repeat_is_harmless_and_tells_that_it_is_one(client: httpx.Client) -> None:
    def send(content: bytes) -> httpx.Response:
        return client.post(
            "/jobs", files={"file": ("a.wav", content)}, headers={"Idempotency-Key": "upload-1"}
        )

    first, second = send(recording()), send(recording())
    assert submitted(first)["id"] == submitted(second)["id"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    other = send(recording(1.5))
    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"


def test_another_key_sees_nothing(server: RunningServer, client: httpx.Client) -> None:
    job = submitted(client.post("/jobs", json=SPEECH))
    with server.client(OTHER_KEY) as other:
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/events")):
            assert other.request(method, f"/jobs/{job['id']}{path}").status_code == 404
        assert job["id"] not in other.get("/jobs").text
        secrets = {one.get("/jobs/callbacks/secret").json()["secret"] for one in (client, other)}
    assert len(secrets) == 2


def test_events_tell_all_and_end_with_the_end(client: httpx.Client) -> None:
    job = submitted(client.post("/jobs", files={"file": ("a.wav", recording(40.0))}))
    events: list[tuple[str, dict[str, Any]]] = []
    with client.stream("GET", f"/jobs/{job['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.append((name, json.loads(line.removeprefix("data: "))))
    names = [name for name, _ in events]
    assert names[-1] == "done"
    segments = [data for name, data in events if name == "segment"]
    assert [segment["id"] for segment in segments] == list(range(len(segments)))
    assert len(segments) >= 2
    done = events[-1][1]
    assert done["state"] == "succeeded"
    whole = client.get(done["result"]["url"]).json()
    assert [(one["start"], one["text"]) for one in whole["segments"]] == [
        (one["start"], one["text"]) for one in segments
    ]


def test_cancelled_and_then_deleted(client: httpx.Client) -> None:
    job = submitted(client.post("/jobs", json={**SPEECH, "text": "We crawl. " * 20}))
    until(lambda: client.get(f"/jobs/{job['id']}").json()["state"] == "running", lambda: "it does not start")
    assert client.delete(f"/jobs/{job['id']}").status_code == 204
    assert ended(client, job)["state"] == "cancelled"
    assert client.delete(f"/jobs/{job['id']}").status_code == 204
    assert client.get(f"/jobs/{job['id']}").status_code == 404


def test_an_object_in_storage_is_read_by_its_key(client: httpx.Client, settings: Settings) -> None:
    (settings.storage_dir / "calls").mkdir()
    (settings.storage_dir / "calls" / "a.wav").write_bytes(recording())
    fine = submitted(client.post("/jobs", json={"type": "transcription", "key": "calls/a.wav"}))
    assert ended(client, fine)["state"] == "succeeded"
    missing = submitted(client.post("/jobs", json={"type": "transcription", "key": "calls/b.wav"}))
    assert ended(client, missing)["error"]["type"] == "urn:voz:not-found"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"type": "song"}, "body"),
        ({"type": "transcription"}, "body"),
        ({"type": "transcription", "key": "a", "url": "https://b/"}, "body"),
        ({"type": "transcription", "url": "ftp://b/"}, "url"),
        ({"type": "transcription", "key": "../b"}, "key"),
        ({"type": "transcription", "key": "jobs/b"}, "key"),
        ({"type": "transcription", "key": "b", "language": "klingon"}, "language"),
        ({**SPEECH, "voice": "nobody"}, "voice"),
        ({**SPEECH, "priority": 11}, "priority"),
        ({**SPEECH, "metadata": {"a": 1}}, "metadata.a"),
        ({**SPEECH, "callback_url": "mailto:a@b"}, "callback_url"),
        ({**SPEECH, "colour": "red"}, "colour"),
        ({"jobs": []}, "jobs"),
        ({"jobs": [SPEECH, {**SPEECH, "speed": 9}]}, "jobs.1.speed"),
        ({"jobs": [SPEECH, {**SPEECH, "voice": "nobody"}]}, "jobs.1.voice"),
        ([SPEECH], "body"),
    ],
)
def test_what_is_wrong_is_named(client: httpx.Client, body: Any, field: str) -> None:
    answer = client.post("/jobs", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert answer.headers["content-type"] == "application/problem+json"


def test_uploads_that_are_wrong_are_refused_at_once(client: httpx.Client) -> None:
    for files, data, status in (
        ({"file": ("a.wav", b"")}, {}, 415),
        ({"file": ("a.wav", b"x")}, {"metadata": "{"}, 422),
        ({"file": ("a.wav", b"x")}, {"metadata": "[]"}, 422),
        ({"file": ("a.wav", b"x")}, {"track": "first"}, 422),
        ({"recording": ("a.wav", b"x")}, {}, 422),
    ):
        assert client.post("/jobs", files=files, data=data).status_code == status, (files, data)
    no_audio = submitted(client.post("/jobs", files={"file": ("a.wav", b"no audio at all")}))
    assert ended(client, no_audio)["error"]["status"] == 415
    assert client.post("/jobs", content=b"{").status_code == 422
    too_long = client.post("/jobs", json={**SPEECH, "text": "a" * 5001})
    assert too_long.status_code == 413


def test_a_key_may_have_so_many_waiting(client: httpx.Client) -> None:
    answer = client.post("/jobs", json={"jobs": [SPEECH] * 21})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "JOBS_MAX_QUEUED" in answer.json()["detail"]


class _Receiver(BaseHTTPRequestHandler):
    """Refuses each message once, as a server does that restarts."""

    received: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append((dict(self.headers), body))
        self.send_response(503 if len(self.received) == 1 else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_a_callback_is_signed_and_repeated_until_it_arrives(client: httpx.Client) -> None:
    received: list[tuple[dict[str, str], bytes]] = []
    handler = type("Receiver", (_Receiver,), {"received": received})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{receiver.server_port}/hook"
            job = submitted(
                client.post("/jobs", json={**SPEECH, "callback_url": url, "metadata": {"n": "1"}})
            )
            assert job["callback"]["state"] == "waiting"
            done = ended(client, job)
            until(lambda: len(received) >= 2, lambda: str(client.get(f"/jobs/{job['id']}").json()))
            until(
                lambda: client.get(f"/jobs/{job['id']}").json()["callback"]["state"] == "delivered",
                lambda: "it arrived, but does not count as delivered",
            )
        finally:
            receiver.shutdown()
    shown = client.get(f"/jobs/{job['id']}").json()["callback"]
    assert [attempt["status"] for attempt in shown["attempts"]] == [503, 204]
    assert {headers["webhook-id"] for headers, _ in received} == {shown["id"]}
    webhook = Webhook(client.get("/jobs/callbacks/secret").json()["secret"])
    for headers, body in received:
        message = webhook.verify(body, {name.lower(): value for name, value in headers.items()})
        assert message["type"] == "job.succeeded"
        assert (message["data"]["id"], message["data"]["metadata"]) == (done["id"], {"n": "1"})
    with pytest.raises(WebhookVerificationError):
        webhook.verify(received[0][1] + b" ", {name.lower(): value for name, value in received[0][0].items()})


def test_the_queue_is_measured(client: httpx.Client) -> None:
    ended(client, submitted(client.post("/jobs", json=SPEECH)))
    time.sleep(0.1)
    text = client.get("/metrics", headers={"X-API-Key": client.headers["X-API-Key"]}).text
    for name in ("voz_jobs_left_total", "voz_job_audio_seconds_total", "voz_oldest_queued_job_seconds"):
        assert name in text
