"""Messages to the client of a live session, numbered and kept for a connection that comes later."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from src.errors import InvalidInput, TooSlow

_MAX_MESSAGES = 1000
_MAX_BYTES = 256 * 1024


class Outbox:
    """The last messages of a session: those that wait to be sent, and some that were sent.

    What was sent may have been lost with its connection, so it can be sent again. The bounds hold for both
    together: the oldest that were sent are forgotten.

    Args:
        most: messages.
        most_bytes: of all messages. The newest is kept whatever its size.
    """

    def __init__(self, most: int = _MAX_MESSAGES, most_bytes: int = _MAX_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._texts: deque[str] = deque()
        self._bytes = 0
        self._last = 0
        self._sent = 0
        self._closed = False
        self._news = asyncio.Event()

    def put(self, message: dict[str, Any]) -> None:
        """Add a message; it gets the next number as `seq`.

        Raises:
            TooSlow: the client does not read, and no more messages can wait.
        """
        self._last += 1
        text = json.dumps(message | {"seq": self._last}, ensure_ascii=False, separators=(",", ":"))
        self._texts.append(text)
        self._bytes += len(text)
        self._news.set()
        while len(self._texts) > self._most or (self._bytes > self._most_bytes and len(self._texts) > 1):
            if self._first > self._sent:
                raise TooSlow("the client does not read what it is sent")
            self._bytes -= len(self._texts.popleft())

    def put_last(self, message: dict[str, Any]) -> None:
        """Add the last message. If there is no room, the oldest that wait are lost."""
        self._sent = self._last
        self.put(message)
        self.close()

    def close(self) -> None:
        """There will be no more messages."""
        self._closed = True
        self._news.set()

    def check(self, seen: int) -> None:
        """Check that a client that has seen the message `seen` and all before can be sent the rest.

        Raises:
            InvalidInput: messages after it are forgotten, or it was never sent.
        """
        if not self._first - 1 <= seen <= self._last:
            raise InvalidInput(f"seq: the messages after {seen} are not kept any more", "seq")

    async def after(self, seen: int) -> AsyncIterator[str]:
        """The messages after number `seen` as they come, until the last one. For one reader at a time."""
        while True:
            while seen < self._last:
                seen = max(seen, self._first - 1) + 1
                yield self._texts[seen - self._first]
                self._sent = max(self._sent, seen)
            if self._closed:
                return
            self._news.clear()
            await self._news.wait()

    @property
    def _first(self) -> int:
        """Number of the oldest message that is kept; of the next one if there is none."""
        return self._last - len(self._texts) + 1
