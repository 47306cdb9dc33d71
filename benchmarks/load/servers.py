"""Starts both servers as processes of their own, on free ports, and ends them."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from tests.support.ports import free_port

KEY = "benchmark-key-0123456789"
OURS, PEER = "Voz", "one call at a time"
_COMMANDS = {
    OURS: ["-m", "uvicorn", "src.main:app", "--log-level", "warning", "--port"],
    PEER: ["-m", "benchmarks.load.peer", "--port"],
}
_START_SECONDS = 180.0
_CONNECTIONS = 1000


@asynccontextmanager
async def running(threads: int) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A client of each server, which is ready.

    Args:
        threads: of the engines of each.

    Raises:
        RuntimeError: a server ended while it started.
        TimeoutError: it was not ready in time.
    """
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="voz-load-")))
        clients = {}
        for name, command in _COMMANDS.items():
            clients[name] = await stack.enter_async_context(_server(command, scratch, threads))
        yield clients


@asynccontextmanager
async def _server(command: list[str], scratch: Path, threads: int) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    log = scratch / f"{port}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            str(port),
            env=os.environ | _environment(scratch, threads),
            stdout=output,
            stderr=output,
        )
    limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=32)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"X-API-Key": KEY},
            timeout=600,
            trust_env=False,
            limits=limits,
        ) as client:
            async with asyncio.timeout(_START_SECONDS):
                while not await _ready(client):
                    if process.returncode is not None:
                        said = await asyncio.to_thread(log.read_text)
                        raise RuntimeError(f"{' '.join(command)} has ended:\n{said[-2000:]}")
                    await asyncio.sleep(0.5)
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).is_success
    except httpx.TransportError:
        return False


def _environment(scratch: Path, threads: int) -> dict[str, str]:
    return {
        "API_KEY": KEY,
        "STORAGE": "local",
        "STORAGE_DIR": str(scratch / "storage"),
        "DATA_DIR": str(scratch / "data"),
        "TTS_ENGINE": "kokoro",
        "TTS_CACHE": "false",  # the peer has none
        "RATE_LIMIT": "",
        "CPU_THREADS": str(threads),
        "DEVICE": "cpu",
        "OMP_NUM_THREADS": str(threads),
    }
