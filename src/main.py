"""The application: `uvicorn src.main:app`."""

import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.middleware import Middleware

from src.api import docs, errors, files, health, metrics, stt, tts
from src.api.dependencies import Services
from src.api.draining import Drain, Draining
from src.api.engine_watch import watching
from src.api.metrics import measuring
from src.api.middleware import DeclaredSize, KeyCheck, RequestLog, SlowBody, UnreadBody
from src.api.protocol import PATIENCE
from src.api.rate_limit import RateLimit
from src.api.tracing import RequestTrace
from src.composition import open_storage
from src.config import LogFormat, Settings, load_settings, unknown_keys
from src.core.allocator import giving_back, share_arenas
from src.core.descriptors import raise_descriptor_limit
from src.core.errors import ConfigurationError
from src.core.loader import Models, open_models
from src.core.measured_storage import MeasuredStorage
from src.core.rate_limits import RateLimiter, parse_limits
from src.core.security import ApiKeys
from src.core.telemetry import configure_logging
from src.core.tracing import tracing
from src.core.workers import shared_folder
from src.scheduling.admission import AdmissionController, default_limit
from src.services.stt import SttService
from src.services.tts import TtsService

log = logging.getLogger(__name__)

OpenEngines = Callable[[Settings], AbstractAsyncContextManager[Models]]

_FORM_OVERHEAD = 2**20
"""Bytes of a form that are not the file: boundaries, names, the other fields."""
_BYTES_PER_CHAR = 12
"""A character of JSON at its longest: two escaped surrogates."""


def create_app(settings: Settings, open_engines: OpenEngines = open_models) -> FastAPI:
    """Build the application.

    Args:
        settings: all of them; nothing else is read from the environment.
        open_engines: an async context manager that yields the engines; in this process by default.
    """
    draining = Draining(settings.shutdown_timeout)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, float]]:
        raise_descriptor_limit()
        share_arenas()
        configure_logging(
            settings.log_level,
            settings.log_format is LogFormat.JSON,
            settings.secrets,
        )
        async with (
            draining.on_signals(),
            tracing(settings.otel_exporter_otlp_endpoint, settings.otel_headers, app.version),
            open_storage(settings) as storage,
            open_engines(settings) as models,
        ):
            services = Services(
                settings=settings,
                models=models,
                storage=storage,
                stt=SttService(models.stt, settings),
                tts=TtsService(models.tts, MeasuredStorage(storage), settings),
                stt_admission=_admission("speech-to-text", models.stt.info.device, settings),
                tts_admission=_admission("text-to-speech", models.tts.info.device, settings),
                draining=draining,
            )
            app.state.services = services
            engines = {"speech to text": models.stt, "text to speech": models.tts}
            async with measuring(services), watching(engines, draining), giving_back():
                with draining.ready():
                    yield {PATIENCE: settings.upload_timeout}

    stt_bytes = settings.max_upload_mb * 2**20 + _FORM_OVERHEAD
    tts_bytes = settings.max_text_chars * _BYTES_PER_CHAR + _FORM_OVERHEAD
    app = docs.Documented(
        title="Voz",
        version="0.1.0",
        summary="A self-hosted speech API: audio to text, English and Spanish text to audio.",
        description="Click *Authorize* and enter an API key once; then every route can be tried here.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # core/tracing.py and core/metrics.py do that
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        middleware=[
            Middleware(RequestLog),
            *([Middleware(RequestTrace)] if settings.otel_exporter_otlp_endpoint else []),
            Middleware(UnreadBody),
            Middleware(SlowBody, seconds=settings.upload_timeout),
            Middleware(
                KeyCheck,
                keys=ApiKeys(settings.api_key, settings.api_keys_file),
                public=frozenset({"/metrics"} if settings.metrics_public else ()),
            ),
            Middleware(DeclaredSize, limits={"/stt": stt_bytes, "/tts": tts_bytes}),
            Middleware(Drain, draining=draining),
            Middleware(RateLimit, limiter=RateLimiter(parse_limits(settings.rate_limit), shared_folder())),
        ],
    )
    errors.install(app)
    docs.install(app)
    app.include_router(stt.router, max_body_size=stt_bytes)
    app.include_router(tts.router, max_body_size=tts_bytes)
    app.include_router(health.router)
    app.include_router(health.public)
    app.include_router(metrics.router)
    app.include_router(files.router)
    return app


def _admission(name: str, device: str, settings: Settings) -> AdmissionController:
    limit = settings.max_queue or default_limit(device, settings.threads)
    return AdmissionController(name, limit, settings.request_timeout)


def _app_from_environment() -> FastAPI:
    try:
        settings = load_settings()
    except ConfigurationError as error:
        sys.stderr.write(f"Voz cannot start:\n  {str(error).replace(chr(10), chr(10) + '  ')}\n")
        raise SystemExit(3) from None
    configure_logging(settings.log_level, settings.log_format is LogFormat.JSON)
    for key in unknown_keys():
        log.warning("%s in .env is not a setting of Voz: misspelt?", key)
    return create_app(settings)


def __getattr__(name: str) -> Any:
    # `app` is built when a server asks for it, so that importing create_app reads no environment
    if name == "app":
        globals()["app"] = app = _app_from_environment()
        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
