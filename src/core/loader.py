"""Builds every model once, at start-up: the one place in `core` that knows the engines."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from src.config import ComputeType, Device, Settings
from src.core.errors import ConfigurationError
from src.core.model_store import CoquiPair, KokoroFiles, ModelStore
from src.engines.base import SpeechToText, TextToSpeech

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Models:
    """The engines, open and warm."""

    stt: SpeechToText
    tts: TextToSpeech
    notices: tuple[str, ...] = ()
    """What an operator should know about the choice, e.g. that Kokoro stands in for Coqui."""


@asynccontextmanager
async def open_models(settings: Settings) -> AsyncIterator[Models]:
    """Fetch what is missing, load and warm every model, and release all of it at the end.

    Raises:
        ModelUnavailable: no source of some weights worked.
        ConfigurationError: the device or compute type cannot be had.
    """
    device = await asyncio.to_thread(pick_device, settings.device)
    store = ModelStore(settings.models_dir)
    async with AsyncExitStack() as stack:
        stt = await stack.enter_async_context(await asyncio.to_thread(_whisper, settings, store, device))
        tts_files = await asyncio.to_thread(
            store.tts_files, settings.tts_engine, settings.tts_model_en, settings.tts_model_es
        )
        build = _coqui if isinstance(tts_files, CoquiPair) else _kokoro
        tts = await stack.enter_async_context(
            await asyncio.to_thread(build, settings, tts_files, device)  # type: ignore[arg-type]
        )
        notices = ()
        if isinstance(tts_files, KokoroFiles) and tts_files.reason:
            notices = (tts_files.reason,)
            log.warning(tts_files.reason)
        for engine in (stt, tts):
            log.info("ready: %s", engine.info)
        yield Models(stt, tts, notices)


def pick_device(wanted: Device) -> str:
    """`cuda` if it is wanted or there, and its libraries load; else `cpu`.

    Raises:
        ConfigurationError: DEVICE=cuda, and it cannot be used.
    """
    if wanted is Device.CPU:
        return "cpu"
    problem = _cuda_problem()
    if problem is None:
        return "cuda"
    if wanted is Device.CUDA:
        raise ConfigurationError(f"DEVICE=cuda, but {problem}. Use DEVICE=auto or DEVICE=cpu to run without")
    log.info("running on the CPU: %s", problem)
    return "cpu"


def _cuda_problem() -> str | None:
    import ctranslate2
    import torch

    if not torch.cuda.is_available():
        return "PyTorch finds no usable GPU"
    if ctranslate2.get_cuda_device_count() == 0:
        return "CTranslate2 finds no usable GPU"
    return None


def stt_compute_type(wanted: ComputeType, device: str) -> str:
    if wanted is ComputeType.AUTO:
        return "float16" if device == "cuda" else "int8"
    return wanted.value
