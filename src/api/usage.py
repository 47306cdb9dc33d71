"""Reports the usage of a request to its rate limit and its log line."""

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from starlette.requests import HTTPConnection

from src.observability.telemetry import annotate
from src.services.usage import UsageMeter

_STEP_SECONDS = 10.0
"""Seconds of a live session after which its key is charged, and checked."""


@contextmanager
def metered(connection: HTTPConnection) -> Iterator[UsageMeter]:
    """A usage meter for the block. Its total is counted for the key, however the block ends.

    Enter it around the use of a service, inside the generator of a streamed answer: a request that follows
    the answer then finds it counted.
    """
    meter = UsageMeter()
    try:
        yield meter
    finally:
        usage = meter.usage
        if usage.audio_seconds:
            annotate(audio_seconds=round(usage.audio_seconds, 2))
        if usage.characters:
            annotate(characters=usage.characters)
        # only for a key that is limited (api/middleware/rate_limit.py)
        consume_audio = connection.scope["state"].get("consume_audio")
        if consume_audio is not None:
            consume_audio(usage.audio_seconds)


class LiveUsage:
    """The audio of a live session, which is counted for its key while it is spoken."""

    def __init__(self, connection: HTTPConnection) -> None:
        state = connection.scope["state"]
        # only for a key that is limited
        self._consume: Callable[[float], None] | None = state.get("consume_audio")
        self._check: Callable[[], Awaitable[None]] | None = state.get("check_audio")
        self._seconds = self._counted = 0.0

    async def add(self, seconds: float) -> None:
        """Add to the usage.

        Raises:
            RateLimited: the key has no seconds left.
        """
        self._seconds += seconds
        if self._check is not None and self._seconds - self._counted >= _STEP_SECONDS:
            self._count(math.floor(self._seconds))
            await self._check()

    def end(self) -> None:
        """Count the rest, and log the whole."""
        if self._seconds:
            annotate(audio_seconds=round(self._seconds, 2))
        self._count(self._seconds)

    def _count(self, seconds: float) -> None:
        if self._consume is not None:
            self._consume(seconds - self._counted)
        self._counted = seconds


@contextmanager
def metered_live(connection: HTTPConnection) -> Iterator[LiveUsage]:
    """The usage of a live session in the block; it is counted however the block ends."""
    usage = LiveUsage(connection)
    try:
        yield usage
    finally:
        usage.end()
