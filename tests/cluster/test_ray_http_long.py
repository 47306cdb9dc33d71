"""What becomes of callers when an HTTP process dies, a machine with one, and the head: `make test-ray`.

The engines are ready at once. Two workers have an HTTP process each and listen on one port,
so the kernel is the load balancer. As docs/scale.md asks of one, the callers here send again what was cut or
refused before it was answered.
"""

import asyncio
import importlib.util
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.cluster.test_ray import KINDS, client
from tests.support.ray_cluster import RayCluster, configuration, ray_cluster

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("VOZ_RAY_TESTS") != "long" or importlib.util.find_spec("ray") is None,
        reason="`make test-ray` runs it",
    ),
    pytest.mark.timeout(900),
]

REQUESTS = 20
ATTEMPTS = 6
SERVES_WITHOUT_HEAD = 30.0
"""Seconds. Ray's own processes end themselves a minute after the head has died."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster({"MAX_QUEUE": "1000", "TTS_CACHE": "false", "SHUTDOWN_TIMEOUT": "20"}) as made:
        made.start_head(cpus=0, http=False)
        for _ in range(2):
            made.start_worker(cpus=2, http=True)
        made.deploy(configuration("tests.support.ray_app:build", machines=2))
        wait_whole(made)
        yield made


def listeners(port: int) -> int:
    """How many sockets of this machine listen on a port of IPv4."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)


def wait_whole(cluster: RayCluster) -> None:
    """Until everything is there twice, and both HTTP processes know it."""
    end = time.monotonic() + 240
    whole = {"Api": 2, "SpeechToText": 2, "TextToSpeech": 2}
    while True:
        found = {name: len(pids) for name, pids in cluster.replicas().items()}
        listening = listeners(cluster.http_port)
        if found == whole and listening == 2:
            break
        assert time.monotonic() < end, f"{found}, {listening} listen\n{cluster.logs()}"
        time.sleep(0.5)
    for _ in range(4):  # either of them may answer
        cluster.wait_ready(replicas=2)


async def asked_again(kind: Callable[[httpx.AsyncClient], Awaitable[None]], http: httpx.AsyncClient) -> int:
    """How often a request was sent until it was answered right."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await kind(http)
        except httpx.TransportError:
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(0.1 * 2**attempt)
        else:
            return attempt
    raise AssertionError("not reached")


async def under_load(cluster: RayCluster, disturb: Callable[[], None]) -> list[int]:
    """How often each of 20 requests was sent, while something happened to the cluster."""
    async with client(cluster) as http:
        asked = [
            asyncio.create_task(asked_again(KINDS[number % len(KINDS)], http)) for number in range(REQUESTS)
        ]
        await asyncio.sleep(0.8)
        assert not all(task.done() for task in asked), "it would come too late"
        await asyncio.to_thread(disturb)
        return await asyncio.gather(*asked)


def test_an_http_process_that_dies_costs_the_connections_it_had(cluster: RayCluster) -> None:
    before = cluster.replicas()
    sent = asyncio.run(under_load(cluster, lambda: os.kill(before["Api"][0], signal.SIGKILL)))
    # the kernel has given some connections to either of them
    assert 0 < sum(times > 1 for times in sent) < REQUESTS, sent
    wait_whole(cluster)
    after = cluster.replicas()
    assert before["Api"][0] not in after["Api"] and before["Api"][1] in after["Api"]
    assert after["SpeechToText"] == before["SpeechToText"]
    assert after["TextToSpeech"] == before["TextToSpeech"]


def test_a_machine_with_an_http_process_dies(cluster: RayCluster) -> None:
    worker = cluster.nodes[1]
    assert set(cluster.replicas(worker)) == {"Api", "SpeechToText", "TextToSpeech"}
    sent = asyncio.run(under_load(cluster, worker.kill))
    assert 0 < sum(times > 1 for times in sent) < REQUESTS, sent
    cluster.nodes.remove(worker)
    cluster.start_worker(cpus=2, http=True)
    wait_whole(cluster)


def test_the_service_goes_on_when_the_head_dies(cluster: RayCluster) -> None:
    head = cluster.nodes[0]
    assert cluster.replicas(head) == {}
    died = 0.0

    def kill() -> None:
        nonlocal died
        head.kill()
        died = time.monotonic()

    sent = asyncio.run(under_load(cluster, kill))
    assert sent == [1] * REQUESTS

    async def go_on() -> None:
        number = 0
        async with client(cluster) as http:
            while time.monotonic() - died < SERVES_WITHOUT_HEAD:
                await KINDS[number % len(KINDS)](http)
                number += 1
                await asyncio.sleep(0.5)

    asyncio.run(go_on())
