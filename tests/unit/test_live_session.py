"""What a live session does with audio that its client does not divide."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import numpy as np
import pytest

from src.engines.base import STT_SAMPLE_RATE, Audio, PartialTranscript, SttOptions
from src.services.live import session
from src.services.live.events import Completed
from src.services.live.session import LiveOptions, LiveSession
from src.services.stt import Result, SttService
from src.services.usage import Usage

pytestmark = pytest.mark.anyio


class Counting:
    """Writes how many seconds it was given."""

    async def transcribe_partial(
        self, audio: Audio, options: SttOptions, forced: Sequence[int]
    ) -> PartialTranscript:
        return PartialTranscript((), "en", 1.0)

    async def stream_blocks(self, blocks: AsyncIterator[Audio], options: SttOptions) -> AsyncIterator[Any]:
        seconds = sum([len(block) async for block in blocks]) / STT_SAMPLE_RATE
        yield Result(f"{seconds:g} seconds", "en", 1.0, seconds, (), "none", Usage())


async def test_audio_without_a_commit_is_ended_at_a_bound_and_none_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "_MAX_COMMITTED", 3.0)
    async with LiveSession(cast(SttService, Counting()), LiveOptions(turn_detection=None)) as live:
        for _ in range(8):
            await live.push(np.zeros(STT_SAMPLE_RATE, np.float32))
        await live.finish()
        texts = [event.text async for event in live if isinstance(event, Completed)]
    assert texts == ["3 seconds", "3 seconds", "2 seconds"]
