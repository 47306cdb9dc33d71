"""Jobs whose workers are killed with -9 or stopped: each is done, once, by whoever is left."""

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.audio import wav_of
from tests.support.faults_process import Server, serving, until
from tests.support.postgres import Postgres
from tests.support.speech import clip

CRAWLS = {"type": "speech", "text": "We crawl. Then we walk.", "language": "en"}
"""Four seconds of work: long enough to be killed in the middle of it."""
JOBS = 8


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


def look(server: Server, ids: list[str]) -> list[dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = {}
    until_answered = time.monotonic() + 30
    while True:
        try:
            with server.client() as client:
                page: dict[str, Any] = {"next_after": None}
                while True:
                    after = {"after": page["next_after"]} if page["next_after"] else {}
                    page = client.get("/jobs", params={"limit": 100, **after}).json()
                    jobs |= {job["id"]: job for job in page["jobs"]}
                    if page["next_after"] is None:
                        return [jobs[one] for one in ids]
        except (httpx.TransportError, KeyError, json.JSONDecodeError):
            assert time.monotonic() < until_answered
            time.sleep(0.2)


def rows(address: str, query: str) -> list[tuple[Any, ...]]:
    if address.startswith("sqlite:///"):
        connection = sqlite3.connect(address.removeprefix("sqlite:///"))
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()
    with psycopg.connect(address) as session:
        return session.execute(query.encode()).fetchall()


def test_workers_that_are_killed_lose_no_job_and_deliver_none_twice(tmp_path: Path, address: str) -> None:
    with serving(tmp_path, workers=2, JOBS_LEASE="2", JOBS_DATABASE_URL=address) as server:
        with server.client() as client:
            texts = [{**CRAWLS, "metadata": {"n": str(index)}} for index in range(JOBS // 2)]
            batch = client.post("/jobs", json={"jobs": texts}).json()
            ids = [job["id"] for job in batch["jobs"]]
            for _ in range(JOBS // 2):
                upload = client.post("/jobs", files={"file": ("a.wav", wav_of(clip("en-extended")))})
                ids.append(upload.json()["id"])
        for _ in range(2):
            running = Counter(job["state"] for job in look(server, ids))["running"]
            os.kill(server.workers[running % 2], signal.SIGKILL)
            until(lambda: len(server.workers) == 2, server.log)
            time.sleep(1.5)

        def done() -> bool:
            return all(job["state"] not in ("queued", "running") for job in look(server, ids))

        until(done, lambda: f"{[job['state'] for job in look(server, ids)]}", 180, every=0.5)
        jobs = look(server, ids)
        assert {job["state"] for job in jobs} == {"succeeded"}, jobs
        with server.client() as client:
            for job in jobs:
                result = client.get(job["result"]["url"])
                assert result.status_code == 200
                assert len(result.content) > 100
        found = rows(address, "SELECT job_id FROM job_objects WHERE job_id IS NOT NULL AND key LIKE '%.%'")
        kept = Counter(job for (job,) in found)
        assert set(kept) == set(ids)
        assert max(kept.values()) <= 2, "one result; and the upload, until it is deleted"
        until(lambda: len(server.workers) == 2, server.log)


def test_a_server_that_stops_hands_its_jobs_back_at_once(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'jobs.db'}"
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
    storage: dict[str, Any] = {
        "STORAGE_DIR": str(tmp_path / "storage"),
        "JOBS_DATABASE_URL": address,
        "JOBS_LEASE": "600",
    }
    with serving(folders[0], **storage) as server:
        with server.client() as client:
            [job] = client.post("/jobs", json={"jobs": [CRAWLS]}).json()["jobs"]
        until(lambda: look(server, [job["id"]])[0]["state"] == "running", server.log)
    assert rows(address, "SELECT state, attempts, lease_token FROM jobs") == [("queued", 0, None)]
    with serving(folders[1], **storage) as server:
        until(lambda: look(server, [job["id"]])[0]["state"] == "succeeded", server.log, every=0.25)
