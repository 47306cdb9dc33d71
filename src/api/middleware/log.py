"""The outermost middleware: request id, policy, log line, and a response to any exception."""

import asyncio
import logging
import re
import secrets
import time
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.api.errors import REQUEST_ID, ClientGone, close, failure_of, log_failure, refuse, status_of
from src.api.middleware.base import HEAD_MESSAGES, SWITCHING_PROTOCOLS, WEBSOCKET, Guard
from src.api.policy import RoutePolicies, RoutePolicy
from src.errors import VozError
from src.observability.metrics import request_ended
from src.observability.telemetry import annotate, begin_request

log = logging.getLogger("voz.request")

_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CLIENT_GONE = 499
_PATH_CHARS = 100
"""Maximum number of characters of an unknown path in the log."""


class RequestLog(Guard):
    """Gives each request an id and its policy, and logs one line when it ends.

    Args:
        policies: of all routes.
    """

    def __init__(self, app: ASGIApp, policies: RoutePolicies) -> None:
        super().__init__(app)
        self._policies = policies

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send, scope["method"])

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send, WEBSOCKET)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, method: str) -> None:
        sent = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = sent if _GOOD_ID.fullmatch(sent) else secrets.token_hex(8)
        policy = self._policies.of(scope)
        scope.setdefault("state", {}).update(request_id=request_id, policy=policy)
        annotations = begin_request(request_id)
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in HEAD_MESSAGES:
                status = message.get("status", SWITCHING_PROTOCOLS)
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            elif message["type"] == "websocket.close":
                status = status or 403  # closed before it was accepted
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientGone:
            status = status or _CLIENT_GONE
        except asyncio.CancelledError:
            status = _CLIENT_GONE
            raise
        except Exception as error:
            # Starlette wraps an error that is raised after the response has begun
            cause = error.__cause__ if isinstance(error.__cause__, VozError) else error
            log_failure(cause)
            if status == SWITCHING_PROTOCOLS:
                await close(send, cause)
            elif status:
                annotate(problem=failure_of(cause).kind)
                raise  # the response has begun: the server cuts it off, so that it cannot pass for whole
            else:
                await refuse(scope, receive, send_with_id, cause)
        finally:
            _ended(scope, method, status, time.perf_counter() - started, policy, annotations)


def _ended(
    scope: Scope, method: str, status: int, seconds: float, policy: RoutePolicy, annotations: dict[str, Any]
) -> None:
    route = getattr(scope.get("route"), "path", None)
    # a response that began well and broke off is counted with the status of its problem
    broken_off = (status == SWITCHING_PROTOCOLS or 200 <= status < 400) and "problem" in annotations
    outcome = status_of(annotations["problem"]) if broken_off else status
    request_ended(method, route, outcome, seconds, annotations, policy.direction)
    # without a route, the path may be any text of any length, with line breaks
    route = route or quote(scope["path"][:_PATH_CHARS])
    own: dict[str, Any] = {
        "request_id": scope["state"]["request_id"],
        "route": route,
        "status": status,
        "ms": round(seconds * 1000),
    }
    if broken_off:
        own["broken_off"] = True
    level = logging.ERROR if outcome >= 500 and outcome != 503 else logging.INFO
    log.log(level, "%s %s %s", method, route, status, extra=own | annotations)
