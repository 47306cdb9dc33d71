"""Logging, as text for a terminal or as JSON.

Each line that is written during a request carries its `request_id`. API keys are removed from every line,
whoever writes it. No line above DEBUG contains what a caller wrote or said. Libraries put their input into
the messages of exceptions. So a traceback shows an exception's message only if its kind is known to be about
the machine and not about the input, or if LOG_LEVEL is DEBUG.
"""

import logging
import re
import secrets
import sqlite3
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, ExcInfo, Processor

from src.errors import VozError

_HIDDEN = "[key]"
_NO_MESSAGE = "[the message is shown with LOG_LEVEL=DEBUG]"
_OF_THE_MACHINE = (VozError, OSError, MemoryError, ImportError, sqlite3.Error)
_LIBRARIES_OF_THE_MACHINE = frozenset({"aiobotocore", "aiohttp", "botocore", "torch", "urllib3"})
_RUNTIME_OF_THE_MACHINE = re.compile(
    r"CUDA|cuDNN|cuBLAS|could not create a|.*out of memory|[^\s:]+:\d+: bad argument to internal function\Z",
    re.IGNORECASE,
)
"""What torch, its libraries and the interpreter say in a RuntimeError or a SystemError. In another kind of
exception the same words may be a caller's."""
_BROKEN_RULE = re.compile(
    r"(?P<callable><[a-z -]+ '?[\w.]+)?.*"
    r"(?P<rule> returned (a result with an exception set|NULL without setting an exception))",
    re.DOTALL,
)
"""What Python says of a callable, mostly one written in C, that breaks the rule of what it has to return. The
rest of the callable's text may be its object, with what a caller wrote."""
_PATH_PARTS = 3
_MESSAGE_CHARS = 200
"""How much of a source file's path, and of a message, `origin` gives."""


class _StrikeOut:
    """Replaces secrets in a finished log line."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret for secret in secrets if secret]

    def __call__(self, _logger: Any, _name: str, line: Any) -> str:
        text = str(line)
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text


def _message(error: BaseException) -> str:
    """The part of an exception's message that may be logged."""
    text = str(error)
    if (
        isinstance(error, _OF_THE_MACHINE)
        or type(error).__module__.partition(".")[0] in _LIBRARIES_OF_THE_MACHINE
        or (isinstance(error, RuntimeError | SystemError) and _RUNTIME_OF_THE_MACHINE.match(text))
        or logging.getLogger().isEnabledFor(logging.DEBUG)
    ):
        return text
    if isinstance(error, SystemError) and (broken := _BROKEN_RULE.fullmatch(text)):
        return f"{broken['callable'] or '<'}...>{broken['rule']}"
    return _NO_MESSAGE if text else ""


def origin(error: BaseException) -> str:
    """An exception and its causes in one line, with the place where each was raised.

    It is for the first line of a log entry. A traceback starts with dozens of calls of middleware, and who
    shows the log may cut it before the innermost.
    """
    return ", from ".join(reversed([_raised(one) for one, _ in _with_causes(error)]))


def _raised(error: BaseException) -> str:
    message = " ".join(_message(error).split())[:_MESSAGE_CHARS]
    said = type(error).__qualname__ + (f": {message}" if message not in ("", _NO_MESSAGE) else "")
    calls = traceback.extract_tb(error.__traceback__)
    if not calls:
        return said
    file = "/".join(Path(calls[-1].filename).parts[-_PATH_PARTS:])
    return f"{said} (in {calls[-1].name}, {file}:{calls[-1].lineno})"


def _with_causes(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """The causes of an exception and then itself, each with the sentence that links it to the next."""
    chain: list[tuple[BaseException, str]] = []
    link = ""
    following: BaseException | None = error
    while following is not None and all(following is not known for known, _ in chain):
        chain.append((following, link))
        cause, context = following.__cause__, following.__context__
        link = (
            "The above exception was the direct cause of the following exception:"
            if cause is not None
            else "During handling of the above exception, another exception occurred:"
        )
        following = cause if cause is not None else None if following.__suppress_context__ else context
    return reversed(chain)


def _write_traceback(out: TextIO, info: ExcInfo) -> None:
    """Write a traceback as Python prints it, except for messages that may not be logged."""
    for error, link in _with_causes(info[1]):
        out.write("Traceback (most recent call last):\n")
        out.write("".join(traceback.format_tb(error.__traceback__)))
        message = _message(error)
        out.write(type(error).__qualname__ + (f": {message}" if message else "") + "\n")
        for part in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
            _write_traceback(out, (type(part), part, part.__traceback__))
        if link:
            out.write(f"\n{link}\n\n")


class _TracebackForMachines:
    """The traceback as data, without local variables: one of them may be a secret."""

    def __init__(self) -> None:
        self._transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)

    def __call__(self, exc_info: ExcInfo) -> list[dict[str, Any]]:
        stacks = self._transform(exc_info)
        messages = {
            type(one).__name__: _message(one) for one in _involved(exc_info[1]) if _message(one) != str(one)
        }
        _hide(stacks, messages)
        return stacks


def _involved(error: BaseException) -> Iterator[BaseException]:
    for one, _ in _with_causes(error):
        yield one
        for part in one.exceptions if isinstance(one, BaseExceptionGroup) else ():
            yield from _involved(part)


def _hide(stacks: list[dict[str, Any]], messages: Mapping[str, str]) -> None:
    """Replace the messages of exceptions of some types by what may be logged of them."""
    for stack in stacks:
        if stack["exc_type"] in messages:
            stack["exc_value"], stack["exc_notes"] = messages[stack["exc_type"]], []
        for group in stack.get("exceptions") or ():
            _hide(group, messages)


def _drop_color_message(_logger: Any, _name: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn repeats its message there, with terminal codes
    event.pop("_ray_timestamp_ns", None)  # Ray adds it to every record of its processes
    return event


_ABOUT_WEBSOCKETS = (
    '%s - "WebSocket %s"',  # with the whole address, in which there may be a secret
    "ASGI callable returned without completing handshake",  # said of every refusal
    "connection open",
    "connection rejected",
    "connection closed",
)


def _is_no_websocket_line(record: logging.LogRecord) -> bool:
    """Drop uvicorn's lines about WebSockets: api/middleware/log.py writes one line for each."""
    return not str(record.msg).startswith(_ABOUT_WEBSOCKETS)


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
        renderer = [
            structlog.processors.ExceptionRenderer(_TracebackForMachines()),
            structlog.processors.JSONRenderer(),
        ]
    else:
        renderer = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_traceback)
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
    # only our own handler is replaced: a test or an embedding program may have added another
    others = [known for known in root.handlers if not isinstance(known.formatter, ProcessorFormatter)]
    root.handlers[:] = [*others, handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # api/middleware/log.py writes a fuller line for each request
    logging.getLogger("uvicorn.access").disabled = True
    server = logging.getLogger("uvicorn.error")
    server.removeFilter(_is_no_websocket_line)
    server.addFilter(_is_no_websocket_line)
    # libraries log every byte at DEBUG, and their internals at INFO
    for name in (
        "botocore",
        "aiobotocore",
        "urllib3",
        "numba",
        "matplotlib",
        "phonemizer",
        "TTS",
        "httpx",
        "httpx2",
        "alembic",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)


_annotations: ContextVar[dict[str, Any] | None] = ContextVar("voz_request_annotations", default=None)


def begin_request(request_id: str) -> dict[str, Any]:
    """Mark every log line of this task with `request_id`; returns the request's annotations."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    annotations: dict[str, Any] = {}
    _annotations.set(annotations)
    return annotations


def current_request_id() -> str:
    """The id of the request that this task serves; a new id outside a request."""
    known = structlog.contextvars.get_contextvars().get("request_id")
    return str(known) if known else secrets.token_hex(8)


def mark_lines(**marks: str) -> None:
    """Add these fields to every further log line of this task."""
    structlog.contextvars.bind_contextvars(**marks)


def annotate(**annotations: Any) -> None:
    """Add annotations (such as `audio_seconds`) to the line that is logged when this request ends."""
    current = _annotations.get()
    if current is not None:
        current.update(annotations)


def current_annotations() -> dict[str, Any]:
    """The annotations of this request so far."""
    return _annotations.get() or {}
