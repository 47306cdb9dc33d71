"""`WS /stt/live`: audio in while it is spoken, words out while it is spoken."""

import json
from typing import Any

from fastapi import APIRouter, WebSocket

from src.api.dependencies import Services
from src.api.live.connection import Connection, both, opened
from src.api.live.messages import Command, Start, message_of, options_of, parse, start_of
from src.api.live.pcm import PcmStream
from src.engines.base import STT_SAMPLE_RATE
from src.errors import InvalidInput, VozError
from src.services.live.session import LiveSession
from src.services.usage import Usage, UsageMeter

router = APIRouter()

_MAX_MESSAGE = 2**20
"""Bytes of audio in one message: 32 s at 16 kHz."""


@router.websocket("/stt/live")
async def live(socket: WebSocket) -> None:
    """See docs/live.md."""
    services: Services = socket.app.state.services
    async with opened(socket) as (connection, meter):
        try:
            await _Client(services, connection, meter, start_of(dict(socket.query_params))).serve()
        except VozError as error:
            await connection.send({"type": "error", "message": str(error)})
            raise


class _Client:
    def __init__(self, services: Services, connection: Connection, meter: UsageMeter, start: Start) -> None:
        self._services = services
        self._connection = connection
        self._meter = meter
        self._start = start
        self._first: str | bytes | None = None

    async def serve(self) -> None:
        """The whole conversation."""
        self._first = await self._connection.receive()
        if isinstance(self._first, str) and isinstance(message := parse(self._first), Start):
            self._start, self._first = message, b""
        engine = self._services.models.stt
        options = options_of(self._start, engine.info.languages, self._services.stt_languages)
        self._pcm = PcmStream(self._start.encoding, self._start.sample_rate)
        async with LiveSession(self._services.stt, options) as self._session:
            await self._connection.send({"type": "ready", "model": engine.info.model} | _shown(self._start))
            await both(self._read, self._write)
            await self._connection.send({"type": "usage", "seconds": round(self._session.seconds, 2)})
            await self._connection.send({"type": "closed"})

    async def _read(self) -> None:
        message = self._first
        while message is not None:
            if isinstance(message, bytes):
                await self._take(message)
            elif await self._obey(parse(message)):
                return
            message = await self._connection.receive()
        raise ConnectionResetError("the client has left")

    async def _take(self, data: bytes) -> None:
        if len(data) > _MAX_MESSAGE:
            raise InvalidInput(f"a message of audio may have {_MAX_MESSAGE} bytes at most")
        audio = self._pcm.push(data)
        self._meter.add(Usage(audio_seconds=len(audio) / STT_SAMPLE_RATE))
        await self._session.push(audio)

    async def _obey(self, message: Start | Command) -> bool:
        """Carry out a message; whether it was the last one."""
        match message:
            case Start():
                raise InvalidInput("`start` must be the first message")
            case Command(type="commit"):
                await self._session.commit()
            case Command(type="clear"):
                self._session.clear()
            case Command(type="ping"):
                await self._connection.send({"type": "pong"})
            case Command(type="stop"):
                await self._session.finish()
                return True
        return False

    async def _write(self) -> None:
        async for event in self._session:
            await self._connection.send(message_of(event, self._start.word_timestamps))


def _shown(start: Start) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(start.model_dump_json(exclude={"api_key", "type", "prompt"}))
    return shown
