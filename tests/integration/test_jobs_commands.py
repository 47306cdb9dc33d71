"""Jobs by `voz jobs` and by the client, over a real socket, with engines that are ready at once."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

import voz as client_package
from src.config import Settings
from src.main import create_app
from tests.support.audio import wav_of
from tests.support.commands import Voz
from tests.support.faults_engines import open_engines
from tests.support.server import KEY, RunningServer, serve
from tests.support.speech import clip
from voz import jobs
from voz.calls import models
from voz.retries import RetryPolicy


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    with serve(create_app(make_settings(), open_engines)) as running:
        yield running


@pytest.fixture
def voz(server: RunningServer, tmp_path: Path) -> Voz:
    (tmp_path / "a.wav").write_bytes(wav_of(np.resize(clip("en-extended"), 32_000)))
    (tmp_path / "bad.wav").write_bytes(b"this is no audio" * 100)
    return Voz(tmp_path, environment={"VOZ_URL": server.url, "VOZ_API_KEY": KEY})


@pytest.fixture
def client(server: RunningServer) -> Iterator[client_package.Client]:
    with client_package.Client(server.url, KEY) as opened:
        yield opened


def test_from_submission_to_the_result(voz: Voz, tmp_path: Path) -> None:
    done = voz.run(
        "jobs", "submit", "a.wav", "bad.wav", "none.wav", "-f", "srt", "-l", "en", "--priority", "3"
    )
    assert done.returncode == 1
    assert b"none.wav: no such file" in done.stderr
    (good, name), (bad, _) = (line.split(maxsplit=1) for line in done.stdout.decode().splitlines())
    assert name == "a.wav"
    waited = voz.run("jobs", "wait", good, bad)
    assert waited.returncode == 1
    assert waited.stdout.decode().splitlines() == [f"{good} succeeded", f"{bad} failed"]
    assert f"{bad}: ".encode() in waited.stderr
    assert b"-->" in voz.run("jobs", "result", good).stdout
    assert voz.run("jobs", "result", good, "-o", "a.srt").returncode == 0
    assert "-->" in (tmp_path / "a.srt").read_text()
    failed = voz.run("jobs", "result", bad)
    assert (failed.returncode, failed.stdout) == (1, b"")
    assert b"is failed: " in failed.stderr
    shown = json.loads(voz.run("jobs", "show", good).stdout)
    assert (shown["state"], shown["priority"], shown["metadata"]) == ("succeeded", 3, {"file": "a.wav"})
    listed = json.loads(voz.run("jobs", "list", "--state", "failed", "--json").stdout)
    assert [job["id"] for job in listed] == [bad]
    table = voz.run("jobs", "list").stdout.decode()
    assert good in table
    assert "a.wav" in table
    assert voz.run("jobs", "cancel", good, bad).returncode == 0
    assert voz.run("jobs", "cancel", good).returncode == 1
    assert json.loads(voz.run("jobs", "list", "--json").stdout) == []


def test_a_speech(voz: Voz, tmp_path: Path) -> None:
    said = voz.run("jobs", "say", "Good morning.", "-f", "wav", "-l", "en", "--json")
    job = json.loads(said.stdout)
    assert json.loads(voz.run("jobs", "wait", job["id"], "--json").stdout)["state"] == "succeeded"
    assert voz.run("jobs", "result", job["id"]).stdout[:4] == b"RIFF"


def test_jobs_need_a_server(voz: Voz) -> None:
    del voz.environment["VOZ_URL"]
    done = voz.run("jobs", "list")
    assert done.returncode == 2
    assert b"VOZ_URL" in done.stderr


def test_the_client_follows_a_job(client: client_package.Client, voz: Voz) -> None:
    options = client_package.TranscriptionJobOptions(language="en", metadata={"customer": "4711"})
    job = client.jobs.submit(voz.folder / "a.wav", idempotency_key="once", **options)
    assert client.jobs.submit(voz.folder / "a.wav", idempotency_key="once", **options).id == job.id
    seen: list[client_package.Job | client_package.Segment] = []
    ended = client.jobs.wait(job.id, seen.append)
    assert (ended.state, ended.metadata, ended.error) == ("succeeded", {"customer": "4711"}, None)
    assert any(isinstance(event, client_package.Segment) for event in seen)
    with client.jobs.result(ended) as pieces:
        result = json.loads(b"".join(pieces))
    assert result["segments"]
    client.jobs.cancel(job.id)
    with pytest.raises(client_package.NotFound):
        client.jobs.get(job.id)
    with pytest.raises(client_package.NotFound):
        client.jobs.wait(job.id)


def test_a_batch_and_its_pages(client: client_package.Client) -> None:
    bodies = [client.jobs.speech(f"Number {index}.", language="en") for index in range(105)]
    submitted = client.jobs.submit_batch(bodies)
    batch_id = submitted[0].batch_id
    found = list(client.jobs.list(type="speech", batch_id=batch_id))
    assert {job.id for job in found} == {job.id for job in submitted}
    assert list(client.jobs.list(type="transcription", batch_id=batch_id)) == []
    for job in submitted:
        client.jobs.cancel(job.id)


@pytest.mark.anyio
async def test_the_async_client_has_jobs_too(server: RunningServer) -> None:
    async with client_package.AsyncClient(server.url, KEY) as client:
        job = await client.jobs.submit_speech("Good evening.", language="en", format="wav")
        ended = await client.jobs.wait(job.id)
        async with client.jobs.result(ended) as pieces:
            assert b"".join([piece async for piece in pieces])[:4] == b"RIFF"
        assert job.id in [found.id async for found in client.jobs.list(type="speech")]
        with pytest.raises(ValueError, match="it has no result"):
            async with client.jobs.result(job):
                pass


def test_a_submission_whose_connection_broke_is_repeated() -> None:
    call = jobs.submit({"type": "speech", "text": "Hi."}, None)
    assert call.safe
    assert call.headers["Idempotency-Key"]
    assert models().safe
    assert not jobs.cancel("job_1").safe
    broken = httpx.ReadError("reset")
    assert RetryPolicy().after_error(call.safe, 0, broken) is not None
    assert RetryPolicy().after_error(jobs.cancel("job_1").safe, 0, broken) is None
