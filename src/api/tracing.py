"""A span for each request, as plain ASGI. FastAPI's own would record addresses whole, with the signatures of
links in them, and could tell neither whose key it was nor that the caller left."""

import asyncio

from opentelemetry.trace import StatusCode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.api.errors import ClientGone
from src.core import tracing
from src.core.telemetry import mark_lines, noted

_FACTS = ("key", "audio_seconds", "cached")
_UNTRACED = ("/health/", "/metrics")
"""They are asked every few seconds, and say nothing about anybody's request."""


class RequestTrace:
    """Traces what comes after it in the chain; `RequestLog` must come before it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNTRACED) or not tracing.is_on():
            await self._app(scope, receive, send)
            return
        status = 0

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with tracing.request_span(scope["method"], Headers(scope=scope)) as span:
            if span is None:  # left out by the sampler
                await self._app(scope, receive, send)
                return
            mark_lines(trace_id=tracing.trace_id(span))
            error_type = None
            try:
                await self._app(scope, receive, send_and_see)
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
                facts = noted()
                route = getattr(scope.get("route"), "path", None)
                span.update_name(f"{scope['method']} {route}" if route else scope["method"])
                span.set_attributes(
                    {
                        "http.request.method": scope["method"],
                        "http.response.status_code": status,
                        "voz.request_id": scope["state"]["request_id"],
                        **({"http.route": route} if route else {}),
                        **{f"voz.{name}": facts[name] for name in _FACTS if name in facts},
                    }
                )
                error_type = facts.get("problem", error_type)
                if error_type:
                    span.set_attribute("error.type", error_type)
                if status >= 500:
                    span.set_status(StatusCode.ERROR)
