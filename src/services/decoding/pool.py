"""The pool of decoder processes: one process per file, forked in advance.

A decoder serves one file and ends, so a file cannot affect the next one. Some decoders are forked in advance
and wait. Reading from a decoder is asynchronous and needs no thread. If its audio is not read, the decoder
blocks when it is some seconds ahead.
"""

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import BinaryIO, Self

from src.errors import Overloaded, StartupError
from src.observability.metrics import decoder_died
from src.services.audio.stream import Container
from src.services.decoding.control import ForkServer
from src.services.decoding.decoder import cpu_seconds
from src.services.decoding.decoding import Decoding, ended_by
from src.services.decoding.frames import JOB
from src.services.decoding.stream import StreamDecoding
from src.services.decoding.upload import descriptor_of

log = logging.getLogger(__name__)

_WAIT_SECONDS = 5.0
_PAUSE_SECONDS = 0.5
"""Seconds between two attempts to start a process that died by itself."""
_FULL_SECONDS = 0.01
"""Seconds between two attempts to fork while hundreds of commands are on their way to the fork server."""
_SILENT_SECONDS = 0.1
"""Seconds at full priority for a decoder that has sent no audio: many times what a clip needs."""
_LONG_SECONDS = 1.0
"""Seconds after which a decoder that sends audio is taken to decode a long file."""
_NICE = 10
"""Priority (as `nice` counts) of decoders that send no audio and of those with long files. An engine's thread
then gets ten times as much of a core, and a long file is still decoded faster than the engine reads it."""


class Decoders:
    """All decoders of this process. An async context manager: leaving it ends every one of them.

    Args:
        spares: decoders that are forked ahead.
        most: decoders at work at a time; more files wait for one.
        max_seconds: of audio in a file; bounds the CPU time that one may take.
        stream_seconds: longest stream; None: as a file.
    """

    def __init__(
        self, spares: int, most: int, max_seconds: float, stream_seconds: float | None = None
    ) -> None:
        self._wanted = spares
        self._places = asyncio.Semaphore(most)
        self._stream_seconds = stream_seconds or max_seconds
        limits = cpu_seconds(max_seconds), cpu_seconds(self._stream_seconds)
        self._server = ForkServer(*limits, self._on_exit, self._on_gone)
        self._up = asyncio.Event()
        self._turn = asyncio.Lock()
        """Whoever has it tells the fork server next."""
        self._spares: deque[tuple[int, socket.socket]] = deque()
        self._exits: dict[int, asyncio.Future[int | None]] = {}
        self._last = 0
        self._restarting: asyncio.Task[None] | None = None
        self._refilling: asyncio.TimerHandle | None = None
        self._warned = False

    async def __aenter__(self) -> Self:
        """Start them.

        Raises:
            StartupError: the process that decoders are forked from does not start.
        """
        try:
            await self._start()
        except BaseException:
            await self._server.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.gather(self._restarting, return_exceptions=True)
        self._let_go()
        await self._server.close()

    @property
    def pid(self) -> int | None:
        """Id of the process that decoders are forked from."""
        return self._server.pid

    @asynccontextmanager
    async def decode(
        self, file: BinaryIO, max_seconds: float, track: int | None = None, *, whole_only: bool = False
    ) -> AsyncIterator[Decoding]:
        """Decode a file; leaving the block kills the decoder, wherever it is.

        Args:
            file: seekable, positioned anywhere. It is not closed, and may be as soon as the block is entered.
            max_seconds: more audio than this is refused.
            track: the audio track to read, from 1; None: the default one, or the loudest if that is silent.
            whole_only: refuse a file that is cut off; else it is read as far as it goes, with a warning.

        Raises:
            Overloaded: no decoder could be started.
        """
        loop = asyncio.get_running_loop()
        async with self._places:
            number, connection = await self._take()
            give_way = loop.call_later(_SILENT_SECONDS, self._server.lower, number, _NICE)

            def first_audio() -> None:
                nonlocal give_way
                give_way.cancel()
                give_way = loop.call_later(_LONG_SECONDS, self._server.lower, number, _NICE)

            try:
                # if it has just died, reading from it tells why
                job = JOB.pack(max_seconds, track or 0, whole_only, b"")
                with contextlib.suppress(ConnectionError), descriptor_of(file) as descriptor:
                    socket.send_fds(connection, [job], [descriptor])
                async with Decoding(
                    connection,
                    max_seconds,
                    lambda: self._exit_code(number),
                    self._unconfined,
                    first_audio,
                ) as decoding:
                    yield decoding
            finally:
                give_way.cancel()
                connection.close()
                self._forget(number)
                self._refill()  # not before: a short file need not share its core with the fork

    @asynccontextmanager
    async def follow(self, container: Container) -> AsyncIterator[StreamDecoding]:
        """Decode a stream while it is made; leaving the block kills the decoder.

        Raises:
            Overloaded: no decoder could be started.
        """
        ours, theirs = socket.socketpair()
        with ours, contextlib.ExitStack() as held:
            with theirs:
                number, connection = await self._new(follows=True)
                held.callback(self._forget, number)
                held.callback(connection.close)
                job = JOB.pack(self._stream_seconds, 0, False, container.value.encode())
                with contextlib.suppress(ConnectionError):
                    socket.send_fds(connection, [job], [theirs.fileno()])
            decoding = Decoding(
                connection, self._stream_seconds, lambda: self._exit_code(number), self._unconfined, _nothing
            )
            async with decoding, StreamDecoding(decoding, ours) as stream:
                yield stream

    async def _start(self) -> None:
        await self._server.start()
        self._up.set()
        self._refill()

    async def _take(self) -> tuple[int, socket.socket]:
        return self._spares.popleft() if self._spares else await self._new()

    async def _new(self, *, follows: bool = False) -> tuple[int, socket.socket]:
        """Fork a decoder as soon as the fork server can be told to: who came first is the first."""
        while True:
            await self._wait_until_up()
            async with self._turn:
                while self._up.is_set():
                    try:
                        return self._fork(follows=follows)
                    except BlockingIOError:  # it is busy, and will have room
                        await asyncio.sleep(_FULL_SECONDS)
                    except OSError as error:
                        raise Overloaded("audio cannot be decoded at the moment") from error

    async def _wait_until_up(self) -> None:
        try:
            await asyncio.wait_for(self._up.wait(), _WAIT_SECONDS)
        except TimeoutError:
            raise Overloaded("audio cannot be decoded at the moment") from None

    def _refill(self) -> None:
        self._refilling = None
        while self._up.is_set() and len(self._spares) < self._wanted:
            try:
                self._spares.append(self._fork())
            except OSError:
                self._refill_later()
                return

    def _refill_later(self) -> None:
        if self._refilling is None:
            self._refilling = asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._refill)

    def _fork(self, *, follows: bool = False) -> tuple[int, socket.socket]:
        self._last += 1
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            try:
                self._server.fork(self._last, theirs, follows=follows)
            except OSError:
                ours.close()
                raise
        self._exits[self._last] = asyncio.get_running_loop().create_future()
        return self._last, ours

    def _forget(self, number: int) -> None:
        """End a decoder if it has not ended."""
        exited = self._exits.pop(number, None)
        if exited is not None and not exited.done():
            self._server.kill(number)

    async def _exit_code(self, number: int) -> int | None:
        """The exit code of a decoder; None if it is unknown, because the fork server ended."""
        exited = self._exits.get(number)
        if exited is None:
            return None
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(exited), _WAIT_SECONDS)
        return None

    def _unconfined(self, lacking: str) -> None:
        if not self._warned:
            self._warned = True
            log.warning("decoder processes have limits, but can open files and sockets: %s", lacking)

    def _on_exit(self, number: int, code: int) -> None:
        exited = self._exits.get(number)
        if exited is not None and not exited.done():
            exited.set_result(code)
        spare = next((spare for spare in self._spares if spare[0] == number), None)
        if spare is None:
            return
        self._spares.remove(spare)
        del self._exits[number]
        spare[1].close()
        log.warning("a decoder process ended while it waited for a file (%s)", ended_by(code))
        decoder_died("idle")
        self._refill_later()  # not now, or one that cannot live would be forked without end

    def _on_gone(self) -> None:
        """Handle the end of the process that decoders are forked from, and of all decoders with it."""
        log.error("the process that decoders are forked from has ended; it is started again")
        decoder_died("server")
        self._let_go()
        self._restarting = asyncio.get_running_loop().create_task(self._restart())

    async def _restart(self) -> None:
        while True:
            await self._server.close()
            try:
                await self._start()
            except (StartupError, OSError) as error:
                log.error("%s", error)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return

    def _let_go(self) -> None:
        self._up.clear()
        if self._refilling is not None:
            self._refilling.cancel()
            self._refilling = None
        for _, connection in self._spares:
            connection.close()
        self._spares.clear()
        for exited in self._exits.values():
            if not exited.done():
                exited.set_result(None)
        self._exits.clear()


def _nothing() -> None:
    pass
