"""Builds every model once, at start-up: the one place in `core` that knows the engines."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from src.config import Device, Settings
from src.core.errors import ConfigurationError
from src.core.metrics import BatchMetrics
from src.core.model_store import CoquiModels, ModelStore
from src.core.tracing import BatchSpans
from src.engines import cpu
from src.engines.base import EngineInfo, SpeechToText, TextToSpeech
from src.scheduling.observer import BatchObserver

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Models:
    """The engines, open and warm."""

    stt: SpeechToText
    tts: TextToSpeech
    notices: tuple[str, ...] = ()
    """What an operator should know about the choice, e.g. that Kokoro stands in for Coqui."""


def default_observers() -> tuple[BatchObserver, ...]:
    """Metrics and spans of what the engines do."""
    return BatchMetrics(), BatchSpans()


@asynccontextmanager
async def open_models(
    settings: Settings, observers: Sequence[BatchObserver] | None = None
) -> AsyncIterator[Models]:
    """Fetch what is missing, load and warm every model, and release all of it at the end.

    Args:
        settings: which models, and where they run.
        observers: are told what the engines do; `default_observers` if None.

    Raises:
        ModelUnavailable: no source of some weights worked.
        ConfigurationError: the device or compute type cannot be had.
    """
    observers = default_observers() if observers is None else observers
    device = await asyncio.to_thread(pick_device, settings.device)
    log.info("CPU: %d threads of %s", settings.threads, cpu.in_words())
    store = ModelStore(settings.models_dir)
    async with AsyncExitStack() as stack:
        stt: SpeechToText = await stack.enter_async_context(
            await asyncio.to_thread(_speech_to_text, settings, store, device, observers)
        )
        engine, notices = await asyncio.to_thread(_text_to_speech, settings, store, device, observers)
        tts = await stack.enter_async_context(engine)
        for notice in notices:
            log.warning(notice)
        for opened in (stt, tts):
            log.info("ready: %s", _in_words(opened.info))
        yield Models(stt, tts, notices)


def _speech_to_text(
    settings: Settings, store: ModelStore, device: str, observers: Sequence[BatchObserver]
) -> SpeechToText:
    from src.engines.compute_types import for_whisper
    from src.engines.whisper import WhisperEngine

    compute_type = for_whisper(settings.stt_compute_type or settings.compute_type, device)
    files = store.whisper(settings.stt_model)
    return WhisperEngine(
        files.folder,
        name=files.name,
        device=device,
        compute_type=compute_type,
        threads=settings.threads,
        languages=settings.stt_languages,
        observers=observers,
    )


def _text_to_speech(
    settings: Settings, store: ModelStore, device: str, observers: Sequence[BatchObserver]
) -> tuple[TextToSpeech, tuple[str, ...]]:
    from src.engines.compute_types import for_coqui
    from src.engines.coqui import CoquiEngine
    from src.engines.kokoro import KokoroEngine

    files = store.tts_files(settings.tts_engine, settings.tts_model_en, settings.tts_model_es)
    if isinstance(files, CoquiModels):
        compute_type = for_coqui(settings.tts_compute_type or settings.compute_type, device)
        return CoquiEngine(files.models, device, compute_type, settings.threads, observers=observers), ()
    engine = KokoroEngine(files.model, files.voices, settings.threads, device, observers=observers)
    return engine, (files.reason,) if files.reason else ()


def _in_words(info: EngineInfo) -> str:
    return f"{info.engine} {info.model} on {info.device}, {info.compute_type}"


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
