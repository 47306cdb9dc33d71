"""A small server whose answers a test scripts, for the client's tests: real sockets, no models."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

WHOLE = {
    "text": "Hello there.",
    "language": "en",
    "language_probability": 0.9,
    "duration": 2.0,
    "model": "base",
    "a_field_of_tomorrow": 1,
}
SEGMENT = {
    "id": 0,
    "start": 0.0,
    "end": 1.5,
    "text": "Hello there.",
    "avg_logprob": -0.1,
    "no_speech_prob": 0.0,
}


@dataclass
class Script:
    """The next answers of the server, and the requests that it has received."""

    answers: deque[Response] = field(default_factory=deque)
    """Taken one by one; with none left, a call succeeds."""
    stream: list[bytes] = field(default_factory=list)
    """Pieces of a streamed body."""
    breaks_off: bool = False
    """Cut the connection after them."""
    waits: float = 0.0
    """Seconds before the answer."""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    endless: bool = False
    """Go on sending until the caller leaves; then `left` is set."""


def problem(status: int, kind: str = "overloaded", **headers: str) -> JSONResponse:
    """An error as Voz answers it."""
    body: dict[str, Any] = {
        "type": f"urn:voz:{kind}",
        "title": "Title",
        "status": status,
        "detail": "what was wrong",
        "request_id": "abc123",
        "errors": [{"field": "speed", "message": "too fast"}],
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(body, status, named, media_type="application/problem+json")


def event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()


def app_of(script: Script) -> Starlette:
    async def answer(request: Request) -> Response:
        script.times.append(time.monotonic())
        script.headers.append(dict(request.headers))
        script.bodies.append(await request.body())
        if script.waits:
            await asyncio.sleep(script.waits)
        if script.answers:
            return script.answers.popleft()
        if script.stream or script.endless:
            is_events = b'name="stream"' in script.bodies[-1] or b'"timestamps":true' in script.bodies[-1]
            media_type = "text/event-stream" if is_events else "audio/wav"
            return StreamingResponse(pieces(), media_type=media_type)
        return JSONResponse(WHOLE | {"segments": [SEGMENT]})

    async def pieces() -> AsyncIterator[bytes]:
        try:
            for piece in script.stream:
                yield piece
            while script.endless:
                yield b": still here\n\n"
                await asyncio.sleep(0.01)
            if script.breaks_off:
                raise RuntimeError("cut")
        finally:
            script.left.set()

    async def voices(request: Request) -> Response:
        script.times.append(time.monotonic())
        return script.answers.popleft() if script.answers else JSONResponse({"voices": []})

    return Starlette(
        routes=[
            Route("/stt", answer, methods=["POST"]),
            Route("/tts/stream", answer, methods=["POST"]),
            Route("/prefix/stt", answer, methods=["POST"]),
            Route("/voices", voices),
        ]
    )
