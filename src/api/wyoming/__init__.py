"""The Wyoming protocol of Home Assistant: speech to text and text to speech over TCP, streamed both ways.

The protocol has no authentication. So the port is closed unless WYOMING_PORT opens it, and it listens on the
loopback address unless WYOMING_HOST says otherwise.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from src.api.dependencies import Services


@asynccontextmanager
async def serving(services: Services, host: str, port: int, version: str) -> AsyncIterator[None]:
    """Serve while the block runs. Port 0: nothing is opened, nor imported."""
    if not port:
        yield
        return
    from src.api.wyoming.server import listening

    async with listening(services, host, port, version):
        yield
