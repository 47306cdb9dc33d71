"""Exceptions -> problem details (RFC 9457). The one place that knows a status for each error.

The tree itself is drawn in `core/errors.py`.
"""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from src.core import errors
from src.core.telemetry import note

log = logging.getLogger(__name__)

REQUEST_ID = "X-Request-ID"
TOO_LARGE = "the body is larger than this route takes (MAX_UPLOAD_MB, MAX_TEXT_CHARS)"
CUT_OFF = "cut"
"""The problem of an answer that the server cut off because it is stopping."""
_MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[errors.VozError], tuple[int, str, str]] = {
    errors.Unauthorized: (401, "unauthorized", "No valid API key"),
    errors.Forbidden: (403, "forbidden", "Link expired or not valid"),
    errors.NotFound: (404, "not-found", "Not found"),
    errors.TooSlow: (408, "too-slow", "The request did not arrive in time"),
    errors.TooLarge: (413, "too-large", "Too large"),
    errors.NotAudio: (415, "not-audio", "Not decodable as audio"),
    errors.InvalidInput: (422, "invalid-input", "Invalid input"),
    errors.RateLimited: (429, "rate-limited", "Over the limit of this key"),
    errors.EngineFailed: (500, "engine-failed", "The model failed on this input"),
    errors.Overloaded: (503, "overloaded", "Too much work at once"),
    errors.DeadlineExceeded: (503, "deadline-exceeded", "The request took too long"),
    errors.EngineStopped: (503, "engine-stopped", "The engine has stopped"),
    errors.StorageUnavailable: (503, "storage-unavailable", "Storage is not available"),
}


class WrongField(BaseModel):
    field: str = Field(description="Where in the request, dots between the levels.", examples=["speed"])
    message: str = Field(examples=["Input should be less than or equal to 2"])


class Problem(BaseModel):
    """What every error answers (RFC 9457)."""

    type: str = Field(
        description="Which kind of error; stable, for programs.", examples=["urn:voz:not-audio"]
    )
    title: str = Field(description="The kind of error in words.", examples=["Not decodable as audio"])
    status: int = Field(description="The HTTP status.", examples=[415])
    detail: str = Field(description="What was wrong this time.", examples=["the file is empty"])
    request_id: str = Field(description="Stands in the server's log, too.", examples=["3f0c9a52b7e84d1f"])
    errors: list[WrongField] = Field(
        default=[], description="Each field that is wrong; left out where no single one is."
    )


class ClientGone(Exception):
    """The caller closed the connection; there is nobody to answer."""


def describe(error: errors.VozError) -> tuple[int, str, str]:
    """Status, type and title of an error."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 500, "internal", "Internal error"


def problem(
    request_id: str, status: int, kind: str, title: str, detail: str, wrong: Sequence[WrongField] = ()
) -> JSONResponse:
    """The response itself."""
    note(problem=kind)
    body = Problem(
        type=f"urn:voz:{kind}",
        title=title,
        status=status,
        detail=detail,
        request_id=request_id,
        errors=list(wrong),
    )
    return JSONResponse(body.model_dump(exclude_defaults=True), status, media_type=_MEDIA_TYPE)


def answer(error: Exception, request_id: str) -> JSONResponse:
    """The problem that tells `error` to the caller. What we did not expect is told nothing about."""
    if isinstance(error, errors.VozError):
        status, kind, title = describe(error)
        response = problem(request_id, status, kind, title, str(error))
        if isinstance(error, errors.Unauthorized):
            response.headers["WWW-Authenticate"] = "ApiKey"
        retry_after = getattr(error, "retry_after", None)
        if retry_after is not None:
            response.headers["Retry-After"] = str(max(1, round(retry_after)))
        return response
    return problem(
        request_id, 500, "internal", "Internal error", "the server failed; its log has the request_id"
    )


def log_failure(error: Exception) -> None:
    """Log what went wrong, if it was the server that failed; what we did not expect with a traceback."""
    if not isinstance(error, errors.VozError):
        log.error("unexpected %s", type(error).__name__, exc_info=error)
    elif isinstance(error, errors.Overloaded | errors.DeadlineExceeded | errors.EngineStopped):
        # the server does what it is meant to; and a traceback for each of many would be work, too
        log.warning("%s: %s", type(error).__name__, error)
    elif describe(error)[0] >= 500:
        log.error("%s: %s", type(error).__name__, error, exc_info=error)


def status_of(kind: str) -> int:
    """The status of a problem's kind, e.g. 500 of `engine-failed`."""
    if kind == CUT_OFF:
        return 503
    return next((status for status, known, _ in _STATUS.values() if known == kind), 500)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer these errors."""
    known = {status: title for status, _, title in _STATUS.values()}
    known |= {503: "Full, stopping, too slow, or without storage"}
    # not `model=`: FastAPI would document it as application/json, which it is not
    content = {_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": known[status], "content": content} for status in statuses}


def describe_problems(document: dict[str, Any]) -> None:
    """Put what `problems` refers to into an OpenAPI document."""
    _, models = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= models["$defs"]


def install(app: FastAPI) -> None:
    """Let the app answer every error as a problem."""

    @app.exception_handler(errors.VozError)
    async def on_voz_error(request: Request, error: errors.VozError) -> JSONResponse:
        log_failure(error)
        return answer(error, request.state.request_id)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = [
            WrongField(field=".".join(str(part) for part in item["loc"][1:]) or "body", message=item["msg"])
            for item in error.errors()
        ]
        detail = "; ".join(f"{item.field}: {item.message}" for item in found)
        return problem(request.state.request_id, 422, "invalid-input", "Invalid input", detail, found)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        behind = _while_reading(error.__cause__)
        if behind is not None:
            return await on_voz_error(request, behind)
        status = HTTPStatus(error.status_code)
        if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return answer(errors.TooLarge(TOO_LARGE), request.state.request_id)
        if status is HTTPStatus.BAD_REQUEST:  # a body that is no form, or no JSON in UTF-8
            return answer(errors.InvalidInput(str(error.detail)), request.state.request_id)
        kind = status.phrase.lower().replace(" ", "-")
        response = problem(request.state.request_id, status, kind, status.phrase, str(error.detail))
        response.headers.update(error.headers or {})
        return response


def _while_reading(cause: BaseException | None) -> errors.VozError | None:
    """What kept FastAPI from reading a body, which it always takes for the caller's mistake (400).

    Raises:
        ClientGone: the caller left.
    """
    if isinstance(cause, ClientDisconnect):
        raise ClientGone
    if isinstance(cause, OSError):  # of the file that an upload passes through
        failed = errors.StorageUnavailable(
            f"the upload cannot be kept while it is read: {cause.strerror or type(cause).__name__}",
            retry_after=60,
        )
        failed.__cause__ = cause
        return failed
    return cause if isinstance(cause, errors.VozError) else None
