"""uvicorn's HTTP/1.1 protocol with limits for slow and idle clients.

uvicorn waits for ever for a request, on any number of connections. Here the head of a request must arrive
within UPLOAD_TIMEOUT and be shorter than 64 KiB (`api/middleware/body.py` limits the body). When a process
has as many connections as its open files allow, it closes the one that has been idle longest, as nginx does.
So ten thousand idle clients do not keep out an active one. A client that stops reading a response for
STREAM_PAUSE_TIMEOUT is disconnected. A paused player may need that long. A WebSocket is given less.

gunicorn.conf.py and `make run` use it. By hand: `uvicorn --http src.api.protocol:BoundedProtocol`.
"""

import asyncio
import logging
import secrets
import time
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from src.api.errors import REQUEST_ID, failure_of, render
from src.errors import Overloaded, TooLarge, TooSlow, VozError
from src.processes.descriptors import connection_limit

log = logging.getLogger(__name__)

HEAD_TIMEOUT = "head_timeout"
"""Key of the lifespan state with the seconds in which the head of a request must arrive."""
PAUSE_TIMEOUT = "pause_timeout"
"""Key of the lifespan state with the seconds for which a caller may stop reading a response."""
UNREAD_SECONDS = 30.0
"""Seconds for which the client of a WebSocket may read nothing of what waits for it."""
_HEAD_SECONDS = 30.0
_PAUSE_SECONDS = 600.0
_HEAD_BYTES = 64 * 1024
_RETRY_SECONDS = 10.0
_LOG_SECONDS = 60.0
_PATH_CHARS = 100


class _Idle:
    """Idle connections of one server, the one that has been idle longest first."""

    def __init__(self) -> None:
        self.connections: dict[BoundedProtocol, None] = {}
        self._told = -_LOG_SECONDS

    def make_room(self, count: int, newest: "BoundedProtocol") -> None:
        """Close the connection that has been idle longest; the newest one if all others are busy."""
        now = time.monotonic()
        if now - self._told >= _LOG_SECONDS:
            self._told = now
            log.warning("%d connections, which is all this process takes: idle ones are closed", count)
        oldest = next(iter(self.connections))
        if oldest is newest:
            oldest.refuse(Overloaded("too many connections", _RETRY_SECONDS))
        else:
            oldest.transport.close()
        self.connections.pop(oldest)


_idle: WeakKeyDictionary[ServerState, _Idle] = WeakKeyDictionary()


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that is cut if its client does not read. uvicorn would wait for ever, even to close it."""

    _timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._timer = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class BoundedProtocol(HttpToolsProtocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.ws_protocol_class is not None:
            self.ws_protocol_class = BoundedWebSocket
        self._idle = _idle.setdefault(self.server_state, _Idle())
        self._head_timeout = float(self.app_state.get(HEAD_TIMEOUT, _HEAD_SECONDS))
        self._pause_timeout = float(self.app_state.get(PAUSE_TIMEOUT, _PAUSE_SECONDS))
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._idle.connections[self] = None
        self._await_head()
        count = len(self.connections)
        if count > connection_limit():
            self._idle.make_room(count, self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self._end_unread()
        self._idle.connections.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head and self._head_timer is None:
            self._await_head()
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head:
            self._head_bytes = 0
        elif self._head_bytes > _HEAD_BYTES and not self.transport.is_closing():
            self.refuse(TooLarge(f"the head of the request is longer than {_HEAD_BYTES // 1024} KiB"))

    def on_headers_complete(self) -> None:
        self._end_head()
        self._in_head = False
        self._idle.connections.pop(self, None)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._head_bytes = 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._idle.connections[self] = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_timer = self.loop.call_later(self._pause_timeout, self._is_not_read)

    def resume_writing(self) -> None:
        self._end_unread()
        super().resume_writing()

    def refuse(self, error: VozError) -> None:
        """Answer before there is a request, and close."""
        request_id = secrets.token_hex(8)
        log.info("no request: %s", error, extra={"request_id": request_id})
        response = render(failure_of(error), request_id)
        response.headers.update({REQUEST_ID: request_id, "Connection": "close"})
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
        self.transport.write(STATUS_LINE[response.status_code] + lines + b"\r\n" + bytes(response.body))
        self.transport.close()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._head_timeout, self._head_is_late)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_unread(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _is_not_read(self) -> None:
        path = quote(self.scope["path"][:_PATH_CHARS]) if self.scope else "a request"
        log.info("the answer to %s was not read on within %g s", path, self._pause_timeout)
        self.transport.abort()  # closing would wait until it is read

    def _head_is_late(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._await_head()  # the answer to the request before this one comes first
        elif not self._head_bytes:
            self.transport.close()
        else:
            self.refuse(TooSlow(f"the head of the request did not arrive within {self._head_timeout:g} s"))
