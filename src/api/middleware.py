"""What every request goes through, as plain ASGI: an id and a log line, care for unread bodies, then the key.

The key is checked here, before a byte of the body is read: FastAPI parses a form before it runs
dependencies, and a stranger's 200 MB upload is not worth that.
"""

import asyncio
import contextlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.api.errors import REQUEST_ID, TOO_LARGE, ClientGone, answer, log_failure, status_of
from src.core.errors import TooLarge, TooSlow, Unauthorized, VozError
from src.core.metrics import request_ended
from src.core.security import ApiKeys
from src.core.telemetry import begin_request, note

log = logging.getLogger("voz.request")

_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PUBLIC = re.compile(r"/|/docs(/.*)?|/openapi\.json|/health/.*|/files/.*")
_BEARER = re.compile(r"/metrics|/v1/.*")
"""Routes whose usual callers cannot send X-API-Key."""
_LINGER_BYTES = 4 * 2**20
_LINGER_SECONDS = 2.0
_BYTES_A_SECOND = 1024


class RequestLog:
    """Gives each request an id, logs one line when it ends, and answers what nothing else has caught."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = sent if _GOOD_ID.fullmatch(sent) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        facts = begin_request(request_id)
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientGone:
            status = status or 499
        except asyncio.CancelledError:
            status = 499
            raise
        except Exception as error:
            # Starlette wraps an error of ours that comes too late for an answer of its own
            cause = error.__cause__ if isinstance(error.__cause__, VozError) else error
            log_failure(cause)
            response = answer(cause, request_id)
            if status:
                raise  # the answer is under way: the server cuts it off, so that it cannot pass for whole
            await response(scope, receive, send_with_id)
        finally:
            route = getattr(scope.get("route"), "path", scope["path"])
            seconds = time.perf_counter() - started
            # an answer that began well and broke off is counted as what it came to
            broken_off = 200 <= status < 400 and "problem" in facts
            outcome = status_of(facts["problem"]) if broken_off else status
            request_ended(scope, outcome, seconds, facts)
            milliseconds = round(seconds * 1000)
            level = logging.ERROR if outcome >= 500 and outcome != 503 else logging.INFO
            own = {"request_id": request_id, "route": route, "status": status, "ms": milliseconds}
            if broken_off:
                own["broken_off"] = True
            log.log(level, "%s %s %s", scope["method"], route, status, extra=own | facts)


class UnreadBody:
    """Closes the connection after an answer that came before the request's body was read.

    Else the server would go on reading: a refused 200 MB upload must not cost 200 MB. And a client that is
    still sending would lose the answer if the connection were reset under it, so small remains are drained
    first; of a large one no more than a few megabytes or seconds are.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        unread = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

        async def receive_and_see() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def send_and_linger(message: Message) -> None:
            if unread and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if not (unread and last):
                await send(message)
                return
            await send({**message, "more_body": True})
            await _drain(receive_and_see, lambda: unread)
            await send({"type": "http.response.body", "body": b""})

        await self._app(scope, receive_and_see, send_and_linger)


async def _drain(receive: Receive, unread: Callable[[], bool]) -> None:
    seen = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while unread() and seen < _LINGER_BYTES:
                seen += len((await receive()).get("body", b""))


class SlowBody:
    """Gives up on a body that comes too slowly, as Apache's mod_reqtimeout does.

    Only the time in which the server waits for its caller counts. The head is `api/protocol.py`'s business.

    Args:
        seconds: for all of it, and one more for each KiB that has come: slower than any live recording.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        more, left = True, self._seconds

        async def receive_in_time() -> Message:
            nonlocal more, left
            if not more:
                return await receive()  # the caller may take as long as the work does to leave
            started = time.monotonic()
            try:
                async with asyncio.timeout(left):
                    message = await receive()
            except TimeoutError:
                raise TooSlow(
                    f"the body did not arrive within {self._seconds:g} s and a second more for each KiB"
                ) from None
            more = message.get("more_body", False)
            left += len(message.get("body", b"")) / _BYTES_A_SECOND - (time.monotonic() - started)
            return message

        await self._app(scope, receive_in_time, send)


class DeclaredSize:
    """Refuses a request that says it is larger than its route takes, before a byte of it is read.

    The routers' own limit stops what does not say so; but Starlette answers a declared size itself, in plain
    text, where every error of ours is a problem.
    """

    def __init__(self, app: ASGIApp, limits: Mapping[str, int]) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            declared = Headers(scope=scope).get("content-length", "")
            limit = self._limits.get("/" + scope["path"].split("/")[1])
            if limit is not None and declared.isdigit() and int(declared) > limit:
                response = answer(TooLarge(TOO_LARGE), scope["state"]["request_id"])
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


class KeyCheck:
    """Lets in who shows a key; the rest only to the public routes."""

    def __init__(self, app: ASGIApp, keys: ApiKeys, public: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._keys = keys
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._public or _PUBLIC.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        key = headers.get("X-API-Key")
        if key is None and _BEARER.fullmatch(scope["path"]):
            scheme, _, token = headers.get("Authorization", "").partition(" ")
            key = token.strip() if scheme.lower() == "bearer" else None
        await self._keys.refresh()
        name = self._keys.name_of(key)
        if name is None:
            detail = "the X-API-Key header is missing" if key is None else "this API key is not valid"
            response = answer(Unauthorized(detail), scope["state"]["request_id"])
            await response(scope, receive, send)
            return
        scope["state"]["key_name"] = name
        note(key=name)
        await self._app(scope, receive, send)
