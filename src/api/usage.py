"""What a request uses, on its way from a service to the limits and the log."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import HTTPConnection

from src.observability.telemetry import annotate
from src.services.usage import UsageMeter


@contextmanager
def metered(connection: HTTPConnection) -> Iterator[UsageMeter]:
    """A meter for the block. What it shows at the end is counted for the key, wherever the block is left.

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
