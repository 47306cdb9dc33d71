"""Voz and faster-whisper on the same weights, as the benchmarks of speech to text compare them."""

import argparse
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from src.engines.whisper import WhisperEngine
from src.services.decoding.pool import Decoders
from src.services.stt import SttService

if TYPE_CHECKING:
    from faster_whisper import WhisperModel


async def open_both(
    given: argparse.Namespace, stack: AsyncExitStack
) -> "tuple[WhisperEngine, SttService, WhisperModel]":
    """Open our engine with a service around it, and faster-whisper's model.

    Args:
        given: with `model` (a folder), `device`, `compute_type` and `threads`.
        stack: closes what is opened.
    """
    from faster_whisper import WhisperModel

    engine = WhisperEngine(
        given.model, name="ours", device=given.device, compute_type=given.compute_type, threads=given.threads
    )
    await stack.enter_async_context(engine)
    decoders = await stack.enter_async_context(Decoders(spares=given.threads, most=64, max_seconds=1e9))
    service = SttService(engine, decoders, max_audio_seconds=1e9)
    model = WhisperModel(
        str(given.model), device=given.device, compute_type=given.compute_type, cpu_threads=given.threads
    )
    return engine, service, model
