"""With real models: what each route costs its key, and what Prometheus is told of it."""

import math
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from src.config import Settings
from src.engines.models import Models
from tests.support.server import RunningServer, app_with, serve

BUDGET = 1000


@pytest.fixture
def limited(models_once: Models, make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    settings = make_settings(rate_limit=f"{BUDGET}s/hour", tts_cache=True)
    with serve(app_with(models_once, settings)) as server:
        yield server


def spent(client: httpx.Client) -> int:
    return BUDGET - int(client.get("/models").headers["ratelimit-remaining"])


def metric(client: httpx.Client, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_every_route_is_charged_for_its_audio(limited: RunningServer) -> None:
    text = {"text": "Every second counts.", "language": "en"}
    with limited.client() as client:
        audio_in = metric(client, "voz_audio_seconds_total", direction="in")
        hits = metric(client, "voz_tts_cache_total", result="hit")
        spoken = client.post("/tts", json=text).json()
        cost = math.ceil(spoken["duration"])
        assert spent(client) == cost
        assert client.post("/tts", json=text).json()["cached"]
        assert spent(client) == cost, "what is in the cache costs nothing"
        streamed = client.post("/tts/stream", json=text)
        assert spent(client) == 2 * cost
        read = client.post("/stt", files={"file": streamed.content})
        assert "second" in read.json()["text"].lower()
        assert spent(client) == 2 * cost + math.ceil(read.json()["duration"])
        client.post("/stt/language", files={"file": streamed.content})
        assert spent(client) == 2 * cost + 2 * math.ceil(read.json()["duration"])
        assert metric(client, "voz_audio_seconds_total", direction="in") > audio_in
        assert metric(client, "voz_tts_cache_total", result="hit") == hits + 1
        assert metric(client, "voz_engine_info", task="stt", engine="whisper", device="cpu") == 1
        assert metric(client, "voz_storage_seconds_count", operation="put", outcome="ok") >= 1


def test_a_caller_who_leaves_pays_for_what_was_made(limited: RunningServer) -> None:
    long = " ".join(f"This is sentence number {number} of a long story." for number in range(12))
    with limited.client() as client:
        gone = metric(client, "voz_requests_total", route="/tts/stream", status="200")
        with client.stream("POST", "/tts/stream", json={"text": long, "language": "en"}) as answer:
            next(answer.iter_bytes())
        while metric(client, "voz_requests_total", route="/tts/stream", status="200") == gone:
            time.sleep(0.05)
        assert 0 < spent(client) < 30
