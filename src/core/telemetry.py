"""Logs a person can read in a terminal and a machine can read as JSON.

Every line that is written while a request is served carries its `request_id`. API keys are struck out of
every line, whoever writes it.
"""

import logging
import secrets
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

_HIDDEN = "[key]"


class _StrikeOut:
    """Replaces secrets wherever they stand in a finished log line."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret for secret in secrets if secret]

    def __call__(self, _logger: Any, _name: str, line: Any) -> str:
        text = str(line)
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text


def _drop_color_message(_logger: Any, _name: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn repeats its message there, with terminal codes
    return event


def configure_logging(level: str, as_json: bool, secrets: Iterable[str] = ()) -> None:
    """Send every logger of the process, uvicorn's included, through one handler on standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_color_message,
    ]
    renderer: list[Processor]
    if as_json:
        # without local variables: one of them may be a secret
        traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        renderer = [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer()]
    else:
        # plain tracebacks: the fancy ones print local variables, and one of those may be a key
        renderer = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                ProcessorFormatter.remove_processors_meta,
                *renderer,
                _StrikeOut(secrets),
            ],
        )
    )
    root = logging.getLogger()
    # ours alone is replaced: whoever added another (a test, an embedding program) still wants it
    others = [known for known in root.handlers if not isinstance(known.formatter, ProcessorFormatter)]
    root.handlers[:] = [*others, handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # one line a request is written by api/middleware.py, with more in it
    logging.getLogger("uvicorn.access").disabled = True
    # third parties talk of every byte at DEBUG and of their internals at INFO
    for name in ("botocore", "aiobotocore", "urllib3", "numba", "matplotlib", "phonemizer", "TTS", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)


_facts: ContextVar[dict[str, Any] | None] = ContextVar("voz_request_facts", default=None)


def begin_request(request_id: str) -> dict[str, Any]:
    """Mark every log line of this task with `request_id`; returns what the request's own line will say."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    facts: dict[str, Any] = {}
    _facts.set(facts)
    return facts


def current_request_id() -> str:
    """The id of the request that this task serves; a new one outside of a request."""
    known = structlog.contextvars.get_contextvars().get("request_id")
    return str(known) if known else secrets.token_hex(8)


def mark_lines(**marks: str) -> None:
    """Put these on every further log line of this task, as `request_id` is."""
    structlog.contextvars.bind_contextvars(**marks)


def note(**facts: Any) -> None:
    """Add facts (such as `audio_seconds`) to the line that this request will log when it ends."""
    current = _facts.get()
    if current is not None:
        current.update(facts)


def noted() -> dict[str, Any]:
    """The facts of this request so far."""
    return _facts.get() or {}
