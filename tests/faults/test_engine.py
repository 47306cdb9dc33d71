"""An engine that raises: what it was working on fails or is tried again, and the next request works."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from src.config import Settings
from src.engines.models import Models
from tests.support.faults_process import Footprint, Server, gives_back, serving, until
from tests.support.server import app_with, serve

HALFWAY = " ".join(f"Here comes sentence number {n}, which is fine." for n in range(1, 30)) + " Then poison."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("engine")) as running:
        yield running


def test_a_batch_that_fails_loses_only_the_row_at_fault(server: Server) -> None:
    texts = ["Good morning.", "A drop of poison.", *(f"Number {n} is fine." for n in range(14))]
    with server.client() as client, ThreadPoolExecutor(len(texts)) as pool:

        def speak(text: str) -> httpx.Response:
            return client.post("/tts", json={"text": text, "language": "en"})

        list(pool.map(speak, texts[2:]))
        before = server.warm()
        for _ in range(3):
            answers = dict(zip(texts, pool.map(speak, texts), strict=True))
            failed = {text: answer for text, answer in answers.items() if answer.status_code != 200}
            assert list(failed) == [texts[1]]
            problem = failed[texts[1]].json()
            assert (problem["status"], problem["type"]) == (500, "urn:voz:engine-failed")
            assert problem["detail"] == "the speaker engine failed on this input"
            assert "retry-after" not in failed[texts[1]].headers, "the same would happen again"
            why, end = server.told(problem["request_id"])
            assert (why["level"], end["level"], end["status"]) == ("error", "error", 500)
            assert "RuntimeError" in str(why)
            assert "faults_engines.py" in str(why), "where it was raised; messages may quote the caller"
        server.works()
        log = server.log()
        assert "speaker failed on a batch of" in log
        assert "the model does not like" not in log, "a message of a library may hold what the caller wrote"
        assert "poison" not in log
        assert log.count("speaker failed on a row") == 3
        assert 'voz_rows_total{engine="speaker",outcome="failed"} 3.0' in client.get("/metrics").text
        gives_back(server.worker, before, files=len(texts))  # connections that callers keep


def test_a_text_that_fails_halfway_leaves_nothing(server: Server) -> None:
    body = {"text": HALFWAY, "language": "en"}
    with server.client() as client:
        before = server.warm()
        kept = set(server.storage.rglob("*"))
        for format_ in ("wav", "opus"):  # stored when it is whole, and while it is made
            assert client.post("/tts", json=body | {"format": format_}).status_code == 500
        assert set(server.storage.rglob("*")) == kept
        received = 0
        with (
            pytest.raises(httpx.RemoteProtocolError),
            client.stream("POST", "/tts/stream", json=body) as answer,
        ):
            assert answer.status_code == 200
            for chunk in answer.iter_raw():
                received += len(chunk)
        assert received > 0, "what cannot be taken back must not pass for whole"
        failure = 'voz_errors_total{route="/tts/stream",type="engine-failed"} 1.0'
        until(lambda: failure in client.get("/metrics").text, server.log)
        [line] = [line for line in server.events() if line.get("route") == "/tts/stream"]
        assert (line["level"], line["status"], line["broken_off"]) == ("error", 200, True)
        until(lambda: client.get("/models").json()["tts"]["requests"] == 0, server.log)
        server.works()
        gives_back(server.worker, before)


class Broken:
    """Makes every step of a real model raise while it is on."""

    def __init__(self, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = False
        stepper = engine._batcher._model
        step = stepper.step

        def raising() -> Any:
            if self.on:
                raise RuntimeError("out of memory on the device")
            return step()

        monkeypatch.setattr(stepper, "step", raising)


@pytest.mark.models
def test_a_real_model_that_raised_works_again(
    models: Models,
    make_settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = {"text": "The model works again.", "language": "en"}
    with serve(app_with(models, make_settings())) as voz, voz.client() as client:
        said = client.post("/tts/stream", json=body).content

        def calls() -> dict[str, httpx.Response]:
            return {
                "kokoro": client.post("/tts/stream", json=body),
                "whisper": client.post("/stt", files={"file": said}),
            }

        calls()
        before = Footprint.of(os.getpid())
        broken = [Broken(engine, monkeypatch) for engine in (models.stt, models.tts)]
        for one in broken:
            one.on = True
        for engine, answer in calls().items():
            assert answer.status_code == 500, answer.text
            assert answer.json()["type"] == "urn:voz:engine-failed"
            assert answer.json()["detail"] == f"the {engine} engine failed on this input"
            assert f"{engine} failed on a row" in caplog.text
        assert "out of memory on the device" in caplog.text
        for one in broken:
            one.on = False
        speech, text = calls().values()
        assert speech.content == said
        assert "works again" in text.json()["text"].lower()
        assert client.get("/health/ready").status_code == 200
    gives_back(os.getpid(), before, memory=128)
