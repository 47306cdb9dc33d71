"""Speakers of a live benchmark: audio in real time over the sockets of each server, and what comes back."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.live_report import Speaker
from benchmarks.speech import normalised

PIECE = 0.1
"""Seconds of audio in a message."""
RATE = 16_000
_READY_SECONDS = 300


class Client(Protocol):
    """A speaker's way to a server."""

    async def speak(self, audio: bytes, language: str) -> Speaker:
        """Send 16-bit mono audio of 16 kHz in real time, and note what comes back."""


def pieces(audio: bytes) -> list[bytes]:
    size = 2 * round(RATE * PIECE)
    return [audio[start : start + size] for start in range(0, len(audio), size)]


async def _feed(audio: bytes, begun: float, send: Callable[[bytes], Any], convert: bool = False) -> None:
    for number, piece in enumerate(pieces(audio), 1):
        # a piece can be sent when its last sample has been spoken
        await asyncio.sleep(max(0.0, begun + number * PIECE - time.monotonic()))
        samples = (np.frombuffer(piece, "<i2").astype("<f4") / 32768).tobytes() if convert else piece
        await send(samples)


@dataclass(frozen=True)
class Voz:
    """`WS /stt/live`."""

    url: str
    key: str

    async def speak(self, audio: bytes, language: str) -> Speaker:
        speaker, stable = Speaker(language), dict[str, str]()
        url = self.url.replace("http", "ws", 1) + f"/stt/live?language={language}&sample_rate={RATE}"
        async with connect(url, additional_headers={"X-API-Key": self.key}, proxy=None) as socket:
            begun = time.monotonic()
            feeding = asyncio.create_task(self._feed(socket, audio, begun))
            async for text in socket:
                _voz_says(speaker, json.loads(text), time.monotonic() - begun, stable)
            await feeding
        return speaker

    async def _feed(self, socket: ClientConnection, audio: bytes, begun: float) -> None:
        await _feed(audio, begun, socket.send)
        await socket.send('{"type": "stop"}')


def _voz_says(speaker: Speaker, message: dict[str, Any], now: float, stable: dict[str, str]) -> None:
    match message["type"]:
        case "speech_started":
            speaker.utterances += 1
        case "partial":
            speaker.lags.append(message["lag"])
            stable[message["item_id"]] = message["text"]
            speaker.told(message["delta"], now, message["item_id"])
        case "final":
            speaker.completed(message["text"], stable.pop(message["item_id"], ""))
            speaker.told(message["delta"], now, message["item_id"])
        case "error":
            raise SystemExit(message["message"])


class _Growing:
    """Words of a text that a server sends whole each time."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._known: list[str] = []

    def now(self, text: str, at: float) -> None:
        """What is behind the words that were there is new; changes of those are not looked for."""
        words = normalised(self._speaker.language, text).split()
        self._speaker.told(" ".join(words[len(self._known) :]), at)
        self._known = max(self._known, words, key=len)


@dataclass(frozen=True)
class WhisperLiveKit:
    """`/asr` of WhisperLiveKit with `--pcm-input`: its lines are taken as stable, its buffer is not."""

    url: str

    async def speak(self, audio: bytes, language: str) -> Speaker:
        speaker = Speaker(language)
        growing = _Growing(speaker)
        async with connect(f"{self.url}/asr", proxy=None, max_size=None) as socket:
            await asyncio.wait_for(socket.recv(), _READY_SECONDS)
            begun = time.monotonic()
            feeding = asyncio.create_task(self._feed(socket, audio, begun))
            async for text in socket:
                message = json.loads(text)
                if message.get("type") == "ready_to_stop":
                    break
                lines = " ".join(line.get("text") or "" for line in message.get("lines", ()))
                growing.now(lines, time.monotonic() - begun)
            await feeding
        return speaker

    async def _feed(self, socket: ClientConnection, audio: bytes, begun: float) -> None:
        await _feed(audio, begun, socket.send)
        await socket.send(b"")


@dataclass(frozen=True)
class WhisperLive:
    """WhisperLive's socket: segments that it says to be completed are taken as stable."""

    url: str
    model: str

    async def speak(self, audio: bytes, language: str) -> Speaker:
        speaker = Speaker(language)
        growing = _Growing(speaker)
        async with connect(self.url, proxy=None, max_size=None) as socket:
            options = {
                "uid": str(uuid.uuid4()),
                "language": language,
                "task": "transcribe",
                "model": self.model,
                "use_vad": True,
            }
            await socket.send(json.dumps(options))
            while json.loads(await asyncio.wait_for(socket.recv(), _READY_SECONDS)).get("message") != (
                "SERVER_READY"
            ):
                pass
            begun = time.monotonic()
            feeding = asyncio.create_task(self._feed(socket, audio, begun))
            completed: dict[str, str] = {}
            async for text in socket:
                message = json.loads(text)
                for one in message.get("segments", ()):
                    if one.get("completed"):
                        completed[one["start"]] = one["text"]
                growing.now(" ".join(completed.values()), time.monotonic() - begun)
            await feeding
        return speaker

    async def _feed(self, socket: ClientConnection, audio: bytes, begun: float) -> None:
        await _feed(audio, begun, socket.send, convert=True)
        await asyncio.sleep(5)  # it answers nothing that comes after the end
        await socket.send(b"END_OF_AUDIO")
