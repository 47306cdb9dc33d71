"""Live sessions in tests: an engine that says what it was given, and a client whose connection can break."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from src.config import Settings
from src.engines.base import Audio, Segment, SttOptions, Transcript
from src.engines.models import Models
from tests.support import faults_engines
from tests.support.server import KEY, RunningServer


class Witness(faults_engines._Engine):
    """Writes the number of samples of a row, and their digest: two texts are the same if the audio was."""

    async def transcribe(self, audio: Audio, options: SttOptions, request_id: str) -> Transcript:
        found = await super().transcribe(audio, options, request_id)
        digest = hashlib.sha256((audio * 32767).round().astype("<i2").tobytes()).hexdigest()[:12]
        segment = Segment(0.0, len(audio) / 16_000, f" {len(audio)} {digest}", -0.1, 0.0)
        return replace(found, segments=(segment,))


@asynccontextmanager
async def witness_engines(settings: Settings) -> AsyncIterator[Models]:
    async with (
        Witness("witness", faults_engines._Reader()) as stt,
        faults_engines.open_engines(settings) as others,
    ):
        yield Models(stt, others.tts)


def live_address(server: RunningServer, path: str = "/stt/live") -> str:
    return server.url.replace("http", "ws", 1) + path


def opening(server: RunningServer, path: str = "/stt/live", key: str = KEY, **options: Any) -> connect:
    """A connection that `async with` opens."""
    headers = {"X-API-Key": key}
    return connect(live_address(server, path), additional_headers=headers, proxy=None, **options)


async def receive(socket: ClientConnection) -> dict[str, Any]:
    """The next message."""
    async with asyncio.timeout(20):
        message: dict[str, Any] = json.loads(await socket.recv())
    return message


async def receive_until(socket: ClientConnection, kind: str) -> list[dict[str, Any]]:
    """The messages up to the first of this type."""
    found = [await receive(socket)]
    while found[-1]["type"] != kind:
        found.append(await receive(socket))
    return found


def cut(socket: ClientConnection) -> None:
    """Break a connection without a close frame, as a network does."""
    socket.transport.abort()
