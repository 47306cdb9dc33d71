"""Reports the usage of a request to its rate limit and its log line."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import HTTPConnection

from src.observability.telemetry import annotate
from src.services.usage import UsageMeter


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
