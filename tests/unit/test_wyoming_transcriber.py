"""A transcriber of the Wyoming protocol gives its place back, however it ends."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from wyoming.asr import Transcribe
from wyoming.event import Event

from src.api.dependencies import Services
from src.api.wyoming.transcriber import Transcriber
from src.scheduling.admission import AdmissionController
from src.scheduling.live_load import LiveLoad

pytestmark = pytest.mark.anyio


async def test_a_transcriber_that_is_cancelled_while_it_closes_gives_its_place_back() -> None:
    admission = AdmissionController("live", limit=1, timeout=60)
    services = SimpleNamespace(
        models=SimpleNamespace(stt=SimpleNamespace(info=SimpleNamespace(languages=("en",)))),
        stt=SimpleNamespace(live=LiveLoad(lambda: 1)),
        stt_languages=(),
        live_admission=admission,
    )

    async def write(event: Event) -> None:
        pass

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(60)

    async def use() -> None:
        async with Transcriber(cast(Services, services), Transcribe(), write) as transcriber:
            assert admission.in_flight == 1
            transcriber._session._tasks.append(asyncio.create_task(slow_to_end()))
            await asyncio.sleep(0)

    using = asyncio.create_task(use())
    for _ in range(5):
        await asyncio.sleep(0)
    assert admission.in_flight == 1
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert admission.in_flight == 0
