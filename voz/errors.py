"""All exceptions of the client, as one tree.

VozError
├── ConnectionFailed   no server answers at this address, or the connection broke
├── TimedOut           the server did not answer in time
├── BrokenOff          a streamed answer ended before it was whole
└── ApiError           the server answered with an error
    ├── Unauthorized   401: no valid API key
    ├── Forbidden      403
    ├── NotFound       404
    ├── Conflict       409
    ├── TooLarge       413
    ├── NotAudio       415: the file cannot be decoded as audio
    ├── InvalidInput   422 and 400: `errors` says which field is wrong
    ├── RateLimited    429: this key is over its limit
    └── ServerError    5xx
        └── Unavailable  503: too much work at once, stopping, or without storage
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


class VozError(Exception):
    """Root of the tree."""


class ConnectionFailed(VozError):
    """No server answers at this address, or the connection broke."""


class TimedOut(VozError):
    """The server did not answer in time."""


class BrokenOff(VozError):
    """A streamed answer ended before it was whole."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """A field of the request that is wrong."""

    field: str
    message: str


class ApiError(VozError):
    """The server answered with an error. `str(error)` is its `detail`, with the request's id."""

    def __init__(
        self,
        detail: str,
        *,
        status: int = 0,
        kind: str = "",
        title: str = "",
        request_id: str = "",
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{detail} (request {request_id})" if request_id else detail)
        self.detail = detail
        """What was wrong this time."""
        self.status = status
        """The HTTP status."""
        self.kind = kind
        """Which kind of error; stable, for programs: `not-audio`, `overloaded`, ..."""
        self.title = title
        """The kind of error in words."""
        self.request_id = request_id
        """The request's id, which is also in the server's log."""
        self.errors = errors
        """Each field that is wrong."""
        self.retry_after = retry_after
        """Seconds after which the server asks to try again; None: it does not say."""

    @classmethod
    def of(
        cls,
        status: int,
        problem: Mapping[str, Any],
        *,
        request_id: str = "",
        retry_after: float | None = None,
    ) -> Self:
        """The error for a problem (RFC 9457), in the class of its status."""
        chosen: type[Any] = _CLASSES.get(status, ServerError if status >= 500 else ApiError)
        title = str(problem.get("title") or f"HTTP status {status}")
        found = problem.get("errors") or ()
        error: Self = chosen(
            str(problem.get("detail") or title),
            status=status,
            kind=str(problem.get("type") or "").removeprefix("urn:voz:"),
            title=title,
            request_id=str(problem.get("request_id") or request_id),
            errors=tuple(
                FieldError(str(one.get("field", "")), str(one.get("message", "")))
                for one in found
                if isinstance(one, Mapping)
            ),
            retry_after=retry_after,
        )
        return error


class Unauthorized(ApiError):
    """401: no API key, or not one of the server's."""


class Forbidden(ApiError):
    """403."""


class NotFound(ApiError):
    """404: there is no such thing."""


class Conflict(ApiError):
    """409."""


class TooLarge(ApiError):
    """413: more bytes, seconds or characters than the server takes."""


class NotAudio(ApiError):
    """415: the file cannot be decoded as audio."""


class InvalidInput(ApiError):
    """422: understood, but it cannot be worked on; `errors` says which field is wrong."""


class RateLimited(ApiError):
    """429: this key is over its limit."""


class ServerError(ApiError):
    """5xx: the server failed."""


class Unavailable(ServerError):
    """503: too much work at once, the server is stopping, or it has no storage."""


_CLASSES: dict[int, type[ApiError]] = {
    400: InvalidInput,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    415: NotAudio,
    422: InvalidInput,
    429: RateLimited,
    503: Unavailable,
}
