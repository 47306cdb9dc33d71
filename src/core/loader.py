"""Builds every model once, at start-up: the one place in `core` that knows the engines."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from src.config import Device, Settings
from src.engines import cpu
from src.engines.absent import AbsentEngine
from src.engines.base import EngineInfo, SpeechToText, TextToSpeech
from src.engines.models import Models
from src.engines.side_by_side import SideBySide
from src.errors import ConfigurationError, ModelUnavailable
from src.observability.metrics import BatchMetrics
from src.observability.tracing import BatchSpans
from src.scheduling.observer import BatchObserver
from src.weights.store import CoquiModels, KokoroFiles, ModelStore
from src.weights.tts_engine import TtsEngine

if TYPE_CHECKING:
    from src.engines.whisper import WhisperEngine

log = logging.getLogger(__name__)

_COQUI_ADVICE = (
    "What to do: set TTS_MODEL_EN and TTS_MODEL_ES to other models, or to folders that are whole; fetch "
    "Coqui's own again with `python -m src.weights --tts coqui --verify`; or set TTS_ENGINE=auto, "
    "which speaks with Kokoro where Coqui's voices cannot be opened"
)


def default_observers() -> tuple[BatchObserver, ...]:
    """Metrics and spans of what the engines do."""
    return BatchMetrics(), BatchSpans()


@asynccontextmanager
async def open_models(
    settings: Settings,
    observers: Sequence[BatchObserver] | None = None,
    *,
    transcribes: bool = True,
    speaks: bool = True,
) -> AsyncIterator[Models]:
    """Fetch what is missing, load and warm every model, and release all of it at the end.

    Args:
        settings: which models, and where they run.
        observers: observers of the engines' batchers; `default_observers` if None.
        transcribes: whether speech to text is wanted; if not, an `AbsentEngine` is in its place.
        speaks: whether text to speech is wanted.

    Raises:
        ModelUnavailable: no source of some weights worked.
        ConfigurationError: the device or compute type cannot be had.
    """
    observers = default_observers() if observers is None else observers
    device = await asyncio.to_thread(pick_device, settings.device)
    log.info("CPU: %d threads of %s", settings.threads, cpu.in_words())
    store = ModelStore(settings.models_dir)
    async with AsyncExitStack() as stack:
        stt: SpeechToText = AbsentEngine()
        tts: TextToSpeech = AbsentEngine()
        notices: tuple[str, ...] = ()
        if transcribes:
            whisper = await asyncio.to_thread(_speech_to_text, settings, store, device, observers)
            stt = await stack.enter_async_context(whisper)
            notices = whisper.notices
            log.info("ready: %s", _in_words(stt.info))
        if speaks:
            tts, tts_notices = await _text_to_speech(settings, store, device, observers, stack)
            notices += tts_notices
            log.info("ready: %s", _in_words(tts.info))
        for notice in notices:
            log.warning(notice)
        yield Models(stt, tts, notices)


def _speech_to_text(
    settings: Settings, store: ModelStore, device: str, observers: Sequence[BatchObserver]
) -> "WhisperEngine":
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


async def _text_to_speech(
    settings: Settings,
    store: ModelStore,
    device: str,
    observers: Sequence[BatchObserver],
    stack: AsyncExitStack,
) -> tuple[TextToSpeech, tuple[str, ...]]:
    """The engine, open until `stack` is closed, and its notices for the operator."""
    names = (settings.tts_model_en, settings.tts_model_es)
    files = await asyncio.to_thread(store.tts_files, settings.tts_engine, *names)
    if isinstance(files, CoquiModels):
        try:
            engine = await asyncio.to_thread(_coqui, files, settings, device, observers)
            if settings.tts_engine is TtsEngine.BOTH:
                beside = await asyncio.to_thread(store.kokoro)
                kokoro = await asyncio.to_thread(_kokoro, beside, settings, device, observers)
                engine = SideBySide([engine, kokoro])
            return await stack.enter_async_context(engine), ()
        except ConfigurationError:
            raise
        except Exception as error:
            if settings.tts_engine is not TtsEngine.AUTO:
                raise ModelUnavailable(f"{error}\n{_COQUI_ADVICE}") from error
            if not isinstance(error, ModelUnavailable):
                log.exception("Coqui's voices raised while they were opened")
            reason = str(error) or type(error).__name__
        # the error is forgotten by now, and what it held of half-loaded models with it
        files = await asyncio.to_thread(store.kokoro_instead, reason)
    kokoro = await asyncio.to_thread(_kokoro, files, settings, device, observers)
    return await stack.enter_async_context(kokoro), (files.reason,) if files.reason else ()


def _coqui(
    files: CoquiModels, settings: Settings, device: str, observers: Sequence[BatchObserver]
) -> TextToSpeech:
    from src.engines.compute_types import for_coqui
    from src.engines.coqui import CoquiEngine

    compute_type = for_coqui(settings.tts_compute_type or settings.compute_type, device)
    return CoquiEngine(files.models, device, compute_type, settings.threads, observers=observers)


def _kokoro(
    files: KokoroFiles, settings: Settings, device: str, observers: Sequence[BatchObserver]
) -> TextToSpeech:
    from src.engines.kokoro import KokoroEngine

    return KokoroEngine(
        files.model,
        files.voices,
        settings.threads,
        device,
        observers=observers,
        compute_type=settings.tts_compute_type or settings.compute_type,
    )


def _in_words(info: EngineInfo) -> str:
    return f"{info.engine} {info.model} on {info.device}, {info.compute_type}"


def pick_device(wanted: Device) -> str:
    """`cuda` if it is wanted or available, and its libraries load; else `cpu`.

    Raises:
        ConfigurationError: DEVICE=cuda, but CUDA cannot be used.
    """
    if wanted is Device.CPU:
        return "cpu"
    problem = cuda_problem()
    if problem is None:
        return "cuda"
    if wanted is Device.CUDA:
        raise ConfigurationError(f"DEVICE=cuda, but {problem}. Use DEVICE=auto or DEVICE=cpu to run without")
    log.info("running on the CPU: %s", problem)
    return "cpu"


def cuda_problem() -> str | None:
    """Why CUDA cannot be used; None if it can."""
    import ctranslate2
    import torch

    if not torch.cuda.is_available():
        return "PyTorch finds no usable GPU"
    if ctranslate2.get_cuda_device_count() == 0:
        return "CTranslate2 finds no usable GPU"
    return None
