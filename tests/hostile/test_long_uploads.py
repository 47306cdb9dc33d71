"""Uploads of a few kilobytes that last for hours. The engines are tones: a model would get none of them.

Where one is read to its end, twenty minutes do: their samples would be several times the memory allowed.
"""

import asyncio
import io
import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from src.config import Settings
from src.main import create_app
from src.services.audio import AudioSource
from tests.hostile.conftest import MAX_AUDIO_SECONDS, hostile
from tests.support.audio import encoded
from tests.support.faults_engines import open_engines
from tests.support.faults_process import APP, Server, gives_back, until
from tests.support.server import RunningServer, serve
from tests.support.speech import clip, silence, wav
from tests.support.traps import silent_flac

HOUR = 3600
LONG = 1200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with hostile(tmp_path_factory.mktemp("long"), APP) as running:
        yield running


def test_twenty_minutes_of_silence_in_two_kilobytes_have_no_text(server: Server) -> None:
    content = silent_flac(LONG)
    assert len(content) < 2400
    before = server.warm()
    with server.client(timeout=300) as client:
        answer = client.post("/stt", files={"file": content})
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == "", "the engine was given silence"
    assert answer.json()["duration"] == pytest.approx(LONG, abs=8)
    gives_back(server.worker, before, memory=16)


@pytest.mark.parametrize("claimed", [0, 100 * HOUR * 8_000], ids=["says nothing", "says so"])
def test_more_hours_than_allowed_are_refused(server: Server, claimed: int) -> None:
    content = silent_flac(100 * HOUR if claimed else 1.2 * MAX_AUDIO_SECONDS, claimed)
    assert len(content) < 700_000
    with server.client(timeout=300) as client:
        answer = client.post("/stt", files={"file": content})
    assert answer.status_code == 413, answer.text
    assert f"{MAX_AUDIO_SECONDS} seconds" in answer.json()["detail"]


def test_long_silences_hold_up_nobody_else(server: Server) -> None:
    """More of them than there are threads; all others are served before the first one is at its end."""
    content = silent_flac(LONG)
    before = server.warm()
    threads = min(32, (os.cpu_count() or 1) + 4)

    async def main() -> None:
        async with server.async_client(timeout=300) as client:
            silent = [
                asyncio.create_task(client.post("/stt", files={"file": content})) for _ in range(threads + 2)
            ]
            for _ in range(600):
                if (await client.get("/models")).json()["stt"]["requests"] == len(silent):
                    break
                await asyncio.sleep(0.05)
            else:
                pytest.fail("they were not all let in")
            others = await asyncio.gather(
                *(client.get(path) for path in ("/health/live", "/health/ready", "/metrics", "/models")),
                client.post("/stt", files={"file": wav(clip("en-extended"))}),
                client.post("/tts", json={"text": "Good morning.", "language": "en"}),
            )
            assert [answer.status_code for answer in others] == [200] * 6
            assert not any(request.done() for request in silent)
            for request in silent:
                request.cancel()
            await asyncio.gather(*silent, return_exceptions=True)

    asyncio.run(main())
    with server.client() as client:
        until(
            lambda: client.get("/models").json()["stt"]["requests"] == 0,
            lambda: "the work went on for nobody",
        )
    gives_back(server.worker, before, memory=16)


@pytest.fixture(scope="module")
def half_a_minute(make_settings: Callable[..., Settings]) -> Iterator[RunningServer]:
    """A server that takes 30 s of audio."""
    with serve(create_app(make_settings(max_audio_seconds=30), open_engines)) as running:
        yield running


def test_speech_that_is_too_long_is_refused_before_any_of_it_is_read(half_a_minute: RunningServer) -> None:
    speech = np.concatenate([clip("en-busy"), silence(1.5)] * 4)
    assert len(speech) > 36 * 16_000
    with half_a_minute.client() as client:
        answer = client.post("/stt", files={"file": wav(speech)}, data={"stream": "true"})
    assert answer.status_code == 413, answer.text


def test_what_only_seems_too_long_is_read(half_a_minute: RunningServer) -> None:
    """The length of bare AAC is guessed from its first frames, and silence makes those small."""
    noise = 0.5 * np.random.default_rng(1).standard_normal(8 * 16_000).astype(np.float32)
    audio = np.concatenate([silence(3.0), clip("en-extended"), silence(1.0), noise])
    file = encoded(audio, 16_000, "adts", "aac")
    with AudioSource(io.BytesIO(file), 30) as source:
        assert (source.duration_hint or 0) > 60
    with half_a_minute.client() as client:
        answer = client.post("/stt", files={"file": file}, data={"language": "en"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["duration"] == pytest.approx(len(audio) / 16_000, abs=0.2)
    assert "a tone" in answer.json()["text"]
