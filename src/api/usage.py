"""What a request uses, on its way from a service to the limits and the log."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import HTTPConnection

from src.observability.telemetry import note
from src.services.usage import UsageMeter


@contextmanager
def metered(connection: HTTPConnection) -> Iterator[UsageMeter]:
    """A meter for the block. What it shows at the end is charged to the key, wherever the block is left.

    Enter it around the use of a service, inside the generator of a streamed answer: a request that follows
    the answer then finds it counted.
    """
    meter = UsageMeter()
    try:
        yield meter
    finally:
        usage = meter.usage
        if usage.audio_seconds:
            note(audio_seconds=round(usage.audio_seconds, 2))
        if usage.characters:
            note(characters=usage.characters)
        # only for a key that is limited (api/middleware/rate_limit.py)
        charge = connection.scope["state"].get("charge")
        if charge is not None:
            charge(usage.audio_seconds)
