"""The application: `uvicorn src.main:app`."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.middleware import Middleware

from src.access.client_secrets import ClientSecrets
from src.access.failed_keys import FailedKeys
from src.access.rate_limits import RateLimiter, parse_limits
from src.api import docs, errors, files, health, jobs, metrics, openai, page, stt, tts, voices, wyoming
from src.api.engine_watch import watching
from src.api.graceful_shutdown import GracefulShutdown
from src.api.live import socket as live
from src.api.metrics import measuring
from src.api.middleware import (
    AdmitBeforeBody,
    BodyLimit,
    Cors,
    HeadAsGet,
    KeyCheck,
    MultipartPreamble,
    OriginCheck,
    ProxyPrefix,
    RateLimit,
    RequestLog,
    RequestTrace,
    ShutdownGuard,
    SlowBody,
    UnreadBody,
)
from src.api.policy import route_policies
from src.api.protocol import HEAD_TIMEOUT, PAUSE_TIMEOUT
from src.composition import OpenEngines, open_services, upload_bytes
from src.config import LogFormat, Settings, load_settings, unknown_keys
from src.core.loader import open_models
from src.core.security import ApiKeys
from src.engines.models import Models
from src.errors import ConfigurationError
from src.observability.telemetry import configure_logging
from src.observability.tracing import tracing
from src.processes.allocator import limit_malloc_arenas, trim_periodically
from src.processes.descriptors import raise_descriptor_limit
from src.processes.workers import shared_folder
from src.scheduling.admission import UploadSpace
from src.services import small_models
from src.version import VERSION

log = logging.getLogger(__name__)

_FORM_LIMITS = {"max_files": 1, "max_fields": 128, "max_part_size": 16_384}
"""Limits on forms. Fields are parsed on the event loop and kept in memory; `prompt` has up to 8 KB."""


@asynccontextmanager
async def open_in_process(settings: Settings) -> AsyncIterator[Models]:
    """The engines of this process, and the smaller models beside them."""
    async with open_models(settings) as models, small_models.loaded():
        yield models


def create_app(settings: Settings, open_engines: OpenEngines = open_in_process) -> FastAPI:
    """Build the application.

    Args:
        settings: all of them; nothing else is read from the environment.
        open_engines: an async context manager that yields the engines; in this process by default.
    """
    shutdown = GracefulShutdown(settings.shutdown_timeout)
    keys = ApiKeys(settings.api_key, settings.api_keys_file)
    secrets = ClientSecrets(keys.digest_of)
    policies = route_policies(settings.max_upload_mb, settings.max_text_chars, settings.metrics_public)
    counters = settings.rate_limit_storage
    limiter = RateLimiter(
        parse_limits(settings.rate_limit),
        shared_folder(),
        counters.get_secret_value() if counters else "",
    )
    space = UploadSpace(upload_bytes(settings))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, float]]:
        raise_descriptor_limit()
        limit_malloc_arenas()
        configure_logging(
            settings.log_level,
            settings.log_format is LogFormat.JSON,
            settings.secrets,
        )
        async with (
            shutdown.on_signals(),
            tracing(settings.otel_exporter_otlp_endpoint, settings.otel_headers, app.version),
            open_services(
                settings, open_engines, shutdown=shutdown, limiter=limiter, secrets=secrets, space=space
            ) as services,
        ):
            app.state.services = services
            engines = {"speech to text": services.models.stt, "text to speech": services.models.tts}
            async with (
                measuring(services),
                watching(engines, shutdown),
                trim_periodically(),
                wyoming.serving(services, settings.wyoming_host, settings.wyoming_port, app.version),
            ):
                with shutdown.ready():
                    yield {
                        HEAD_TIMEOUT: settings.upload_timeout,
                        PAUSE_TIMEOUT: settings.stream_pause_timeout,
                    }

    app = docs.Documented(
        policies,
        title="Voz",
        version=VERSION,
        summary="A self-hosted speech API: audio to text, English and Spanish text to audio.",
        description="Click *Authorize* and enter an API key once; then every route can be tried here.",
        lifespan=lifespan,
        form_limits=_FORM_LIMITS,
        docs_url=None,
        redoc_url=None,
        # observability/tracing.py and observability/metrics.py do that
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        middleware=[
            Middleware(HeadAsGet),
            *([Middleware(ProxyPrefix, prefix=settings.root_path)] if settings.root_path else []),
            *([Middleware(Cors, origins=settings.cors_allow_origins)] if settings.cors_allow_origins else []),
            Middleware(RequestLog, policies=policies),
            *([Middleware(RequestTrace)] if settings.otel_exporter_otlp_endpoint else []),
            Middleware(OriginCheck, origins=settings.cors_allow_origins, public_url=settings.public_url),
            Middleware(UnreadBody),
            Middleware(SlowBody, seconds=settings.upload_timeout),
            Middleware(
                KeyCheck,
                keys=keys,
                secrets=secrets,
                failed=FailedKeys(settings.failed_keys),
            ),
            Middleware(BodyLimit),
            Middleware(ShutdownGuard, shutdown=shutdown),
            Middleware(RateLimit, limiter=limiter),
            Middleware(AdmitBeforeBody, space=space),
            Middleware(MultipartPreamble),
        ],
    )
    errors.install(app)
    docs.install(app)
    page.install(app, settings.max_text_chars, settings.max_upload_mb)
    app.include_router(stt.router)
    app.include_router(live.router)
    app.include_router(tts.router)
    app.include_router(jobs.router)
    app.include_router(voices.router)
    app.include_router(openai.router)
    app.include_router(health.router)
    app.include_router(health.public)
    app.include_router(metrics.router)
    app.include_router(files.router)
    return app


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
