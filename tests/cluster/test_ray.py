"""The service on a real cluster of Ray, with two nodes on this machine: nodes are killed, replicas replaced,
queues filled, and no request fails.

The engines are ready at once (`tests/support/ray_app.py`), so the minutes go to the cluster. test_ray_long.py
has the real models.
"""

import asyncio
import importlib.util
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support import clients
from tests.support.audio import decode
from tests.support.collector import Collector, collector
from tests.support.faults_engines import FLOOD, RATE, SECONDS
from tests.support.ray_cluster import Node, RayCluster, configuration, ray_cluster
from tests.support.server import KEY
from tests.support.speech import clip, clip_path, wav

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="requirements-ray.txt is not installed"
)

SENTENCES = (
    "This is the first sentence. And this one is the second. A third one follows it. The fourth is the last."
)


def config(release: str, **speech: Any) -> dict[str, Any]:
    return configuration("tests.support.ray_app:build", arguments={"release": release}, speech=speech)


@pytest.fixture(scope="module")
def spans() -> Iterator[Collector]:
    with collector() as made:
        yield made


@pytest.fixture(scope="module")
def cluster(spans: Collector) -> Iterator[RayCluster]:
    settings = {
        "MAX_QUEUE": "1000",
        "TTS_CACHE": "false",
        "SHUTDOWN_TIMEOUT": "20",
        "OTEL_EXPORTER_OTLP_ENDPOINT": spans.url,
        # less than the speech of "flood"
        "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(2 * 2**20),
    }
    with ray_cluster(settings) as made:
        made.start_head(cpus=2)
        made.start_worker(cpus=2)
        made.deploy(config("1"))
        made.wait_ready(replicas=2)
        yield made


def client(cluster: RayCluster) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
    return clients.async_client(cluster.url, KEY, timeout=90, limits=limits)


async def transcribe(http: httpx.AsyncClient) -> None:
    upload = {"file": ("en.flac", clip_path("en-agent").read_bytes())}
    answer = await http.post("/stt", files=upload, data={"language": "en"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == "a tone"


async def transcribe_long(http: httpx.AsyncClient) -> None:
    """Its rows are nearly as long as rows may be."""
    upload = {"file": ("en.wav", wav(np.tile(clip("en-agent"), 5)).read())}
    answer = await http.post("/stt", files=upload, data={"language": "en"})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["text"].split()) == {"a", "tone"}


async def transcribe_stream(http: httpx.AsyncClient) -> None:
    upload = {"file": ("en.flac", clip_path("en-agent").read_bytes())}
    answer = await http.post("/stt", files=upload, data={"language": "en", "stream": "true"})
    assert answer.status_code == 200, answer.text
    assert answer.text.count("event: segment") == 1
    assert "event: done" in answer.text


async def speak_stream(http: httpx.AsyncClient) -> None:
    answer = await http.post("/tts/stream", json={"text": SENTENCES, "language": "en"})
    assert answer.status_code == 200, answer.text
    audio, rate = decode(answer.content)
    assert rate == RATE
    # four tones and the pauses between them: not one more or less
    assert 4 * SECONDS <= len(audio) / rate < 5 * SECONDS


async def speak(http: httpx.AsyncClient) -> None:
    answer = await http.post("/tts", json={"text": SENTENCES, "language": "en"})
    assert answer.status_code == 200, answer.text


KINDS = (transcribe, speak_stream, transcribe_stream, speak, transcribe_long)


def test_the_whole_is_told(cluster: RayCluster) -> None:
    with cluster.client() as http:
        models = http.get("/models").json()
        metrics = http.get("/metrics").text
    assert models["stt"]["engine"] == "reader"
    # MAX_QUEUE: for each process
    assert models["stt"]["max_requests"] == 1000
    replicas = {
        line.partition('replica="')[2].partition('"')[0]
        for line in metrics.splitlines()
        if line.startswith("voz_engine_up{")
    }
    assert len(replicas) == 4


def test_a_trace_continues_in_the_replica(cluster: RayCluster, spans: Collector) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with cluster.client() as http:
        headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
        http.post("/tts", json={"text": "Hello.", "language": "en"}, headers=headers)
    wanted = {"POST /tts", "row", "queue", "engine"}
    end = time.monotonic() + 60
    while True:  # each process sends its spans every five seconds
        found = {span.name: span for span in spans.spans if span.trace_id.hex() == trace}
        if wanted <= found.keys():
            break
        assert time.monotonic() < end, found.keys()
        time.sleep(0.2)
    assert found["row"].parent_span_id == found["POST /tts"].span_id
    assert found["queue"].parent_span_id == found["engine"].parent_span_id == found["row"].span_id


def test_a_leaving_caller_s_row_is_gone_at_once(cluster: RayCluster) -> None:
    def rows(http: httpx.Client) -> int:
        found = http.get("/models").json()["tts"]
        return int(found["rows_active"]) + int(found["rows_waiting"])

    with cluster.client() as http:
        with pytest.raises(httpx.ReadTimeout), cluster.client(timeout=2) as leaving:
            leaving.post("/tts", json={"text": "crawl", "language": "en"})
        left = time.monotonic()
        # the state is asked for every half second, and the row would take 40 s
        while rows(http):
            assert time.monotonic() - left < 20
            time.sleep(0.2)


def test_speech_too_large_for_a_message_of_grpc_comes_another_way(cluster: RayCluster) -> None:
    with cluster.client() as http:
        answer = http.post("/tts", json={"text": "flood", "language": "en"})
        assert answer.status_code == 200, answer.text
        audio, rate = decode(http.get(answer.json()["url"]).content)
    assert FLOOD <= len(audio) / rate < FLOOD + 1


def test_a_killed_node_loses_no_request(cluster: RayCluster) -> None:
    worker = cluster.nodes[1]
    assert set(cluster.replicas(worker)) == {"SpeechToText", "TextToSpeech"}

    async def run() -> None:
        async with client(cluster) as http:
            asked = [asyncio.create_task(KINDS[number % len(KINDS)](http)) for number in range(20)]
            await asyncio.sleep(0.8)
            assert not all(task.done() for task in asked), "the kill would come too late"
            await asyncio.to_thread(worker.kill)
            await asyncio.gather(*asked)

    asyncio.run(run())
    _restart(cluster, worker)


def test_replicas_that_hang_delay_but_lose_no_request(cluster: RayCluster) -> None:
    hanging = [pid for pids in cluster.replicas(cluster.nodes[1]).values() for pid in pids]
    assert len(hanging) == 2

    async def run() -> None:
        async with client(cluster) as http:
            asked = [asyncio.create_task(KINDS[number % len(KINDS)](http)) for number in range(20)]
            await asyncio.sleep(0.8)
            assert not all(task.done() for task in asked), "they would hang too late"
            for pid in hanging:
                os.kill(pid, signal.SIGSTOP)
            await asyncio.gather(*asked)

    began = time.monotonic()
    try:
        asyncio.run(run())
        # Ray's own check of a replica takes half a minute
        assert time.monotonic() - began < 25
    finally:
        for pid in hanging:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    cluster.wait_ready(replicas=2)


def _restart(cluster: RayCluster, node: Node) -> None:
    cluster.nodes.remove(node)
    cluster.start_worker(cpus=2)
    cluster.wait_ready(replicas=2)


def test_a_new_release_replaces_every_replica_and_fails_no_request(cluster: RayCluster) -> None:
    before = cluster.replicas()
    assert {name: len(pids) for name, pids in before.items()} == {
        "Api": 2,
        "SpeechToText": 2,
        "TextToSpeech": 2,
    }
    replaced = False

    async def load(number: int) -> int:
        count = 0
        async with client(cluster) as http:
            while not replaced:
                await KINDS[(number + count) % len(KINDS)](http)
                count += 1
        return count

    async def run() -> list[int]:
        nonlocal replaced
        asking = [asyncio.create_task(load(number)) for number in range(4)]
        try:
            await asyncio.to_thread(cluster.deploy, config("2"))
            end = time.monotonic() + 150
            while time.monotonic() < end and not replaced:
                await asyncio.sleep(1)
                now = await asyncio.to_thread(cluster.replicas)
                gone = not any(set(before[name]) & set(now.get(name, ())) for name in before)
                replaced = gone and all(len(now.get(name, ())) == 2 for name in before)
                if any(task.done() for task in asking):
                    break
        finally:
            done, replaced = replaced, True
            counts = await asyncio.gather(*asking, return_exceptions=True)
        failed = [count for count in counts if isinstance(count, BaseException)]
        assert not failed, f"{failed}\n{cluster.logs()}"
        assert done, f"{before} {cluster.replicas()}\n{cluster.logs()}"
        return [count for count in counts if isinstance(count, int)]

    counts = asyncio.run(run())
    assert all(counts)
    cluster.wait_ready(replicas=2)


def test_a_full_queue_is_our_503(cluster: RayCluster) -> None:
    cluster.deploy(config("2", max_ongoing_requests=1, max_queued_requests=1))

    async def run() -> list[httpx.Response]:
        async with client(cluster) as http:
            body = {"text": "crawl", "language": "en"}
            asked = [asyncio.create_task(http.post("/tts", json=body)) for _ in range(12)]
            # those who are refused are told at once; a row that is taken needs 40 s
            done, waiting = await asyncio.wait(asked, timeout=4)
            for task in waiting:
                task.cancel()
            return [task.result() for task in done]

    end = time.monotonic() + 60
    while True:  # until every process has the new limits
        refused = [answer for answer in asyncio.run(run()) if answer.status_code != 200]
        if refused:
            break
        assert time.monotonic() < end
    for answer in refused:
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:voz:overloaded"
        assert int(answer.headers["retry-after"]) >= 1
