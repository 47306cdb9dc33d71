"""A worker that is killed with -9 under load: the other goes on, and a new one takes its place."""

import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.faults_process import SPEECH, Footprint, Server, gives_back, serving, until

CALLERS = 8


def samples(server: Server) -> list[tuple[str, dict[str, str], float]]:
    with server.client() as client:
        text = client.get("/metrics").text
    families = text_string_to_metric_families(text)
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]


def total(server: Server, name: str, **labels: str) -> float:
    found = samples(server)
    return sum(value for called, own, value in found if called == name and labels.items() <= own.items())


def alive(server: Server) -> set[int]:
    """The workers that metrics know."""
    return {int(own["pid"]) for name, own, _ in samples(server) if name == "voz_process_resident_bytes"}


def test_the_other_worker_answers_and_a_new_one_comes(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as server:
        master = Footprint.of(server.process.pid)
        before = set(server.workers)
        until(lambda: alive(server) == before, server.log)
        stop = threading.Event()
        statuses: list[int] = []
        lost: list[httpx.TransportError] = []

        def ask() -> None:
            while not stop.wait(0.02):
                try:
                    with server.client() as client:  # a connection for each: any worker may take it
                        statuses.append(client.post("/tts", json=SPEECH).status_code)
                except httpx.TransportError as error:
                    lost.append(error)

        with ThreadPoolExecutor(CALLERS) as pool:
            asking = [pool.submit(ask) for _ in range(CALLERS)]
            try:
                until(lambda: len(statuses) > 50, server.log)
                counted = total(server, "voz_requests_total", route="/tts", status="200")
                victim = min(before)
                os.kill(victim, signal.SIGKILL)
                answered = len(statuses)
                until(lambda: len(statuses) > answered + 50, server.log)
                until(lambda: len(server.workers) == 2 and victim not in server.workers, server.log)
                until(lambda: alive(server) == set(server.workers), server.log)
                # a worker has metrics before it has read its models
                until(lambda: server.log().count("Application startup complete") == 3, server.log)
            finally:
                stop.set()
            for one in asking:
                one.result()
        assert set(statuses) == {200}
        assert len(lost) <= CALLERS, "only what the killed worker had in hand may be lost"
        log = server.log()
        assert re.search(rf"Worker \(pid:{victim}\) was sent SIGKILL", log), log
        assert log.count("Booting worker") == 3
        assert log.count("Application startup complete") == 3

        # what was counted stays counted, what the dead one held is nobody's, and nothing is counted twice
        after = total(server, "voz_requests_total", route="/tts", status="200")
        assert counted < after <= len(statuses) + len(lost)
        assert after >= len(statuses) - CALLERS
        until(lambda: total(server, "voz_gate_requests") == 0, server.log)
        until(lambda: total(server, "voz_queue_rows") == 0, server.log)
        assert total(server, "voz_engine_info", task="tts") == 1
        server.works()
        gives_back(server.process.pid, master)
    assert list((tmp_path / "tmp").iterdir()) == []
