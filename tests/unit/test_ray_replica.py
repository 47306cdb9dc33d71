"""The process of an engine's replica, without a cluster around it."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

if importlib.util.find_spec("ray") is None:
    pytest.skip("requirements-ray.txt is not installed", allow_module_level=True)

from src.cluster import deployments
from src.cluster.deployments import SpeechToTextReplica
from src.config import Settings
from src.engines.absent import AbsentEngine
from src.engines.models import Models


def trimming() -> bool:
    return "trim-memory" in {task.get_name() for task in asyncio.all_tasks()}


@pytest.mark.anyio
async def test_a_replica_gives_unused_memory_back_until_it_ends(
    monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]
) -> None:
    """It keeps more of it than other processes do (`reuse_freed_blocks`)."""
    # what needs a cluster, and what changes all of this process
    monkeypatch.setattr(deployments, "load_settings", make_settings)
    monkeypatch.setattr(deployments, "_assigned_threads", lambda: 1)
    monkeypatch.setattr(deployments, "_configure_process", lambda _: None)
    context = SimpleNamespace(replica_id=SimpleNamespace(unique_id="one"))
    monkeypatch.setattr("ray.serve.get_replica_context", lambda: context)

    @asynccontextmanager
    async def open_engines(settings: Settings, *, transcribes: bool, speaks: bool) -> AsyncIterator[Models]:
        assert (transcribes, speaks) == (True, False)
        yield Models(AbsentEngine(), AbsentEngine())

    # no object of the class: Python itself would call the coroutine `__del__`, which Ray awaits
    replica: Any = SimpleNamespace(task=SpeechToTextReplica.task)
    await SpeechToTextReplica.__init__(replica, open_engines, "")
    assert trimming()
    await SpeechToTextReplica.__del__(replica)
    assert not trimming()
