"""The process that decoders are forked from is waited for, whatever is cancelled."""

import asyncio
import subprocess
import sys
import time
from typing import Any

import pytest

from src.services.decoding.control import ForkServer

pytestmark = pytest.mark.anyio


async def test_a_process_whose_end_was_not_waited_for_is_waited_for_by_the_next_call() -> None:
    server = ForkServer(60, 60, lambda number, code: None, lambda: None)
    command = [sys.executable, "-c", "import time; time.sleep(0.5)"]
    process = server._process = await asyncio.to_thread(subprocess.Popen, command)
    closing = asyncio.create_task(server.close())
    await asyncio.sleep(0.05)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await server.close()
    assert process.returncode == 0
    assert server.pid is None


async def test_a_process_whose_start_is_cancelled_is_known_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def slow(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        time.sleep(0.2)
        started.append(popen(*arguments, **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", slow)
    server = ForkServer(60, 60, lambda number, code: None, lambda: None)
    starting = asyncio.create_task(server.start())
    await asyncio.sleep(0.05)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await server.close()
    assert started[0].returncode is not None
