"""S3 that is down, slow, denying, or cut off in mid-upload: a real store behind a proxy that fails."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

from src.config import Settings
from src.main import create_app
from tests.support.faults_engines import open_engines
from tests.support.faults_process import Footprint, gives_back, until
from tests.support.faults_proxy import Fault, Proxy, proxy_to
from tests.support.s3 import S3Bucket
from tests.support.server import RunningServer, serve

pytestmark = pytest.mark.s3

SPEECH = {"text": "This is kept in a bucket. If it can be reached.", "language": "en"}
REASONS = {
    Fault.REFUSED: "S3 cannot be reached",
    Fault.SILENT: "S3 did not answer in time",
    Fault.DENIED: "S3 refused (SignatureDoesNotMatch)",
    Fault.CUT: "S3 cannot be reached",
}


@dataclass
class Store:
    server: RunningServer
    proxy: Proxy
    bucket: S3Bucket


@pytest.fixture
def store(
    make_settings: Callable[..., Settings],
    s3_bucket: S3Bucket,
) -> Iterator[Store]:
    with proxy_to(s3_bucket.server.port) as proxy:
        endpoint = f"http://127.0.0.1:{proxy.port}"
        settings = make_settings(**s3_bucket.settings(s3_endpoint_url=endpoint, tts_cache=False))
        with serve(create_app(settings, open_engines)) as server:
            yield Store(server, proxy, s3_bucket)


def speak(client: httpx.Client) -> httpx.Response:
    return client.post("/tts", json=SPEECH)


def works(store: Store) -> str:
    """Speaks, and fetches what was spoken; returns its key."""
    with store.server.client() as client:
        spoken = speak(client)
        assert spoken.status_code == 200, spoken.text
        assert client.get("/health/ready").status_code == 200
        read = client.post("/stt", files={"file": client.post("/tts/stream", json=SPEECH).content})
        assert "a tone" in read.json()["text"]
    fetched = httpx.get(spoken.json()["url"], trust_env=False)
    assert fetched.content[:4] == b"RIFF"
    assert len(fetched.content) > 100_000, "more than is let through before a cut"
    return str(spoken.json()["key"])


@pytest.mark.parametrize("fault", list(REASONS), ids=lambda fault: fault.name.lower())
def test_what_needs_the_store_is_503_until_it_is_back(
    store: Store, fault: Fault, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.server.client() as client, ThreadPoolExecutor() as pool:
        list(pool.map(speak, [client] * 3))
    kept = works(store)
    before, own = Footprint.of(os.getpid()), set(store.bucket.keys())
    caplog.clear()
    store.proxy.fault = fault
    monkeypatch.setattr("src.core.s3_handler._UNDO_PAUSES", (0, *[0.5] * 60))
    if fault is Fault.SILENT:
        monkeypatch.setattr("src.core.s3_handler._CALL_SECONDS", 1.0)  # a minute is right, and long here
    with store.server.client() as client, ThreadPoolExecutor() as pool:
        for refused in pool.map(speak, [client] * 3):
            assert refused.status_code == 503, refused.text
            problem = refused.json()
            assert problem["type"] == "urn:voz:storage-unavailable"
            assert problem["detail"] == REASONS[fault]
            assert int(refused.headers["retry-after"]) >= 1
        ready = client.get("/health/ready")
        # a cut needs an upload: asking the store how it is gets through
        assert ready.status_code == (200 if fault is Fault.CUT else 503)
        assert all("storage: S3" in told for told in ready.json()["problems"])
        assert client.get("/health/live").status_code == 200
        streamed = client.post("/tts/stream", json=SPEECH)  # needs no store
        assert streamed.status_code == 200
        assert client.post("/stt", files={"file": streamed.content}).status_code == 200
    told = [record for record in caplog.records if record.getMessage().startswith("StorageUnavailable")]
    assert [record.getMessage() for record in told] == [f"StorageUnavailable: {REASONS[fault]}"] * 3
    assert {record.levelname for record in told} == {"ERROR"}
    ends = [record for record in caplog.records if record.getMessage() == "POST /tts 503"]
    assert len(ends) == 3
    assert problem["request_id"] in str([vars(record) for record in ends])
    assert store.bucket.server.secret_key not in caplog.text

    store.proxy.fault = Fault.NONE
    monkeypatch.undo()
    later = works(store)
    storage = store.server.app.state.services.storage
    until(lambda: not storage._undoing, lambda: "the storage never cleaned up behind its failures")
    assert set(store.bucket.keys()) == own | {later}
    assert store.bucket.uploads() == []
    assert kept in own
    gives_back(os.getpid(), before, files=8)  # connections that are kept for the next request
