"""What goes wrong once goes wrong once: callers that leave, too many at a time."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from src.config import Settings
from src.engines.models import Models
from tests.support.audio import tone_wav, wav_of
from tests.support.server import KEY, OTHER_KEY, RunningServer, app_with, serve

pytestmark = [pytest.mark.models, pytest.mark.alone]

PARAGRAPH = " ".join(
    f"This is sentence number {n} of a text that takes a while to say." for n in range(1, 41)
)


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never saw: {what}"
        time.sleep(0.02)


def places(server: RunningServer) -> int:
    services = server.app.state.services
    return int(services.stt_admission.in_flight + services.tts_admission.in_flight)


@pytest.mark.parametrize("path", ["/tts", "/tts/stream"])
def test_a_caller_who_leaves_frees_the_place_and_the_engine(voz: RunningServer, path: str) -> None:
    engine = voz.app.state.services.models.tts
    with voz.client(timeout=1.5) as client:
        try:
            with client.stream("POST", path, json={"text": PARAGRAPH, "language": "en"}) as answer:
                next(answer.iter_raw())
        except httpx.ReadTimeout:
            pass
    until(lambda: places(voz) == 0, "the place came back")
    until(lambda: engine.load.waiting + engine.load.active == 0, "the engine put the rows down")


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_caller_who_leaves_a_transcription_frees_it(voz: RunningServer, stream: str) -> None:
    engine = voz.app.state.services.models.stt
    with voz.client(timeout=60) as client:
        said = client.post(
            "/tts/stream", json={"text": "Somebody talks and talks.", "language": "en"}
        ).content
    samples = np.frombuffer(said[44:], "<i2").astype(np.float32) / 32768
    long = wav_of(np.tile(samples, 60), 24_000)
    with voz.client(timeout=1.0) as client:
        try:
            with client.stream("POST", "/stt", files={"file": long}, data={"stream": stream}) as answer:
                next(answer.iter_raw())
        except httpx.ReadTimeout:
            pass
    until(lambda: places(voz) == 0, "the place came back")
    until(lambda: engine.load.waiting + engine.load.active == 0, "the engine put the rows down")


def test_too_many_at_once_get_503_and_when_to_come_back(
    models: Models, make_settings: Callable[..., Settings]
) -> None:
    async def burst(server: RunningServer) -> list[httpx.Response]:
        async with server.async_client() as client:
            body = {"text": "This takes a moment to say out loud.", "language": "en"}
            return await asyncio.gather(*(client.post("/tts", json=body) for _ in range(10)))

    with serve(app_with(models, make_settings(max_queue=2))) as server:
        answers = asyncio.run(burst(server))
        statuses = sorted(answer.status_code for answer in answers)
        assert set(statuses) == {200, 503}
        assert statuses.count(200) >= 2
        refused = next(answer for answer in answers if answer.status_code == 503)
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["type"] == "urn:voz:overloaded"
        assert places(server) == 0


def test_a_request_that_takes_too_long_is_given_up(
    models: Models, make_settings: Callable[..., Settings]
) -> None:
    with serve(app_with(models, make_settings(request_timeout=1))) as server, server.client() as client:
        answer = client.post("/tts", json={"text": PARAGRAPH, "language": "en"})
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:voz:deadline-exceeded"
        until(lambda: places(server) == 0, "the place came back")


def test_sixteen_at_once_of_both_kinds_all_answer_right(voz: RunningServer) -> None:
    digits = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    texts = [f"The answer to this question is number {digit}." for digit in digits]

    async def main() -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[float]]:
        pings: list[float] = []
        async with voz.async_client() as client:
            clips = [
                (await client.post("/tts/stream", json={"text": text, "language": "en"})).content
                for text in texts
            ]

            async def ping() -> None:
                async with voz.async_client() as own:
                    while True:
                        start = time.perf_counter()
                        assert (await own.get("/health/live")).status_code == 200
                        pings.append(time.perf_counter() - start)
                        await asyncio.sleep(0.05)

            pinging = asyncio.create_task(ping())
            speaking = [client.post("/tts", json={"text": text, "language": "en"}) for text in texts]
            reading = [client.post("/stt", files={"file": clip}) for clip in clips]
            answers = await asyncio.gather(*speaking, *reading)
            pinging.cancel()
        assert {answer.status_code for answer in answers} == {200}
        return [a.json() for a in answers[:8]], [a.json() for a in answers[8:]], pings

    spoken, transcripts, pings = asyncio.run(main())
    assert len({answer["key"] for answer in spoken}) == 8
    for digit, number, transcript in zip(digits, range(1, 9), transcripts, strict=True):
        assert digit in transcript["text"].lower() or str(number) in transcript["text"], transcript
    assert len(pings) > 10
    assert sorted(pings)[len(pings) // 2] < 0.1


def test_logs_hold_the_request_and_never_a_key(voz: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    with voz.client() as client, caplog.at_level(logging.DEBUG):
        client.post("/tts", json={"text": "Hello.", "language": "en"}).raise_for_status()
        client.post("/stt", files={"file": tone_wav(1.0)}).raise_for_status()
        good = list(caplog.records)
        client.get("/models", headers={"X-API-Key": OTHER_KEY}).raise_for_status()
        client.get("/models", headers={"X-API-Key": "wrong-key-of-a-stranger"})
        failed = client.post("/stt", files={"file": b"no audio"})
    assert [record for record in good if record.levelno > logging.INFO] == []
    spoke = next(record for record in good if record.getMessage() == "POST /tts 200")
    assert vars(spoke)["audio_seconds"] > 0.2
    everything = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert failed.json()["request_id"] in everything
    for key in (KEY, OTHER_KEY, "wrong-key-of-a-stranger"):
        assert key not in everything


def test_nothing_is_left_running(voz: RunningServer) -> None:
    with voz.client() as client:
        client.post("/tts", json={"text": "Hello.", "language": "en"}).raise_for_status()
        before = threading.active_count()
        for _ in range(20):
            client.post("/stt", files={"file": b"not audio"})
        assert threading.active_count() <= before + 2
