"""Live sessions on real Whisper whose clock is their audio, so that they depend on no machine's speed."""

import asyncio
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest

from benchmarks.live_offline import speak
from benchmarks.live_report import repetitions
from src.composition import stt_service
from src.config import Settings
from src.engines.base import Audio
from src.engines.whisper import WhisperEngine
from src.services.decoding.pool import Decoders
from src.services.stt import SttService
from src.weights.store import ModelStore
from tests.support.speech import clip, silence

pytestmark = [pytest.mark.models, pytest.mark.anyio]


@pytest.fixture
async def service(make_settings: Callable[..., Settings]) -> AsyncIterator[SttService]:
    settings = make_settings()
    files = ModelStore(settings.models_dir).whisper("base")
    async with (
        WhisperEngine(files.folder, name=files.name, device="cpu", compute_type="int8", threads=2) as engine,
        Decoders(spares=1, most=2, max_seconds=60) as decoders,
    ):
        yield stt_service(engine, decoders, settings)


def spoken(*pieces: Audio) -> bytes:
    audio = np.concatenate([silence(0.3), *pieces, silence(0.8)])
    return bytes((np.clip(audio, -1, 1) * 32767).astype("<i2"))


@pytest.mark.slow
async def test_a_stream_says_the_same_alone_and_among_others(service: SttService) -> None:
    mine = spoken(clip("en-agent"), silence(0.7), clip("en-extended"))
    others = [spoken(silence(0.13 * number), clip("es-agent")) for number in range(1, 5)]
    alone = await speak(service, "en", mine)
    among, *_ = await asyncio.gather(
        speak(service, "en", mine), *(speak(service, "es", other) for other in others)
    )
    assert alone.finals and alone.utterances == 2
    assert (among.words, among.finals) == (alone.words, alone.finals)


@pytest.mark.slow
async def test_after_long_pauses_nothing_is_said_again_and_again(service: SttService) -> None:
    said = ("en-agent", "en-extended", "en-busy", "en-agent")
    speaker = await speak(
        service, "en", spoken(*(piece for name in said for piece in (clip(name), silence(30))))
    )
    words = [word for word, _ in speaker.words]
    assert speaker.utterances >= len(said)
    assert words[:3] == ["that", "agent", "is"]
    assert max(repetitions(words), default=1) < 3
    times = [time for _, time in speaker.words]
    assert times == sorted(times)
