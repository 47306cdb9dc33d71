"""Speech in a real S3 server, and speech that is found there again."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from src.config import Settings
from src.engines.models import Models
from tests.support.server import RunningServer, app_with, serve

pytestmark = [pytest.mark.models, pytest.mark.s3]

BODY: dict[str, Any] = {"text": "This is kept in a bucket.", "language": "en"}


def speak(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/tts", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def server(
    models_once: Models, make_settings: Callable[..., Settings], s3_bucket: Any
) -> Iterator[RunningServer]:
    settings = make_settings(**s3_bucket.settings(s3_prefix="dev/", presigned_url_expires=5))
    with serve(app_with(models_once, settings)) as running:
        yield running


def test_a_presigned_link_works_until_it_expires(server: RunningServer, s3_bucket: Any) -> None:
    with server.client() as client:
        answer = client.post("/tts", json=BODY).json()
    url = answer["url"]
    assert "X-Amz-Signature=" in url
    fetched = httpx.get(url, trust_env=False)
    assert (fetched.status_code, fetched.headers["content-type"]) == (200, "audio/wav")
    assert fetched.content[:4] == b"RIFF"
    assert httpx.get(url.replace("X-Amz-Expires=5", "X-Amz-Expires=9"), trust_env=False).status_code == 403
    assert httpx.get(url[:-1] + ("0" if url[-1] != "0" else "1"), trust_env=False).status_code == 403
    time.sleep(6.5)
    assert httpx.get(url, trust_env=False).status_code == 403
    kept = s3_bucket.keys()
    assert f"dev/{answer['key']}" in kept


def test_the_same_text_is_found_again_by_another_worker(
    server: RunningServer,
    models_once: Models,
    make_settings: Callable[..., Settings],
    s3_bucket: Any,
    s3_server: Any,
) -> None:
    with server.client() as client:
        first = speak(client, BODY)
        again = speak(client, BODY)
        changed = ({"speed": 1.5}, {"format": "opus"})
        others = [speak(client, BODY | change) for change in changed]
    settings = make_settings(**s3_bucket.settings(s3_prefix="dev/"))
    with serve(app_with(models_once, settings)) as restarted, restarted.client() as client:
        later = speak(client, BODY)
        with s3_server.client() as s3:
            s3.delete_object(Bucket=s3_bucket.name, Key=f"dev/{first['key']}")
        gone = speak(client, BODY)
    uncached = make_settings(**s3_bucket.settings(s3_prefix="dev/", tts_cache=False))
    with serve(app_with(models_once, uncached)) as fresh, fresh.client() as client:
        off = speak(client, BODY)
    assert [answer["cached"] for answer in (first, again, *others, later, gone, off)] == [
        False, True, False, False, True, False, False,
    ]  # fmt: skip
    assert first["key"] == again["key"] == later["key"]
    assert first["duration"] == again["duration"] > 0
    assert len({first["key"], *(answer["key"] for answer in others), gone["key"], off["key"]}) == 5


def test_a_bucket_that_goes_away_is_503_and_leaves_nothing(
    server: RunningServer, s3_bucket: Any, s3_server: Any
) -> None:
    with server.client() as client:
        s3_server.stop()
        try:
            failed = client.post("/tts", json=BODY | {"text": "Nobody will ever hear this."})
            ready = client.get("/health/ready")
        finally:
            s3_server.start()
        assert (failed.status_code, failed.json()["type"]) == (503, "urn:voz:storage-unavailable")
        assert int(failed.headers["retry-after"]) >= 1
        assert ready.status_code == 503
        assert any("storage" in problem for problem in ready.json()["problems"])
        assert client.get("/health/live").status_code == 200
        assert client.post("/tts", json=BODY).status_code == 200
        assert client.get("/health/ready").status_code == 200
    kept = s3_bucket.keys()
    assert len([key for key in kept if key.endswith(".wav")]) == 1
    assert s3_bucket.uploads() == []
