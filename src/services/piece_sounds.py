"""The sound of one piece of a text, as the engine has it ready."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from src.engines.base import EarlySound, OnEarlySound, Utterance
from src.services.text import Piece

Speak = Callable[[OnEarlySound], Awaitable[Utterance]]


class PieceSounds:
    """Early sounds of a piece, then the whole of it. Iterate over it once.

    Args:
        piece: of the text.
        speak: speaks it, and calls its argument with sound that is ready early. It begins at once.
    """

    def __init__(self, piece: Piece, speak: Speak) -> None:
        self.piece = piece
        self._early: deque[EarlySound] = deque()
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._speak(speak))
        self._task.add_done_callback(lambda _: self._changed.set())

    async def _speak(self, speak: Speak) -> Utterance:
        return await speak(self._take)

    def _take(self, sound: EarlySound) -> None:
        self._early.append(sound)
        self._changed.set()

    async def begun(self) -> None:
        """Return when there is the first sound. Raise what the engine raised instead."""
        await self._changed.wait()
        if self._task.done() and not self._early:
            self._task.result()

    async def ended(self) -> None:
        """Return when the piece is whole, or has failed."""
        await asyncio.wait([self._task])

    async def __aiter__(self) -> AsyncIterator[EarlySound | Utterance]:
        while True:
            while self._early:
                yield self._early.popleft()
            if self._task.done():
                yield self._task.result()
                return
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Stop what is still being made."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
