"""Ends a process whose engine has died, so that its supervisor starts a new one.

`/health/ready` fails at once, because it asks the engines itself. This module stops the process: requests in
flight have SHUTDOWN_TIMEOUT to end, engines and storage are closed, and the exit code reports a failure.
gunicorn then starts a new worker. Under uvicorn alone, the restart policy of Docker or systemd does.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from src.api.graceful_shutdown import GracefulShutdown
from src.engines.base import Engine

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5


@asynccontextmanager
async def watching(engines: Mapping[str, Engine], shutdown: GracefulShutdown) -> AsyncIterator[None]:
    """Stop the process as soon as one of the engines is not alive, while the block runs."""
    task = asyncio.create_task(_watch(engines, shutdown))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(engines: Mapping[str, Engine], shutdown: GracefulShutdown) -> None:
    dead: list[str] = []
    while not dead:
        await asyncio.sleep(_LOOK_SECONDS)
        dead = [name for name, engine in engines.items() if not engine.load.alive]
    log.critical("%s has stopped: this process ends, so that a new one is started", " and ".join(dead))
    shutdown.fail()
