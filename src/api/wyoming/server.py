"""The Wyoming server: one task for each connection."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped

from src.api.dependencies import Services
from src.api.wyoming.description import info
from src.api.wyoming.speaker import Speaker
from src.api.wyoming.transcriber import Transcriber
from src.errors import VozError
from src.observability.telemetry import begin_request
from src.processes.workers import is_worker

log = logging.getLogger(__name__)

_MAX_CONNECTIONS = 64
_IDLE_SECONDS = 600.0
"""Home Assistant keeps no connection open; a satellite that is silent for so long is gone."""


@asynccontextmanager
async def listening(services: Services, host: str, port: int, version: str) -> AsyncIterator[None]:
    """Serve while the block runs."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(tasks) >= _MAX_CONNECTIONS:
            writer.close()
            return
        tasks.add(task)
        try:
            await _Client(services, reader, writer, version).serve()
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError, ValueError):
            pass  # the client has left, or speaks another protocol
        finally:
            tasks.discard(task)
            writer.close()

    # the workers of one machine share the port; a single process is told if another program has it
    server = await asyncio.start_server(connected, host, port, reuse_port=is_worker() or None)
    log.info("Wyoming listens on %s", ", ".join(str(one.getsockname()) for one in server.sockets))
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Client:
    def __init__(
        self,
        services: Services,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        version: str,
    ) -> None:
        self._services = services
        self._reader = reader
        self._writer = writer
        self._version = version
        self._lock = asyncio.Lock()
        self._transcriber: Transcriber | None = None
        self._request = Transcribe()
        self._telling: asyncio.Task[None] | None = None
        self._speaker: Speaker | None = None

    async def serve(self) -> None:
        """Answer events until the client leaves."""
        begin_request(secrets.token_hex(8))
        async with AsyncExitStack() as stack:
            self._stack = stack
            while (event := await self._next()) is not None:
                try:
                    await self._obey(event)
                except VozError as error:
                    await self._reset()
                    await self._write(Error(text=str(error), code=type(error).__name__).event())
            await self._reset()

    async def _next(self) -> Event | None:
        async with asyncio.timeout(_IDLE_SECONDS):
            return await async_read_event(self._reader)

    async def _write(self, event: Event) -> None:
        async with self._lock:
            await async_write_event(event, self._writer)

    async def _reset(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        self._transcriber = self._telling = self._speaker = None
        await self._stack.aclose()

    async def _obey(self, event: Event) -> None:
        if Describe.is_type(event.type):
            voices = self._services.models.tts.voices
            await self._write(info(self._services.models.stt.info, voices, self._version).event())
        elif Ping.is_type(event.type):
            await self._write(Pong(text=Ping.from_event(event).text).event())
        elif Transcribe.is_type(event.type):
            self._request = Transcribe.from_event(event)
        elif AudioChunk.is_type(event.type):
            await self._hear(AudioChunk.from_event(event))
        elif AudioStop.is_type(event.type):
            await self._end_of_audio()
        else:
            await self._say(event)

    async def _hear(self, chunk: AudioChunk) -> None:
        if self._transcriber is None:
            self._transcriber = await self._stack.enter_async_context(
                Transcriber(self._services, self._request, self._write)
            )
            self._telling = asyncio.create_task(self._transcriber.tell())
        await self._transcriber.take(chunk)

    async def _end_of_audio(self) -> None:
        if self._transcriber is None or self._telling is None:
            return
        await self._transcriber.finish()
        await self._telling
        await self._reset()

    async def _say(self, event: Event) -> None:
        if SynthesizeStart.is_type(event.type):
            self._speaker = Speaker(self._services, SynthesizeStart.from_event(event).voice, self._write)
        elif SynthesizeChunk.is_type(event.type) and self._speaker is not None:
            await self._speaker.add(SynthesizeChunk.from_event(event).text)
        elif SynthesizeStop.is_type(event.type) and self._speaker is not None:
            await self._speaker.finish()
            self._speaker = None
            await self._write(SynthesizeStopped().event())
        elif Synthesize.is_type(event.type) and self._speaker is None:
            # inside a stream it repeats the whole text, for servers that do not stream
            request = Synthesize.from_event(event)
            await Speaker(self._services, request.voice, self._write).speak(request.text)
