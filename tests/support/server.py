"""A real uvicorn server on a real socket, and models in an event loop of their own, shared by many apps."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn
from fastapi import FastAPI

from src.config import Settings
from tests.support import clients

if TYPE_CHECKING:
    from src.engines.models import Models

KEY = "test-key-0123456789"
OTHER_KEY = "second-key-9876543210"


@dataclass(frozen=True)
class RunningServer:
    """An app that listens on loopback."""

    app: Any
    url: str

    def client(self, key: str | None = KEY, timeout: float = 120) -> httpx.Client:
        return clients.client(self.url, key, timeout)

    def async_client(self, key: str | None = KEY, timeout: float = 120) -> httpx.AsyncClient:
        return clients.async_client(self.url, key, timeout)


@contextmanager
def serve(app: Any, root_path: str = "") -> Iterator[RunningServer]:
    """Run an ASGI app with the server class of production, in a thread, until the block ends.

    Args:
        root_path: as `uvicorn --root-path`.
    """
    from src.api.protocol import BoundedProtocol

    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        timeout_graceful_shutdown=5,
        root_path=root_path,
        http=BoundedProtocol,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn", daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start; see its log")
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield RunningServer(app, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        assert not thread.is_alive(), "the server did not stop"


@contextmanager
def background(opening: AbstractAsyncContextManager[Any]) -> Iterator[Any]:
    """Keep an async context manager open in a loop of its own, for tests that are not async."""
    opened: list[Any] = []
    failed: list[BaseException] = []
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def hold() -> None:
        try:
            async with opening as value:
                opened.append(value)
                ready.set()
                await stop.wait()
        except BaseException as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(hold()), daemon=True)
    thread.start()
    ready.wait()
    try:
        if failed:
            raise failed[0]
        yield opened[0]
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=60)
        loop.close()


def app_with(models: "Models", settings: Settings) -> FastAPI:
    """An app of its own around models that are open already."""
    from src.main import create_app

    @asynccontextmanager
    async def lend(_: Settings) -> "AsyncIterator[Models]":
        yield models

    return create_app(settings, lend)
