"""What a server loads beside its engines, before the first request needs it."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from src import main
from src.config import Settings
from src.engines import vad
from src.engines.absent import AbsentEngine
from src.engines.models import Models
from src.services.text import detect
from tests.support.eventually import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]) -> Settings:
    models = Models(AbsentEngine(), AbsentEngine())
    monkeypatch.setattr(main, "open_models", lambda settings: nullcontext(models))
    return make_settings()


async def test_the_languages_are_read_while_a_server_runs(settings: Settings) -> None:
    detect._load.cache_clear()
    async with main.open_in_process(settings):
        await eventually(lambda: detect._load.cache_info().currsize == 1)


async def test_the_vad_is_loaded_before_a_server_is_ready_and_not_by_its_event_loop(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaders = []
    session = vad._session

    def noted() -> Any:
        loaders.append(threading.current_thread())
        return session()

    monkeypatch.setattr(vad, "_session", noted)
    async with main.open_in_process(settings):
        assert len(loaders) == 1
    assert loaders[0] is not threading.current_thread()


async def test_a_vad_that_cannot_be_loaded_is_seen_at_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Any:
        raise ImportError("no module of this name")

    monkeypatch.setattr(vad, "_session", missing)
    with pytest.raises(ImportError, match="no module"):
        async with main.open_in_process(settings):
            raise AssertionError("it has started")
