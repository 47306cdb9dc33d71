"""What a live session has sent and its server has not acknowledged, so that it can be sent again."""

from collections import deque
from dataclasses import dataclass

MAX_BYTES = 4 * 2**20
"""Two minutes of 16-bit audio at 16 kHz."""


@dataclass(slots=True)
class _Sent:
    content: bytes | str
    """Audio, or a command."""
    at: int
    """Bytes of audio that were sent before."""
    number: int
    """Number of a command, from 1; 0: audio."""


class Unacknowledged:
    """Audio and commands in the order in which they were sent.

    Args:
        most: bytes of audio that are kept; the oldest are given up beyond.
    """

    def __init__(self, most: int = MAX_BYTES) -> None:
        self._most = most
        self._items: deque[_Sent] = deque()
        self._kept = 0
        self.sent = 0
        """Bytes of audio that were sent."""
        self._commands = 0

    def add(self, message: bytes | str) -> None:
        """Add audio, or a command."""
        if isinstance(message, str):
            self._commands += 1
            self._items.append(_Sent(message, self.sent, self._commands))
            return
        self._items.append(_Sent(message, self.sent, 0))
        self.sent += len(message)
        self._kept += len(message)
        while self._kept > self._most:
            self._drop()

    def acknowledge(self, received: int, commands: int | None = None) -> None:
        """Forget what the server has.

        Args:
            received: bytes of audio that it has.
            commands: number of commands; None: those before that audio.
        """
        while self._items:
            first = self._items[0]
            if isinstance(first.content, str):
                known = first.number <= commands if commands is not None else first.at < received
                if not known:
                    return
                self._items.popleft()
                continue
            if first.at >= received:
                return
            if first.at + len(first.content) > received:
                cut = received - first.at
                self._kept -= cut
                self._items[0] = _Sent(first.content[cut:], received, 0)
                return
            self._drop()

    def rest(self, received: int) -> list[bytes | str] | None:
        """What is to be sent again to a server that has `received` bytes of audio and was acknowledged so;
        None if some of it is not kept any more."""
        first = next((item for item in self._items if not item.number), None)
        if (first.at if first else self.sent) > received:
            return None
        return [item.content for item in self._items]

    def _drop(self) -> None:
        dropped = self._items.popleft()
        if not dropped.number:
            self._kept -= len(dropped.content)
