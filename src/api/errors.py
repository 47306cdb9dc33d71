"""Turns exceptions into responses: the status of each error, and the shapes of error bodies.

`src/errors.py` shows the tree of exceptions.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState

from src import errors
from src.api.messages import explain
from src.api.policy import ErrorShape, policy_of
from src.observability.telemetry import annotate, origin

log = logging.getLogger(__name__)

REQUEST_ID = "X-Request-ID"
TOO_LARGE = "the body is larger than this route takes (MAX_UPLOAD_MB, MAX_TEXT_CHARS)"
CUT_OFF = "cut"
"""Problem type of a response that the server cut off because it is stopping."""
_MEDIA_TYPE = "application/problem+json"
_MAX_WRONG = 10
"""Maximum number of invalid fields that are listed. The others are only counted."""
_MAX_NAME = 100
"""Maximum number of characters of a field's name in an error message."""
_POLICY_VIOLATION, _INTERNAL_ERROR, _TRY_AGAIN_LATER = 1008, 1011, 1013
"""Close codes of WebSockets (RFC 6455 and IANA's registry)."""
_REASON_BYTES = 123
"""Maximum number of bytes of the reason in a close frame."""

_STATUS: dict[type[errors.VozError], tuple[int, str, str]] = {
    errors.Unauthorized: (401, "unauthorized", "No valid API key"),
    errors.OriginRefused: (403, "origin-refused", "Origin not allowed"),
    errors.Forbidden: (403, "forbidden", "Link expired or not valid"),
    errors.UnknownModel: (404, "model-not-found", "No such model"),
    errors.NotFound: (404, "not-found", "Not found"),
    errors.TooSlow: (408, "too-slow", "The request did not arrive in time"),
    errors.TooLarge: (413, "too-large", "Too large"),
    errors.NotAudio: (415, "not-audio", "Not decodable as audio"),
    errors.InvalidInput: (422, "invalid-input", "Invalid input"),
    errors.RateLimited: (429, "rate-limited", "Over a limit"),
    errors.EngineFailed: (500, "engine-failed", "The model failed on this input"),
    errors.Overloaded: (503, "overloaded", "Too much work at once"),
    errors.DeadlineExceeded: (503, "deadline-exceeded", "The request took too long"),
    errors.EngineStopped: (503, "engine-stopped", "The engine has stopped"),
    errors.FetchFailed: (422, "fetch-failed", "The address cannot be fetched"),
    errors.JobsUnavailable: (503, "jobs-unavailable", "The database of jobs is not available"),
    errors.StorageUnavailable: (503, "storage-unavailable", "Storage is not available"),
}


class WrongField(BaseModel):
    field: str = Field(
        description="Path of the field in the request, with dots between the levels.", examples=["speed"]
    )
    message: str = Field(examples=["Input should be less than or equal to 2"])


class Problem(BaseModel):
    """What every error answers (RFC 9457)."""

    type: str = Field(
        description="Identifier of the kind of error, for programs. It does not change.",
        examples=["urn:voz:not-audio"],
    )
    title: str = Field(description="The kind of error in words.", examples=["Not decodable as audio"])
    status: int = Field(description="The HTTP status.", examples=[415])
    detail: str = Field(description="Description of this error.", examples=["the file is empty"])
    request_id: str = Field(
        description="Id of the request, which is in the server's log as well.", examples=["3f0c9a52b7e84d1f"]
    )
    errors: list[WrongField] = Field(
        default=[], description="Fields with errors; absent if the error is not about single fields."
    )


class OpenAIErrorBody(BaseModel):
    message: str = Field(examples=["the file is empty"])
    type: str = Field(description="The kind of error.", examples=["invalid_request_error"])
    param: str | None = Field(
        description="The field with the error; null if it is not about a single field.", examples=["model"]
    )
    code: str | None = Field(
        description="Identifier of the error, for programs.", examples=["model_not_found"]
    )


class OpenAIError(BaseModel):
    """What every error of `/v1` answers, as OpenAI's clients read it."""

    error: OpenAIErrorBody


_DOCUMENTED: dict[ErrorShape, tuple[str, type[BaseModel]]] = {
    ErrorShape.PROBLEM: (_MEDIA_TYPE, Problem),
    ErrorShape.OPENAI: ("application/json", OpenAIError),
}
"""Media type and schema of each shape."""


class ClientGone(Exception):
    """The caller closed the connection, so there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as a caller sees it, before it is rendered in a shape."""

    status: int
    kind: str
    title: str
    detail: str
    wrong: tuple[WrongField, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def describe(error: errors.VozError) -> tuple[int, str, str]:
    """Status, type and title of an error."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 500, "internal", "Internal error"


def failure_of(error: Exception) -> Failure:
    """The failure to report for `error`. An unexpected error gives no details."""
    if not isinstance(error, errors.VozError):
        return Failure(500, "internal", "Internal error", "the server failed; its log has the request_id")
    headers = {}
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = "ApiKey"
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    field = getattr(error, "field", "")
    wrong = (WrongField(field=field, message=str(error)),) if field else ()
    return Failure(*describe(error), str(error), wrong, headers)


def _as_problem(failure: Failure, request_id: str) -> JSONResponse:
    body = Problem(
        type=f"urn:voz:{failure.kind}",
        title=failure.title,
        status=failure.status,
        detail=failure.detail,
        request_id=request_id,
        errors=list(failure.wrong),
    )
    return JSONResponse(body.model_dump(exclude_defaults=True), failure.status, media_type=_MEDIA_TYPE)


def _as_openai(failure: Failure, request_id: str) -> JSONResponse:
    """OpenAI's shape. The request id is in the X-Request-ID header, as in OpenAI's API."""
    kind = _OPENAI_TYPES.get(
        failure.status, "server_error" if failure.status >= 500 else "invalid_request_error"
    )
    param = failure.wrong[0].field if failure.wrong else None
    param = param and param.partition(".")[0].removesuffix("[]")
    param = _OPENAI_PARAMS.get(param or "", param)
    code = _OPENAI_CODES.get(failure.kind, failure.kind.replace("-", "_"))
    error = {"message": failure.detail, "type": kind, "param": param, "code": code}
    # OpenAI knows no 422
    return JSONResponse({"error": error}, 400 if failure.status == 422 else failure.status)


_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_OPENAI_CODES = {"unauthorized": "invalid_api_key", "rate-limited": "rate_limit_exceeded"}
"""Codes that OpenAI's clients look for, where ours has another name."""
_OPENAI_PARAMS = {"text": "input"}
"""Fields that have another name in OpenAI's API."""
_SHAPES = {ErrorShape.PROBLEM: _as_problem, ErrorShape.OPENAI: _as_openai}


def explained(error: Exception) -> dict[str, Any]:
    """A failure as a part of another body: without the id of a request."""
    failure = failure_of(error)
    return {
        "type": f"urn:voz:{failure.kind}",
        "title": failure.title,
        "status": failure.status,
        "detail": failure.detail,
    }


def render(failure: Failure, request_id: str, shape: ErrorShape = ErrorShape.PROBLEM) -> JSONResponse:
    """The response itself."""
    annotate(problem=failure.kind)
    response = _SHAPES[shape](failure, request_id)
    response.headers.update(failure.headers)
    return response


def answer_to(scope: Scope, error: Exception | Failure) -> JSONResponse:
    """The response for `error`, in the shape that the route's policy names."""
    failure = failure_of(error) if isinstance(error, Exception) else error
    return render(failure, scope["state"]["request_id"], policy_of(scope).errors)


async def refuse(scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
    """Answer `error` to a request, or to a WebSocket that was not accepted yet."""
    response = answer_to(scope, error)
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})  # the server answers 403
        return
    await response(scope, receive, send)


async def close(send: Send, error: Exception, code: int | None = None) -> None:
    """Close an accepted WebSocket because of `error`, with `code` or the one that fits."""
    failure = failure_of(error)
    annotate(problem=failure.kind)
    if code is None:
        busy = failure.status in (429, 503)
        code = _TRY_AGAIN_LATER if busy else _INTERNAL_ERROR if failure.status >= 500 else _POLICY_VIOLATION
    reason = failure.detail.encode()[:_REASON_BYTES].decode(errors="ignore")
    await send({"type": "websocket.close", "code": code, "reason": reason})


def log_failure(error: Exception) -> None:
    """Log an error of the server. An unexpected one is logged with its traceback."""
    if not isinstance(error, errors.VozError):
        log.error("unexpected %s", origin(error), exc_info=error)
    elif isinstance(error, errors.Overloaded | errors.DeadlineExceeded | errors.EngineStopped):
        # the server works as designed, and a traceback for each of many requests would cost time
        log.warning("%s: %s", type(error).__name__, error)
    elif describe(error)[0] >= 500:
        log.error("%s: %s", type(error).__name__, error, exc_info=error)


def status_of(kind: str) -> int:
    """The HTTP status of a kind of problem, e.g. 500 for `engine-failed`."""
    if kind == CUT_OFF:
        return 503
    return next((status for status, known, _ in _STATUS.values() if known == kind), 500)


def problems(*statuses: int, shape: ErrorShape = ErrorShape.PROBLEM) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer these errors."""
    known = {status: title for status, _, title in _STATUS.values()}
    known |= {400: "Invalid input", 404: "Not found", 503: "Full, stopping, too slow, or without storage"}
    # not `model=`: FastAPI would document it as application/json, which it is not
    media_type, schema = _DOCUMENTED[shape]
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}}}
    return {status: {"description": known[status], "content": content} for status in statuses}


def describe_problems(document: dict[str, Any]) -> None:
    """Add the schemas that `problems` refers to to an OpenAPI document."""
    _, models = models_json_schema(
        [(schema, "serialization") for _, schema in _DOCUMENTED.values()],
        ref_template="#/components/schemas/{model}",
    )
    document["components"]["schemas"] |= models["$defs"]


def install(app: FastAPI) -> None:
    """Let the app answer every error in the shape of its route."""

    @app.exception_handler(errors.VozError)
    async def on_voz_error(request: HTTPConnection, error: errors.VozError) -> JSONResponse | None:
        log_failure(error)
        if isinstance(request, WebSocket):
            await _end(request, error)
            return None
        return answer_to(request.scope, error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer_to(request.scope, _invalid(error.errors(), request.headers.get("content-type", "")))

    @app.exception_handler(HTTPException)
    async def on_http(request: HTTPConnection, error: HTTPException) -> JSONResponse | None:
        behind = _while_reading(error.__cause__)
        if behind is not None:
            return await on_voz_error(request, behind)
        failure = _of_http(error)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # Starlette names the methods of the first route of this path alone
            allowed = ", ".join(sorted(set(_methods(request.app.routes, request.scope))))
            failure = replace(failure, headers={"Allow": allowed})
        if isinstance(request, WebSocket):
            await _end(request, errors.InvalidInput(failure.detail))
            return None
        return answer_to(request.scope, failure)


def _methods(routes: Iterable[Any], scope: Scope) -> Iterator[str]:
    """The methods of all routes that a path has."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _methods(included.routes, scope)
        elif isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            yield from route.methods or ()


async def _end(websocket: WebSocket, error: Exception) -> None:
    if websocket.application_state is WebSocketState.CONNECTING:
        await refuse(websocket.scope, websocket.receive, websocket.send, error)
    else:
        await close(websocket.send, error)


def _invalid(found: Sequence[Mapping[str, Any]], content_type: str) -> Failure:
    """The invalid fields of a request: the first ones, and the number of the others."""
    explained = [explain(item, content_type) for item in found[:_MAX_WRONG]]
    wrong = tuple(WrongField(field=field[:_MAX_NAME], message=message) for field, message in explained)
    detail = "; ".join(f"{item.field}: {item.message}" for item in wrong)
    more = len(found) - len(wrong)
    return Failure(
        422, "invalid-input", "Invalid input", f"{detail}; and {more} more" if more else detail, wrong
    )


def _of_http(error: HTTPException) -> Failure:
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return failure_of(errors.TooLarge(TOO_LARGE))
    if status is HTTPStatus.BAD_REQUEST and "maximum size" in str(error.detail):
        return failure_of(
            errors.InvalidInput(
                f"a field is too long ({error.detail}); if it is the recording, its part needs a filename"
            )
        )
    if status is HTTPStatus.BAD_REQUEST:  # a body that is no form, or no JSON in UTF-8
        return failure_of(errors.InvalidInput(str(error.detail)))
    kind = status.phrase.lower().replace(" ", "-")
    return Failure(status, kind, status.phrase, str(error.detail), headers=error.headers or {})


def _while_reading(cause: BaseException | None) -> errors.VozError | None:
    """The error that stopped FastAPI from reading a body. FastAPI always reports it as 400.

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
