"""Starts servers as processes of their own, on free ports, and ends them."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks import tts_peers
from benchmarks.environments import python_with
from src.config import load_settings
from src.weights.store import ModelStore
from tests.support.ports import free_port

KEY = "benchmark-key-0123456789"
_START_SECONDS = 180.0
_CONNECTIONS = 1000

Environment = dict[str, str]
_FASTKOKORO = ("fastkokoro[cpu]==0.7.0",)


@dataclass(frozen=True)
class System:
    """A server that can be started.

    Args:
        name: in tables and plots.
        command: its program and arguments, given the port. May install the program.
        environment: its variables, given a scratch folder, the port and the threads of its engines. May write
            files into the folder.
        ready: path that answers with success once it is ready.
    """

    name: str
    command: Callable[[int], Sequence[str | Path]]
    environment: Callable[[Path, int, int], Environment]
    ready: str = "/health/ready"


@asynccontextmanager
async def running(systems: Sequence[System], threads: int) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A client of each server, which is ready.

    Args:
        systems: the servers.
        threads: of the engines of each.

    Raises:
        RuntimeError: a server ended while it started.
        TimeoutError: it was not ready in time.
    """
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="voz-load-")))
        clients = {}
        for system in systems:
            clients[system.name] = await stack.enter_async_context(_server(system, scratch, threads))
        yield clients


@asynccontextmanager
async def _server(system: System, scratch: Path, threads: int) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    log = scratch / f"{port}.log"
    command = await asyncio.to_thread(system.command, port)
    variables = await asyncio.to_thread(system.environment, scratch, port, threads)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env=os.environ | variables, stdout=output, stderr=output
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
                while not await _ready(client, system.ready):
                    if process.returncode is not None:
                        said = await asyncio.to_thread(log.read_text)
                        raise RuntimeError(f"{system.name} has ended:\n{said[-2000:]}")
                    await asyncio.sleep(0.5)
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(client: httpx.AsyncClient, path: str) -> bool:
    try:
        return (await client.get(path)).is_success
    except httpx.TransportError:
        return False


def _voz(scratch: Path, _port: int, threads: int) -> Environment:
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


def _fastkokoro(scratch: Path, port: int, threads: int) -> Environment:
    files = ModelStore(load_settings(api_key=KEY).models_dir).kokoro()
    voices = scratch / "voices.npz"
    tts_peers.write_voices(voices, files.voices)
    return {
        "FASTKOKORO_MODEL_PATH": str(files.model.resolve()),
        "FASTKOKORO_VOICES_PATH": str(voices),
        "FASTKOKORO_HOST": "127.0.0.1",
        "FASTKOKORO_PORT": str(port),
        "FASTKOKORO_ONNX_INTRA_OP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
    }


VOZ = System(
    "Voz",
    lambda port: [
        sys.executable,
        "-m",
        "uvicorn",
        "src.main:app",
        "--log-level",
        "warning",
        "--port",
        str(port),
    ],
    _voz,
)
ONE_CALL = System(
    "one call at a time",
    lambda port: [sys.executable, "-m", "benchmarks.load.peer", "--port", str(port)],
    _voz,
)
FASTKOKORO = System(
    "fastkokoro", lambda _port: [python_with(_FASTKOKORO).parent / "fastkokoro"], _fastkokoro, "/health"
)
