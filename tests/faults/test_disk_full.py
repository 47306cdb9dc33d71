"""No room on the disk: for uploads, for audio while it is made, and for audio that is kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.audio import tone_wav
from tests.support.faults_process import Server, gives_back, no_file_larger_than, serving

LIMIT = 400_000
"""Bytes. The log of a server must stay below it; five seconds of speech do not."""
LONG = " ".join(f"Sentence {number} goes on." for number in range(1, 6))
LONGEST = " ".join(f"Sentence {number} goes on." for number in range(1, 41))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as running:
        yield running


def stored(server: Server) -> list[Path]:
    return [path for path in server.storage.rglob("*") if path.is_file() and path.name != ".link-secret"]


def test_a_full_disk_fails_what_needs_it_and_nothing_else(server: Server) -> None:
    before = server.warm()
    kept = stored(server)
    upload = {"file": ("long.wav", tone_wav(60.0))}  # 1.9 MB: passes through a temporary file
    with no_file_larger_than(LIMIT, server.worker), server.client() as client:
        cases = {
            "storage": client.post("/tts", json={"text": LONG, "language": "en"}),
            "while it is made": client.post("/tts", json={"text": LONGEST, "language": "en"}),
            "while it is read": client.post("/stt", files=upload),
        }
        for words, answer in cases.items():
            assert answer.status_code == 503, (words, answer.text)
            problem = answer.json()
            assert problem["type"] == "urn:voz:storage-unavailable"
            assert words in problem["detail"]
            assert "File too large" in problem["detail"], "the system's own reason"
            assert int(answer.headers["retry-after"]) >= 1
            why, end = server.told(problem["request_id"])
            assert (why["level"], end["level"], end["status"]) == ("error", "info", 503)
            assert problem["detail"] in why["event"]
        for _ in range(4):  # so that what a failure does not give back shows
            assert client.post("/tts", json={"text": LONGEST, "language": "en"}).status_code == 503
            assert client.post("/stt", files=upload).status_code == 503
        assert stored(server) == kept, "nothing is left of what failed"
        # what needs no room works on
        assert client.get("/health/live").status_code == 200
        short = client.post("/stt", files={"file": tone_wav(2.0)})
        assert short.status_code == 200, short.text
        streamed = client.post("/tts/stream", json={"text": LONGEST, "language": "en"})
        assert len(streamed.content) > 10 * LIMIT
    server.works()
    with server.client() as client:
        assert client.post("/tts", json={"text": LONGEST, "language": "en"}).status_code == 200
        assert client.post("/stt", files=upload).status_code == 200
    gives_back(server.worker, before)
