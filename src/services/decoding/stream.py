"""The server's side of a stream that is decoded while it is made."""

import asyncio
import socket
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from src.engines.base import Audio
from src.services.decoding.decoding import Decoding


class StreamDecoding:
    """Gives bytes to a decoder and takes the audio that is in them. An async context manager.

    Args:
        decoding: of the decoder; entered already.
        connection: to the descriptor from which the decoder reads.
    """

    def __init__(self, decoding: Decoding, connection: socket.socket) -> None:
        self._decoding = decoding
        self._connection = connection
        self._given = 0
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self._connection.setblocking(False)
        _, self._writer = await asyncio.open_unix_connection(sock=self._connection)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # what the decoder has not taken would keep a closed descriptor in the event loop
        self._writer.transport.abort()

    def push(self, data: bytes) -> AsyncIterator[Audio]:
        """The audio that has become whole by these bytes, in blocks of a second at most. One call at a time.

        A few bytes may hold an hour of silence. So audio that is not taken stays in the decoder, which waits.

        Yields:
            Samples, float32 of shape (n,).

        Raises:
            NotAudio: the stream is broken, or its decoder reached a limit or crashed.
            TooLarge: the stream is longer than allowed.
            Overloaded: all decoders have ended.
        """
        self._given += len(data)
        self._writer.write(data)
        return self._decoding.read_of(self._given)

    def finish(self) -> AsyncIterator[Audio]:
        """The rest, at the end of the stream. Raises as `push` does."""
        self._writer.write_eof()
        return self._decoding.read_of(None)
