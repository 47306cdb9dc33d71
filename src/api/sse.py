"""Server-sent events, with a heartbeat so that proxies do not close the connection."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Scope

from src.api.errors import answer_to, log_failure
from src.api.policy import ErrorShape, policy_of
from src.api.streaming import Stream, stream_response

HEARTBEAT_SECONDS = 10.0

Event = tuple[str, dict[str, Any]]
"""Name and data of an event."""


def error_event(scope: Scope, error: Exception) -> Event:
    """What ends a stream that breaks off. OpenAI's clients go by the `type` in its data."""
    data: dict[str, Any] = json.loads(bytes(answer_to(scope, error).body))
    if policy_of(scope).errors is ErrorShape.OPENAI:
        return "error", {"type": "error", **data}
    return "error", data


async def event_stream(request: Request, events: AsyncGenerator[Event, None]) -> StreamingResponse:
    """A response of `events`. If they fail midway, the last event is an error in the shape of the route."""

    async def write(stream: Stream[Event]) -> AsyncIterator[bytes]:
        while True:
            if not await stream.arrives(HEARTBEAT_SECONDS):
                yield KEEPALIVE_COMMENT
                continue
            try:
                name, data = await anext(stream)
            except StopAsyncIteration:
                return
            except Exception as error:
                log_failure(error)
                name, data = error_event(request.scope, error)
                yield format_sse_event(event=name, data_str=json.dumps(data, ensure_ascii=False))
                return
            else:
                yield format_sse_event(event=name, data_str=json.dumps(data, ensure_ascii=False))

    return await stream_response(
        request,
        events,
        write,
        first_within=HEARTBEAT_SECONDS,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )
