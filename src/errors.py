"""All exceptions of Voz, as one tree.

    VozError
    ├── StartupError               the server cannot start; the message says what to do
    │   ├── ConfigurationError     a setting is missing or wrong
    │   ├── ModelUnavailable       no source of a model's weights worked
    │   ├── StorageMisconfigured   the bucket is missing, elsewhere, or refuses the credentials
    │   └── DatabaseUnavailable    the database of jobs cannot be opened
    ├── Unauthorized               no API key, or a wrong one
    ├── Forbidden                  a signed link that is tampered with or has expired
    │   └── OriginRefused          a web page of an origin that is not allowed
    ├── InvalidInput               understood, but cannot be worked on (unknown language, empty text)
    ├── NotFound                   there is no such thing
    │   └── UnknownModel           no model has this name
    ├── TooLarge                   more bytes, seconds or characters than a limit allows
    ├── TooSlow                    the request does not arrive in time (UPLOAD_TIMEOUT)
    ├── NotAudio                   the upload cannot be decoded as audio
    ├── RateLimited                this key is over its limit
    ├── Overloaded                 the queue is full, or the server is stopping
    ├── DeadlineExceeded           the request took longer than REQUEST_TIMEOUT
    ├── StorageUnavailable         storage did not answer, or refused
    ├── JobsUnavailable            the database of jobs did not answer, or refused
    ├── FetchFailed                an address that a job names cannot be fetched
    ├── EngineStopped              an engine cannot go on; the process is about to start anew
    └── EngineFailed               a model raised; only the rows it was working on are lost

`api/errors.py` alone knows which HTTP status each one has.
"""


class VozError(Exception):
    """Root of the tree. `str(error)` is shown to the caller: it must hold nothing secret."""


class StartupError(VozError):
    """The server cannot start. The message says what was tried and what to do about it."""


class ConfigurationError(StartupError):
    """A setting is missing or wrong."""


class ModelUnavailable(StartupError):
    """No source of a model's weights worked."""


class StorageMisconfigured(StartupError):
    """The bucket is missing or in another region, or the credentials are refused."""


class DatabaseUnavailable(StartupError):
    """The database of jobs cannot be opened or brought up to date."""


class Unauthorized(VozError):
    """No API key was sent, or it is not one of ours."""


class Forbidden(VozError):
    """A signed link has expired, or is not one that we signed."""


class OriginRefused(Forbidden):
    """A web page of an origin that is not allowed (CORS_ALLOW_ORIGINS) opens a WebSocket."""


class InvalidInput(VozError):
    """The request is well formed but cannot be worked on.

    Args:
        field: of the request, if a single one is wrong.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotFound(VozError):
    """There is no such thing."""


class UnknownModel(NotFound):
    """No model of this server has the name that `model` gives."""

    field = "model"


class TooLarge(VozError):
    """The upload, the decoded audio or the text is larger than a limit allows.

    Args:
        field: of the request, if a single one is too large.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class TooSlow(VozError):
    """The request does not arrive in time (UPLOAD_TIMEOUT)."""


class NotAudio(VozError):
    """The upload cannot be decoded as audio."""

    field = "file"


class _Unavailable(VozError):
    """Worth trying again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(_Unavailable):
    """This key is over its limit (RATE_LIMIT)."""


class Overloaded(_Unavailable):
    """The queue is full, or the server is stopping."""


class DeadlineExceeded(_Unavailable):
    """The request took longer than REQUEST_TIMEOUT."""


class StorageUnavailable(_Unavailable):
    """Storage did not answer in time, or refused."""


class JobsUnavailable(_Unavailable):
    """The database of jobs did not answer in time, or refused."""


class FetchFailed(VozError):
    """An address that a job names cannot be fetched.

    Args:
        temporary: whether another try may succeed.
    """

    def __init__(self, message: str, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary


class EngineStopped(_Unavailable):
    """An engine cannot go on: its thread has ended. The process is about to start anew."""


class EngineFailed(VozError):
    """A model raised; only the rows it was working on are lost.

    The message is logged as an error, so it must hold nothing of what the caller wrote or said.
    """
