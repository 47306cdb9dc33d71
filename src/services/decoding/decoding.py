"""Reads and checks the output of one decoder, which is not trusted."""

import asyncio
import contextlib
import logging
import re
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

import numpy as np

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.errors import InvalidInput, NotAudio, Overloaded, TooLarge
from src.observability.metrics import decoder_died
from src.services.decoding.forkserver import COULD_NOT_FORK
from src.services.decoding.frames import HEADER, MAX_AUDIO_BYTES, MAX_TEXT_BYTES, Kind

log = logging.getLogger(__name__)

_READ_BYTES = 128 * 1024
_BLOCKS_AT_ONCE = 8
_MAX_WARNINGS = 8
_NUMBER = re.compile(r"[0-9]{1,4}")
_COUNT = re.compile(r"[0-9]{1,15}")
_SECONDS = re.compile(r"[0-9]{1,8}\.[0-9]{2}")


class Decoding:
    """The audio of one file, as its decoder sends it. An async context manager: leaving it closes the socket.

    Args:
        connection: to the decoder, which has been given its file.
        max_seconds: more audio than this is not taken.
        exit_code: waits for the decoder's end and tells how it ended; None if that cannot be told.
        unconfined: called with what confinement the decoder lacks, if it lacks any.
        first_audio: called when the first audio has come.
    """

    def __init__(
        self,
        connection: socket.socket,
        max_seconds: float,
        exit_code: Callable[[], Awaitable[int | None]],
        unconfined: Callable[[str], None],
        first_audio: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._exit_code = exit_code
        self._unconfined = unconfined
        self._first_audio = first_audio
        self._begun = False
        self._most = max_seconds * STT_SAMPLE_RATE
        self._samples = 0
        self._data = bytearray()
        self._ended = False
        self._waits = False
        self._taken = 0
        self.warnings: list[str] = []
        """What a caller should know of the file. Complete at its end."""
        self.declared_seconds: float | None = None
        """Length of the audio as the file declares it, which may be wrong; known before the first audio."""
        self.track: int | None = None
        """The audio track that was read, from 1; known at the end."""
        self.tracks: int | None = None
        """Audio tracks of the file."""
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(
                sock=self._connection, limit=_READ_BYTES
            )
        except BaseException:
            self._connection.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Audio:
        """The next seconds of audio. Raises as `read` does."""
        blocks = await self.read()
        if not blocks:
            raise StopAsyncIteration
        return np.concatenate(blocks)

    async def read(self) -> list[Audio]:
        """The next blocks, of a second at the most, float32 of shape (n,); some seconds of them at the most.

        Returns:
            No block at all at the end.

        Raises:
            NotAudio: the file cannot be decoded, or its decoder reached a limit or crashed.
            InvalidInput: it has no such track.
            TooLarge: there is more audio than allowed.
            OSError: the upload could not be read.
            Overloaded: all decoders have ended; another try may succeed.
        """
        blocks: list[Audio] = []
        self._waits = False
        while not blocks and not self._ended and not self._waits:
            self._take(blocks)
            if blocks or self._ended or self._waits:
                break
            try:
                data = await self._reader.read(_READ_BYTES)
            except ConnectionError:
                data = b""
            if not data:
                raise await self._died()
            self._data += data
        return blocks

    async def read_of(self, count: int | None) -> AsyncIterator[Audio]:
        """The audio that is in the first `count` bytes of a stream and was not read before, in blocks.

        Args:
            count: number of bytes; None: the whole stream.

        Raises as `read` does.
        """
        while not self._ended and (count is None or self._taken < count):
            for block in await self.read():
                yield block

    def _take(self, blocks: list[Audio]) -> None:
        """Move whole frames from what was received to `blocks`."""
        while len(self._data) >= HEADER.size and len(blocks) < _BLOCKS_AT_ONCE and not self._waits:
            name, length = HEADER.unpack_from(self._data)
            try:
                kind = Kind(name)
            except ValueError:
                raise self._nonsense() from None
            if length > (MAX_AUDIO_BYTES if kind is Kind.AUDIO else MAX_TEXT_BYTES):
                raise self._nonsense()
            end = HEADER.size + length
            if len(self._data) < end:
                return
            content = bytes(self._data[HEADER.size : end])
            if blocks and kind is not Kind.AUDIO:
                return  # what was there before the end, or before it went wrong, is given first
            del self._data[:end]
            if kind is not Kind.AUDIO:
                self._say(kind, content.decode(errors="replace"))
                continue
            if length % 2:
                raise self._nonsense()
            if not self._begun:
                self._begun = True
                self._first_audio()
            samples = np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)
            self._samples += len(samples)
            if self._samples > self._most:
                raise TooLarge("the audio is longer than allowed (MAX_AUDIO_SECONDS)", "file")
            if len(samples):
                blocks.append(samples)

    def _say(self, kind: Kind, text: str) -> None:
        match kind:
            case Kind.HELLO:
                if text:
                    self._unconfined(text)
            case Kind.NOT_AUDIO:
                raise NotAudio(text)
            case Kind.INVALID:
                raise InvalidInput(text, "track")
            case Kind.TOO_LARGE:
                raise TooLarge(text, "file")
            case Kind.WARNING:
                if len(self.warnings) < _MAX_WARNINGS:
                    self.warnings.append(text)
            case Kind.LENGTH | Kind.TRACK | Kind.WAITS:
                self._learn(kind, text)
            case Kind.UNREADABLE:
                raise OSError(text)
            case Kind.FAILED:
                log.error("a decoder failed: %s", text)
                decoder_died("crash")
                raise NotAudio("the file cannot be decoded: the decoder failed on it")
            case _:
                self._ended = True

    def _learn(self, kind: Kind, text: str) -> None:
        """Take what the decoder says of the file or stream, if it is what a decoder may say."""
        if kind is Kind.WAITS and _COUNT.fullmatch(text):
            self._waits, self._taken = True, int(text)
            return
        if kind is Kind.LENGTH and _SECONDS.fullmatch(text):
            self.declared_seconds = float(text)
            return
        numbers = text.split()
        if kind is not Kind.TRACK or len(numbers) != 2 or not all(map(_NUMBER.fullmatch, numbers)):
            raise self._nonsense()
        self.track, self.tracks = map(int, numbers)

    def _nonsense(self) -> NotAudio:
        log.error("a decoder sent what no decoder sends; it was killed")
        decoder_died("crash")
        return NotAudio("the file cannot be decoded: the decoder failed on it")

    async def _died(self) -> NotAudio | Overloaded:
        """The error that explains why the decoder ended."""
        code = await self._exit_code()
        if code is None:
            return Overloaded("the decoder was stopped before it was done")
        if code == COULD_NOT_FORK:
            return Overloaded("no decoder could be started: memory or processes are short")
        reason, message = _judged(code)
        level = logging.WARNING if reason == "crash" else logging.INFO
        log.log(level, "a decoder process ended (%s)", ended_by(code))
        decoder_died(reason)
        return NotAudio(f"the file cannot be decoded: {message}")


def _judged(code: int) -> tuple[str, str]:
    """The reason for the metrics, and the message for the caller."""
    match -code:
        case signal.SIGPROF:
            return "stuck", "its decoder ran for too long without finding audio"
        case signal.SIGXCPU:
            return "cpu", "it takes far longer to decode than any recording should"
        case signal.SIGKILL:
            return "memory", "its decoder was killed, most likely because it took too much memory"
    return "crash", "it makes the decoder crash"


def ended_by(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
