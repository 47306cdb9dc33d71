"""`schemathesis` makes requests from the OpenAPI document, right and wrong, and compares the answers with it.

No answer may be a 5xx; status, content type, headers and body must be as documented; what is right must be
accepted, what is wrong refused, what has no key told so, and a method that is not there answered with 405.

The same requests are made at every run. To look further, with other requests each time:

    HOSTILE_EXAMPLES=500 python -m pytest tests/hostile/test_openapi.py
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.support.deploy_host import REPOSITORY
from tests.support.faults_process import KEY, Server

pytestmark = pytest.mark.models

EXAMPLES = os.environ.get("HOSTILE_EXAMPLES", "")
FEW = "6"
BOUNDARY = "multipart/form-data; boundary=b"
PART = b"--b\r\nContent-Disposition: form-data"
CONFIGURATION = Path(__file__).parent / "schemathesis.toml"


def test_every_answer_is_as_documented(server: Server, tmp_path: Path) -> None:
    document = httpx.get(f"{server.url}/openapi.json", trust_env=False).json()
    operations = sum(len(methods) for methods in document["paths"].values())
    seen = len(server.events())

    report = tmp_path / "report.json"
    found = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIGURATION,
            "run", f"{server.url}/openapi.json", "--report", "json", "--report-json-path", report,
            "--no-color", "--max-examples", EXAMPLES or FEW,
            *([] if EXAMPLES else ["--generation-deterministic"]),
        ],
        cwd=tmp_path, check=False, capture_output=True, text=True, errors="replace",
        env=os.environ | {
            "VOZ_KEY": KEY,
            "PYTHONPATH": str(REPOSITORY),
            "SCHEMATHESIS_HOOKS": "tests.hostile.openapi_hooks",
            "NO_PROXY": "*",
        },
    )  # fmt: skip
    said = "\n".join(line[:2000] for line in (found.stdout + found.stderr).splitlines())
    assert found.returncode == 0, said
    result = json.loads(report.read_text())
    assert result["complete"], said
    assert result["operations"]["tested"] == operations, said
    assert {result["phases"][phase]["status"] for phase in ("coverage", "fuzzing")} == {"success"}, said
    assert result["test_cases"]["generated"] > 200, said

    # it looked where there is something to see, not only at refusals
    answers = Counter((line["route"], line["status"]) for line in server.events()[seen:] if "status" in line)
    for route in ("/stt", "/stt/language", "/tts", "/tts/stream"):
        assert answers[route, 200] >= 3, answers
        assert answers[route, 422] >= 10, answers
    assert max(status for _, status in answers) < 500, answers
    server.works()


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/stt", "multipart/form-data", b"no boundary is named"),
        ("/stt", BOUNDARY, b"no part is begun"),
        ("/stt", BOUNDARY, PART + b"\r\n\r\nx\r\n--b--\r\n"),
        ("/stt", BOUNDARY, b"--b\r\n\xff\xfe: \x00\r\n\r\nx\r\n--b--\r\n"),
        ("/stt", BOUNDARY, PART + b'; name="file"\r\n\r\nx'),
        ("/stt", "application/x-www-form-urlencoded", b"file=%ff&language=%"),
        ("/stt", "audio/wav", b"RIFF"),
        ("/stt/language", "multipart/form-data; boundary=", b"----"),
        ("/tts", "application/json", b'{"text": "\xff\xfe"}'),
        ("/tts", "application/json", b"[" * 4000),
        ("/tts", "application/json", b'{"text": "\\ud800", "language": "en"}'),
        ("/tts", "application/json", b'{"text": "a", "speed": NaN}'),
        ("/tts", "text/plain; charset=utf-7", b"+AGE-"),
        ("/tts/stream", "application/json", b""),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_invalid_input(
    server: Server, path: str, content_type: str, body: bytes
) -> None:
    with server.client() as client:
        answer = client.post(path, content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:voz:invalid-input"
