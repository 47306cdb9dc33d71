"""Route policies: what the middlewares must do for each route, in one table.

`RequestLog` looks the policy up once for each connection and leaves it in
`scope["state"]`; `policy_of` reads it there. Paths are those inside the application: a prefix that a proxy
adds (`--root-path`, ROOT_PATH) is no part of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto

from starlette._utils import get_route_path
from starlette.types import Scope

_FORM_OVERHEAD = 2**20
"""Maximum number of bytes of a form besides the file: boundaries, names, other fields."""
_BYTES_PER_CHAR = 12
"""Maximum number of bytes per character of JSON: two escaped surrogates."""
_MAX_INSTRUCTIONS = 4096
"""Characters of `instructions`, which OpenAI's clients send beside the text."""
_MAX_LEXICON = 32 * 1024
"""Maximum number of bytes of `lexicon` beside the text."""
MAX_JSON_BYTES = 8 * 2**20
"""Maximum number of bytes of a request for jobs that is no form: a thousand texts."""
_SMALL_BODY = 4096
"""Maximum number of bytes of a body without a file and without text."""


class Authentication(Enum):
    """How a caller authenticates."""

    KEY = auto()
    """The X-API-Key header."""
    KEY_OR_BEARER = auto()
    """X-API-Key or `Authorization: Bearer`, for callers who cannot send a header of ours."""
    PUBLIC = auto()
    """No key. The route is public, or its URL is signed."""


class ErrorShape(Enum):
    """The shape of an error's body."""

    PROBLEM = auto()
    """Problem details (RFC 9457)."""
    OPENAI = auto()
    """`{"error": {"message", "type", "param", "code"}}`, as OpenAI's clients read it."""


class AdmissionClass(Enum):
    """The engine whose requests in flight are counted."""

    STT = auto()
    TTS = auto()
    LIVE = auto()
    """Live sessions, which keep their place as long as they last."""
    JOBS = auto()
    """No engine: jobs that are being submitted, and readers of events."""


class Direction(StrEnum):
    """Direction of the audio, for the metrics."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePolicy:
    """The policy of one route. The defaults are the strict ones."""

    authentication: Authentication = Authentication.KEY
    key_in_message: bool = False
    """Whether the key of a WebSocket may come in its first message."""
    takes_client_secrets: bool = False
    """Whether a client secret (`access/client_secrets.py`) is as good as a key."""
    body_limit: int = _SMALL_BODY
    """Maximum size of the body in bytes."""
    admission: AdmissionClass | None = None
    """The class in which a place is taken *before* the body is read, because the body may be large or the
    connection may live long. None: a route with a small body takes its place itself, once it knows what is
    asked for. A cached answer needs none."""
    checks_origin: bool = True
    """Whether a WebSocket of a web page must come from an allowed origin (CORS_ALLOW_ORIGINS)."""
    rate_limited: bool = True
    """Whether RATE_LIMIT counts the requests of a key."""
    errors: ErrorShape = ErrorShape.PROBLEM
    direction: Direction | None = None
    traced: bool = True


class RoutePolicies:
    """The policies by path.

    Args:
        table: policies by path, e.g. `/stt`. `/docs/*` is the policy of all paths below that have none.
        default: the policy of every other path.
    """

    def __init__(
        self, table: Mapping[str, RoutePolicy] | None = None, default: RoutePolicy | None = None
    ) -> None:
        table = table or {}
        self._default = default or RoutePolicy()
        self._exact = {path: policy for path, policy in table.items() if not path.endswith("/*")}
        below = [(path[:-1], policy) for path, policy in table.items() if path.endswith("/*")]
        self._below = sorted(below, key=lambda one: -len(one[0]))

    def at(self, path: str) -> RoutePolicy:
        """The policy of a path; one slash at its end makes no difference."""
        path = path.removesuffix("/") or "/"
        if path in self._exact:
            return self._exact[path]
        return next((policy for prefix, policy in self._below if path.startswith(prefix)), self._default)

    def of(self, scope: Scope) -> RoutePolicy:
        """The policy of an ASGI connection. Call it before routing: mounted apps change the scope."""
        return self.at(get_route_path(scope))


def route_policies(
    max_upload_mb: int = 100, max_text_chars: int = 5000, metrics_public: bool = False
) -> RoutePolicies:
    """The policies of Voz's own routes."""
    public = RoutePolicy(authentication=Authentication.PUBLIC)
    upload = RoutePolicy(
        body_limit=max_upload_mb * 2**20 + _FORM_OVERHEAD,
        admission=AdmissionClass.STT,
        direction=Direction.IN,
    )
    text = RoutePolicy(
        body_limit=max_text_chars * _BYTES_PER_CHAR + _MAX_LEXICON + _SMALL_BODY,
        direction=Direction.OUT,
    )
    job = RoutePolicy(body_limit=max(upload.body_limit, MAX_JSON_BYTES), admission=AdmissionClass.JOBS)
    openai = RoutePolicy(authentication=Authentication.KEY_OR_BEARER, errors=ErrorShape.OPENAI)
    openai_upload = replace(upload, authentication=openai.authentication, errors=openai.errors)
    openai_text = replace(
        text,
        body_limit=text.body_limit + _MAX_INSTRUCTIONS * _BYTES_PER_CHAR,
        authentication=openai.authentication,
        errors=openai.errors,
    )
    live = RoutePolicy(
        authentication=Authentication.KEY_OR_BEARER,
        key_in_message=True,
        takes_client_secrets=True,
        admission=AdmissionClass.LIVE,
        direction=Direction.IN,
    )
    return RoutePolicies(
        {
            # the page: static files without data
            "/": public,
            "/web/*": public,
            "/web/config": RoutePolicy(),
            "/docs": public,
            "/docs/*": public,
            "/openapi.json": public,
            "/asyncapi.yaml": public,
            "/health/*": RoutePolicy(authentication=Authentication.PUBLIC, traced=False),
            "/files/*": public,
            "/metrics": RoutePolicy(
                authentication=Authentication.PUBLIC if metrics_public else Authentication.KEY_OR_BEARER,
                rate_limited=False,
                traced=False,
            ),
            "/stt": upload,
            "/stt/language": upload,
            "/stt/live": live,
            # a session that has its place already
            "/stt/live/*": replace(live, admission=None, rate_limited=False),
            "/v1/realtime": replace(live, key_in_message=False, errors=ErrorShape.OPENAI),
            "/realtime": replace(live, key_in_message=False, errors=ErrorShape.OPENAI),
            "/tts": text,
            "/tts/stream": text,
            "/jobs": job,
            "/jobs/*": RoutePolicy(),
            # also for clients that know of it from `/v1/audio/voices`
            "/voices/*": RoutePolicy(authentication=Authentication.KEY_OR_BEARER, direction=Direction.OUT),
            "/v1/audio/transcriptions": openai_upload,
            "/v1/audio/translations": openai_upload,
            "/v1/audio/speech": openai_text,
            "/v1/*": openai,
            # the same for clients that leave `/v1` out
            "/audio/transcriptions": openai_upload,
            "/audio/translations": openai_upload,
            "/audio/speech": openai_text,
            "/audio/*": openai,
            "/models": RoutePolicy(authentication=Authentication.KEY_OR_BEARER),
            "/models/*": openai,
        }
    )


def policy_of(scope: Scope) -> RoutePolicy:
    """The policy that `RequestLog` has found for this connection.

    Raises:
        KeyError: `RequestLog` is not the outermost middleware. The request must not go on.
    """
    policy: RoutePolicy = scope["state"]["policy"]
    return policy
