"""A live session of `/stt/live`, which outlives the connections of its client."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from src.api.errors import log_failure
from src.api.live.audio_input import AudioInput
from src.api.live.connection import Connection, Left, both
from src.api.live.messages import Command, error_message, message_of, parse
from src.api.live.outbox import Outbox
from src.api.usage import LiveUsage
from src.engines.base import STT_SAMPLE_RATE, Audio
from src.errors import InvalidInput, TooLarge, VozError
from src.services.live.session import LiveSession

_MAX_MESSAGE = 2**20
"""Bytes of audio in one message: 32 s at 16 kHz."""
_MAX_WAITING = 2
"""Messages that wait for the session; a client that sends faster must wait."""
_REPLACED = 4000
"""Close code of a connection whose session another connection took over."""
_TICK = 0.25


class Conversation:
    """What a client has sent and is to be sent, whatever connection it has at the moment, if any.

    Args:
        live: the session; not entered yet.
        audio: converts the binary messages.
        usage: of the session.
        words: whether the times of words were asked for.
        key_name: of the key that opened it; another key cannot take it over.
        until: time of the event loop at which it must be over.
    """

    def __init__(
        self,
        live: LiveSession,
        audio: AudioInput,
        usage: LiveUsage,
        *,
        words: bool,
        key_name: str,
        until: float,
    ) -> None:
        self.id = secrets.token_urlsafe(18)
        self.key_name = key_name
        self.until = until
        self.outbox = Outbox()
        self.left = False
        """Whether the client has closed its connection as one does who does not come back."""
        self._live = live
        self._audio = audio
        self._usage = usage
        self._words = words
        self._inbox: asyncio.Queue[bytes | Command | VozError] = asyncio.Queue(_MAX_WAITING)
        self._received = self._commands = 0
        self._stopped = False
        self._failure: Exception | None = None
        self._running: asyncio.Task[None] | None = None
        self._exchange: asyncio.Task[None] | None = None
        self._alone_since = 0.0

    @property
    def over(self) -> bool:
        """Whether there is nothing more to be done for the session."""
        return self.left or (self._running is not None and self._running.done())

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself, so that its last messages may still be fetched."""
        running = self._running
        return running is not None and running.done() and not running.cancelled() and not self.left

    @property
    def progress(self) -> dict[str, int]:
        """How much of what the client sent has come: bytes of audio, and commands other than `ping`."""
        return {"received": self._received, "commands": self._commands}

    async def serve(self, connection: Connection, resumable: float, stopping: Callable[[], bool]) -> None:
        """Run the session: on this connection, then on those that take it over (`talk`).

        Args:
            connection: the first one.
            resumable: seconds for which the session waits for its client when a connection is broken.
            stopping: whether the server stops; then it does not wait.
        """
        self._running = asyncio.create_task(self._run())
        try:
            await self.talk(connection)
            while not self.over and not self._abandoned(resumable, stopping()):
                await asyncio.wait({self._running}, timeout=_TICK)
        finally:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def talk(self, connection: Connection, seen: int | None = None) -> None:
        """Serve a connection until it ends or another one takes the session over; then it is closed.

        Args:
            connection: of the client.
            seen: number of the last message that the client has, if it had another connection before.

        Raises:
            InvalidInput: the messages after it are forgotten. The session goes on.
        """
        if seen is not None:
            self.outbox.check(seen)
        while (before := self._exchange) is not None:  # again if a third connection was quicker
            before.cancel()
            await asyncio.gather(before, return_exceptions=True)
            if self._exchange is before:
                self._exchange = None
        exchange = self._exchange = asyncio.create_task(self._talk(connection, seen))
        try:
            await asyncio.wait({exchange})
        finally:
            exchange.cancel()
            await asyncio.gather(exchange, return_exceptions=True)
            if self._exchange is exchange:
                self._exchange = None
                self._alone_since = asyncio.get_running_loop().time()
        if exchange.cancelled():
            await connection.close(_REPLACED, "another connection has taken the session over")
            return
        match exchange.exception():
            case None:
                await connection.end(self._failure)
            case Left():
                self.left = True
            case VozError() as error:  # it does not read
                self._abort(error)
                await connection.end(error)
            case ConnectionResetError():
                return
            case error:
                raise error

    def _abandoned(self, resumable: float, stopping: bool) -> bool:
        if self._exchange is not None:
            return False
        return stopping or asyncio.get_running_loop().time() - self._alone_since >= resumable

    async def _talk(self, connection: Connection, seen: int | None) -> None:
        if seen is not None:
            await connection.send({"type": "resumed", **self.progress})
        await both(lambda: self._read(connection), lambda: self._write(connection, seen or 0))

    async def _read(self, connection: Connection) -> None:
        try:
            while True:
                await self._take(connection, await connection.receive())
        except VozError as error:
            await self._inbox.put(error)

    async def _take(self, connection: Connection, message: str | bytes) -> None:
        # nothing is awaited between `put` and the count: what is in the inbox is always counted
        if isinstance(message, bytes):
            if len(message) > _MAX_MESSAGE:
                raise TooLarge(f"a message has more than {_MAX_MESSAGE} bytes")
            if not self._stopped:
                await self._inbox.put(message)
                self._received += len(message)
            return
        command = parse(message)
        if not isinstance(command, Command):
            raise InvalidInput(f"`{command.type}` must be the first message")
        if command.type == "ping":
            with suppress(ConnectionResetError):  # the next message tells how it ended
                await connection.send({"type": "pong", **self.progress})
        elif not self._stopped:
            await self._inbox.put(command)
            self._commands += 1
            self._stopped = command.type == "stop"

    async def _write(self, connection: Connection, seen: int) -> None:
        try:
            async for text in self.outbox.after(seen):
                await connection.send_text(text)
        except ConnectionResetError:
            await asyncio.sleep(_TICK)  # the reader knows how it ended
            raise

    async def _run(self) -> None:
        """Feed the session and take its events, to its end or its failure."""
        try:
            async with self._audio, self._live:
                await both(self._feed, self._tell)
            self._put({"type": "usage", "seconds": round(self._live.seconds, 2)})
            self._put({"type": "closed"})
        except Exception as error:
            self._abort(error)
        finally:
            self.outbox.close()

    def _abort(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
            log_failure(error)
            self.outbox.put_last(error_message(error))
            if self._running is not None and self._running is not asyncio.current_task():
                self._running.cancel()

    async def _feed(self) -> None:
        while True:
            match await self._inbox.get():
                case bytes(data):
                    await self._push(self._audio.push(data))
                case Command(type="commit"):
                    await self._live.commit()
                case Command(type="clear"):
                    self._live.clear()
                case Command(type="stop"):
                    await self._push(self._audio.finish())
                    await self._live.finish()
                    return
                case VozError() as error:
                    raise error

    async def _push(self, blocks: AsyncIterator[Audio]) -> None:
        async for audio in blocks:
            await self._usage.add(len(audio) / STT_SAMPLE_RATE)
            await self._live.push(audio)

    async def _tell(self) -> None:
        async for event in self._live:
            self._put(message_of(event, self._words))

    def _put(self, message: dict[str, Any]) -> None:
        self.outbox.put(message | {"received": self._received})
