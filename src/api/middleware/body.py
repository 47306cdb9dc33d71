"""Limits on request bodies: size, speed, and bodies that are never read."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.api.errors import TOO_LARGE, refuse
from src.api.middleware.base import Guard
from src.api.policy import policy_of
from src.errors import TooLarge, TooSlow

_LINGER_BYTES = 4 * 2**20
_LINGER_SECONDS = 2.0
_BYTES_A_SECOND = 1024
_QUERY_BYTES = 4096
_LONG_QUERY = f"the query is longer than {_QUERY_BYTES} bytes"


class _OnBodies(Guard):
    """A guard for HTTP bodies. The frames of a WebSocket are left to its route."""

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class UnreadBody(_OnBodies):
    """Closes the connection after a response that was sent before the request's body was read.

    Otherwise the server would go on reading: a refused 200 MB upload must not cost 200 MB. A client that is
    still sending would lose the response if the connection were reset. So the rest of the body is read and
    discarded first, up to a few megabytes or seconds.
    """

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        unread = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        # a client that sent `Expect: 100-continue` and got no answer has sent no body
        waits = headers.get("expect", "").lower() == "100-continue"

        async def receive_and_see() -> Message:
            nonlocal unread, waits
            waits = False
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
            if not waits:
                await _discard_body(receive_and_see, lambda: unread)
            await send({"type": "http.response.body", "body": b""})

        await self.app(scope, receive_and_see, send_and_linger)


async def _discard_body(receive: Receive, unread: Callable[[], bool]) -> None:
    seen = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while unread() and seen < _LINGER_BYTES:
                seen += len((await receive()).get("body", b""))


class SlowBody(_OnBodies):
    """Refuses a body that arrives too slowly, as Apache's mod_reqtimeout does.

    Only the time in which the server waits for the client counts. `api/protocol.py` limits the head.

    Args:
        seconds: time limit of a body. Each KiB that arrives adds a second: slower than any live recording.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        super().__init__(app)
        self._seconds = seconds

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
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

        await self.app(scope, receive_in_time, send)


class BodyLimit(_OnBodies):
    """Refuses a body that is larger than the route's policy allows, and a query that is too long.

    A body that declares its size is refused before a byte is read, any other when it exceeds the limit. The
    query has a limit because it is parsed on the event loop.
    """

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(scope["query_string"]) > _QUERY_BYTES:
            await refuse(scope, receive, send, TooLarge(_LONG_QUERY))
            return
        await self.app(scope, receive, send)

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(scope["query_string"]) > _QUERY_BYTES:
            await refuse(scope, receive, send, TooLarge(_LONG_QUERY))
            return
        limit = policy_of(scope).body_limit
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            await refuse(scope, receive, send, TooLarge(TOO_LARGE))
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise TooLarge(TOO_LARGE)
            return message

        await self.app(scope, receive_within_limit, send)
