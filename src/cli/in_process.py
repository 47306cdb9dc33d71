"""A server in this process, for commands that have no other: the same application, on a private socket.

The models are loaded once, in a thread, and the command reaches them through the client, as it would reach
any server. So there is one way to do the work. The socket lies in a folder that only this user can read, and
there is no port. Limits that protect a server from its callers are lifted. Nothing is stored.
"""

import logging
import os
import secrets
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import Flag, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.cli import console
from src.cli.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from src.config import Settings
    from src.engines.models import Models

_DAY = 86_400.0
_STOP_SECONDS = 10.0
_NOT_INSTALLED = (
    "no server is named (VOZ_URL or --url), and to run the models here `{name}` is not installed. "
    "Set VOZ_URL, or install everything: pip install ."
)
_thread: threading.Thread | None = None


class Needs(Flag):
    """Models that a command needs."""

    STT = auto()
    TTS = auto()
    BOTH = STT | TTS


@dataclass(frozen=True, slots=True)
class Private:
    """Where the server of this process is."""

    socket: Path
    key: str


def is_running() -> bool:
    """Whether the server's thread has not ended."""
    return _thread is not None and _thread.is_alive()


@contextmanager
def private_server(needs: Needs) -> Iterator[Private]:
    """Load the models that a command needs, and serve while the block runs.

    Raises:
        CommandError: the server cannot start; the message says what to do.
    """
    global _thread  # noqa: PLW0603 - the end of the process has to know of it
    with tempfile.TemporaryDirectory(prefix="voz-") as folder:
        private = Private(Path(folder) / "socket", secrets.token_urlsafe(24))
        failures: list[BaseException] = []
        server = _server(private, Path(folder), needs, failures)
        _thread = threading.Thread(target=server.run, name="server", daemon=True)
        with console.errors.status("Loading the models..."):
            _thread.start()
            while not server.started and _thread.is_alive():
                time.sleep(0.02)
        if not server.started:
            reason = failures[0] if failures else "its log above says why"
            raise CommandError(f"the models cannot run in this process: {reason}", ExitCode.NO_SERVER)
        try:
            yield private
        finally:
            server.should_exit = True
            _thread.join(_STOP_SECONDS)


def _server(private: Private, folder: Path, needs: Needs, failures: list[BaseException]) -> Any:
    try:
        import uvicorn

        from src.api.protocol import BoundedProtocol
        from src.core.loader import open_models
        from src.main import create_app
    except ModuleNotFoundError as error:
        raise CommandError(_NOT_INSTALLED.format(name=error.name), ExitCode.NO_SERVER) from None

    @asynccontextmanager
    async def opening(settings: "Settings") -> "AsyncIterator[Models]":
        # uvicorn only logs why a start failed
        models = open_models(settings, transcribes=Needs.STT in needs, speaks=Needs.TTS in needs)
        try:
            opened = await models.__aenter__()
        except Exception as error:
            failures.append(error)
            raise
        try:
            yield opened
        finally:
            await models.__aexit__(None, None, None)

    app = create_app(_settings(private, folder), opening)
    # what these say is of use to an operator, and of none to somebody who waits for a command
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    logging.getLogger("src.weights").setLevel(logging.INFO)
    config = uvicorn.Config(
        app, uds=str(private.socket), http=BoundedProtocol, log_config=None, timeout_graceful_shutdown=1
    )
    return uvicorn.Server(config)


def _settings(private: Private, folder: Path) -> "Settings":
    from pydantic import SecretStr

    from src.config import Settings, StorageKind, load_settings
    from src.errors import ConfigurationError

    fixed: dict[str, Any] = {
        "api_key": [SecretStr(private.key)],
        "api_keys_file": None,
        "storage": StorageKind.LOCAL,
        "storage_dir": folder / "storage",
        # jobs of a server that was started here are none of a command's business
        "data_dir": folder / "data",
        "jobs_database_url": None,
        "jobs_concurrency": 0,
        "wyoming_port": 0,
        "live_max_seconds": 10 * _DAY,
        "rate_limit": "",
        "root_path": "",
        "web_concurrency": 1,
        "shutdown_timeout": 0,
        "max_upload_mb": 1_000_000,
        "max_text_chars": 10_000_000,
        "max_audio_seconds": 10 * _DAY,
        "request_timeout": 10 * _DAY,
        "upload_timeout": _DAY,
        "stream_pause_timeout": 10 * _DAY,
        "otel_exporter_otlp_endpoint": "",
    }
    if "LOG_LEVEL" not in os.environ:
        fixed["log_level"] = "ERROR"
    try:
        settings = load_settings(**fixed)
    except ConfigurationError as error:
        raise CommandError(str(error), ExitCode.NO_SERVER) from None
    default = Settings.model_fields["models_dir"].default
    if settings.models_dir == default and not default.is_dir():
        # a command runs anywhere, and gigabytes do not belong there
        return settings.model_copy(update={"models_dir": _cache() / "models"})
    return settings


def _cache() -> Path:
    """Where this user's programs keep what can be fetched again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voz"
