"""A span for each request.

FastAPI's own instrumentation would record whole URLs, with the signatures of links. It does not know the name
of the key, nor that the caller left.
"""

import asyncio

from opentelemetry.trace import StatusCode
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from src.api.errors import ClientGone
from src.api.middleware.base import HEAD_MESSAGES, SWITCHING_PROTOCOLS, WEBSOCKET, Guard
from src.api.policy import policy_of
from src.observability import tracing
from src.observability.telemetry import current_annotations, mark_lines

_ANNOTATIONS = ("key", "audio_seconds", "cached")


class RequestTrace(Guard):
    """Traces a request through the middlewares after it. `RequestLog` must come before it."""

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send, scope["method"])

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send, WEBSOCKET)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, method: str) -> None:
        if not (policy_of(scope).traced and tracing.is_on()):
            await self.app(scope, receive, send)
            return
        status = 0

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] in HEAD_MESSAGES:
                status = message.get("status", SWITCHING_PROTOCOLS)
            await send(message)

        with tracing.request_span(method, Headers(scope=scope)) as span:
            if span is None:  # left out by the sampler
                await self.app(scope, receive, send)
                return
            mark_lines(trace_id=tracing.trace_id(span))
            error_type = None
            try:
                await self.app(scope, receive, send_and_see)
            except ClientGone:
                status = status or 499
                raise
            except asyncio.CancelledError:
                status = 499
                raise
            except Exception as error:
                status, error_type = status or 500, type(error).__name__
                raise
            finally:
                annotations = current_annotations()
                route = getattr(scope.get("route"), "path", None)
                span.update_name(f"{method} {route}" if route else method)
                span.set_attributes(
                    {
                        "http.request.method": method,
                        "http.response.status_code": status,
                        "voz.request_id": scope["state"]["request_id"],
                        **({"http.route": route} if route else {}),
                        **{f"voz.{name}": annotations[name] for name in _ANNOTATIONS if name in annotations},
                    }
                )
                error_type = annotations.get("problem", error_type)
                if error_type:
                    span.set_attribute("error.type", error_type)
                if status >= 500:
                    span.set_status(StatusCode.ERROR)
