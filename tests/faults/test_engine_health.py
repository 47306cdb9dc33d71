"""An engine that is dead or stuck is seen, one that is slow is not taken for either: with real processes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.support import clients
from tests.support.deploy_host import REPOSITORY
from tests.support.faults_engines import FREEZE
from tests.support.faults_process import KEY, SPEECH, Server, serving, until
from tests.support.ports import free_port

pytestmark = pytest.mark.alone

STALLS = "tests.support.stall_app:app"


def ready(server: Server) -> httpx.Response:
    with server.client() as client:
        return client.get("/health/ready")


def metrics(server: Server) -> str:
    with server.client() as client:
        return client.get("/metrics").text


def speak(server: Server, text: str) -> httpx.Response:
    with server.client() as client:
        return client.post("/tts", json={"text": text, "language": "en"})


def test_gunicorn_replaces_a_worker_whose_engine_has_died(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        first = server.worker
        answer = speak(server, "I perish.")
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:voz:engine-stopped"
        assert int(answer.headers["Retry-After"]) > 0
        until(lambda: server.workers not in ([first], []), server.log)
        until(lambda: _is_ready(server), server.log, 60)
        server.works()
        told = [line["event"] for line in server.events() if line["level"] == "critical"]
        assert any("the thread of speaker has ended" in line for line in told)
        assert any("text to speech has stopped" in line for line in told)


def _is_ready(server: Server) -> bool:
    try:
        return ready(server).status_code == 200
    except httpx.TransportError:
        return False


def test_uvicorn_alone_exits_with_a_failure(tmp_path: Path) -> None:
    """A restart policy of Docker or systemd starts it anew. Speech that is being made is finished first."""
    port = free_port()
    environment = os.environ | {
        "API_KEY": KEY, "STORAGE": "local", "STORAGE_DIR": str(tmp_path / "storage"),
        "DATA_DIR": str(tmp_path / "data"), "TTS_CACHE": "false",
        "LOG_FORMAT": "json",
    }  # fmt: skip
    command = [
        sys.executable, "-m", "uvicorn", "tests.support.faults_app:app", "--host", "127.0.0.1",
        "--port", str(port),
    ]  # fmt: skip
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=output, stderr=output)
    try:
        with clients.client(f"http://127.0.0.1:{port}", KEY, timeout=30) as client:

            def answers() -> bool:
                assert process.poll() is None, log.read_text()
                try:
                    return client.get("/health/ready").status_code == 200
                except httpx.TransportError:
                    return False

            until(answers, log.read_text, 60)
            assert client.post("/tts", json=SPEECH).status_code == 200
            assert client.post("/tts", json={"text": "I perish.", "language": "en"}).status_code == 503
            health = client.get("/health/ready")
            assert health.status_code == 503
            assert "the engine has stopped" in str(health.json()["problems"])
        assert process.wait(timeout=30) == 3, log.read_text()
        text = log.read_text()
        assert '"critical"' in text
        assert "Finished server process" in text
        assert "Traceback" not in text.rpartition("text to speech has stopped")[2]
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_slow_is_not_stuck_and_stuck_is_seen(tmp_path: Path) -> None:
    with serving(tmp_path, app=STALLS) as server:
        answers: list[httpx.Response] = []
        stalled: list[str] = []

        def while_speaking(text: str) -> list[bool]:
            speaking = threading.Thread(target=lambda: answers.append(speak(server, text)))
            began, seen = time.monotonic(), []
            speaking.start()
            while speaking.is_alive():
                seen.append(ready(server).status_code == 200)
                if not seen[-1]:
                    stalled.append(metrics(server))
                time.sleep(0.1)
            assert time.monotonic() - began > 2, "too quick to say anything of it"
            return seen

        assert all(while_speaking("I crawl.")), "many steps, and no row finished for seconds"
        seen = while_speaking("I freeze.")
        assert seen[0], "it has just begun"
        assert not all(seen), f"one step took {FREEZE} s, where a second was the limit"
        assert any('voz_engine_up{engine="speaker"} 0.0' in text for text in stalled), "the alert sees it"
        assert all('voz_engine_up{engine="reader"} 1.0' in text for text in stalled)
        assert [answer.status_code for answer in answers] == [200, 200]
        until(lambda: ready(server).status_code == 200, server.log)
