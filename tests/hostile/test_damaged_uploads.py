"""More than a thousand uploads that are damaged, or made to do harm, sent to `POST /stt` of the real server.

What they get:

- 200: there is sound in it all the same. Players pass over small damage, and so does FFmpeg.
- 413: there is more sound than MAX_AUDIO_SECONDS.
- 415: nothing, or too little, can be decoded, the file is cut off, or it is no audio but a script.
- 422: the form itself is wrong, so that no file is found in it.
"""

import asyncio
import math
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.hostile.conftest import MAX_AUDIO_SECONDS
from tests.support.audio import KINDS, encoded, sweep
from tests.support.canary import Canary, canary
from tests.support.damaged import WAYS
from tests.support.deploy_host import REPOSITORY
from tests.support.faults_process import Server, gives_back, until
from tests.support.speech import clip, wav
from tests.support.traps import SCRIPTS, length_claims, mov_reference, names

pytestmark = pytest.mark.models

TYPES = {413: "urn:voz:too-large", 415: "urn:voz:not-audio", 422: "urn:voz:invalid-input"}
SPOKEN = ("wav 8 bit", "opus")
AT_ONCE = 8
MEBIBYTES = 96
"""That the server may hold more at the end than before: what allocators keep of the busiest moment."""


@dataclass(frozen=True)
class Upload:
    """What is sent, and what it may be answered with."""

    name: str
    content: bytes
    statuses: frozenset[int]
    file_name: str = "recording"


def damaged(seed: int) -> Iterator[Upload]:
    """A file of each kind, damaged in each way. A few hold speech, for the model; the rest is quiet.

    Loud noise that is taken for speech costs seconds: it is decoded at every temperature there is.
    """
    chance = random.Random(seed)
    wholes = {}
    for kind, (rate, container, codec, layout, video) in KINDS.items():
        audio = np.repeat(clip("en-extended"), rate // 16_000) if kind in SPOKEN else 0.05 * sweep(0.4, rate)
        wholes[kind] = encoded(audio, rate, container, codec, layout, video)
    for kind, whole in wholes.items():
        for way in WAYS:
            other = wholes[chance.choice(list(wholes))]
            yield Upload(f"{kind} {way.__name__}", way(chance, whole, other), frozenset({200, 413, 415}))


def scripts(bait: Canary) -> Iterator[Upload]:
    for name in [*names(bait), os.path.relpath(bait.path, REPOSITORY)]:
        for script in SCRIPTS:
            yield Upload(f"{script.__name__} {name}", script(name), frozenset({415}), f"a.{script.__name__}")
        # its reference is passed over: the bytes of the upload itself are what is decoded, or nothing is
        yield Upload(f"film {name}", mov_reference(name), frozenset({200, 415}), "film.mov")
        yield Upload(f"named {name}", b"nothing to hear", frozenset({415}), name)


def claims() -> Iterator[Upload]:
    for name, content in length_claims().items():
        yield Upload(name, content, frozenset({200, 415}))


def nothing_much() -> Iterator[Upload]:
    chance = random.Random(3)
    refused = frozenset({415})
    for size in (0, 1, 2, 11, 12, 100, 5_000, 100_000):
        yield Upload(f"{size} zeros", bytes(size), refused)
        yield Upload(f"{size} random bytes", chance.randbytes(size), refused)
        yield Upload(f"{size} letters", b"Dear diary, " * (size // 12) + b"!" * (size % 12), refused)
    yield Upload("no file", b"RIFF", frozenset({422}), "")


def checked(upload: Upload, answer: httpx.Response, bait: Canary) -> int:
    """The status, if the answer is one that this upload may get."""
    told = (upload.name, answer.status_code, answer.text[:300])
    assert answer.status_code in upload.statuses, told
    assert str(bait.path.parent) not in answer.text, told
    body = answer.json()
    if answer.status_code == 200:
        assert answer.headers["content-type"] == "application/json", told
        assert isinstance(body["text"], str), told
        assert 0 <= body["duration"] < MAX_AUDIO_SECONDS, told
        assert math.isfinite(body["language_probability"]), told
        return 200
    assert answer.headers["content-type"] == "application/problem+json", told
    assert (body["type"], body["status"]) == (TYPES[answer.status_code], answer.status_code), told
    assert len(body["detail"]) > 10, told
    return answer.status_code


def send(server: Server, uploads: Iterable[Upload], bait: Canary) -> Counter[int]:
    """Send them, several at a time; how many got which status."""
    statuses: Counter[int] = Counter()
    waiting = iter(uploads)

    async def caller(client: httpx.AsyncClient) -> None:
        for upload in waiting:
            answer = await client.post(
                "/stt", files={"file": (upload.file_name, upload.content)}, data={"language": "en"}
            )
            statuses[checked(upload, answer, bait)] += 1

    async def main() -> None:
        async with server.async_client(timeout=120) as client, asyncio.TaskGroup() as callers:
            for _ in range(AT_ONCE):
                callers.create_task(caller(client))

    asyncio.run(main())
    return statuses


@pytest.fixture
def bait(tmp_path: Path) -> Iterator[Canary]:
    """A sound that would decode."""
    with canary(tmp_path / "bait.ts", encoded(sweep(1.0, 16_000), 16_000, "mpegts", "aac")) as opened:
        assert opened.path.read_bytes()
        assert httpx.get(opened.url, trust_env=False).content
        assert opened.touched >= 2
        yield opened


def test_damaged_uploads_do_no_harm(server: Server, bait: Canary) -> None:
    # decoders, threads and the memory of a busy moment are made now
    send(server, islice(damaged(seed=1), 0, None, 3), bait)
    before = server.warm()
    worker, seen = server.worker, len(server.events())
    left = {path.name for path in (server.folder / "tmp").iterdir()}

    statuses = send(server, damaged(seed=2), bait)
    assert statuses[200] > 50, statuses
    assert statuses[415] > 100, statuses
    assert set(send(server, scripts(bait), bait)) <= {200, 415}
    assert set(send(server, claims(), bait)) == {200, 415}
    assert set(send(server, nothing_much(), bait)) == {415, 422}

    assert bait.touched == 0
    gives_back(worker, before, memory=MEBIBYTES)
    until(
        lambda: {path.name for path in (server.folder / "tmp").iterdir()} == left,
        lambda: "temporary files were left behind",
    )
    assert server.worker == worker, "the server crashed, and gunicorn began another"
    told = server.events()[seen:]
    assert sum("status" in line for line in told) > 700
    assert not [line for line in told if line["level"] not in {"debug", "info"}]
    assert "Traceback" not in server.log()
    server.works()
    with server.client() as client:
        read = client.post("/stt", files={"file": wav(clip("en-busy"))}, data={"language": "en"})
    assert "assisting other" in read.json()["text"], "Whisper reads as before"
