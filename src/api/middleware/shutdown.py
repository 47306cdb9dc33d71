"""Counts and refuses requests during a shutdown (`api/graceful_shutdown.py`)."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.api.errors import CUT_OFF, ClientGone, close, refuse
from src.api.graceful_shutdown import RETRY_SECONDS, GracefulShutdown
from src.api.middleware.base import Guard
from src.errors import Overloaded
from src.observability.telemetry import annotate

_SERVICE_RESTART = 1012


class ShutdownGuard(Guard):
    """Counts the requests in flight. Refuses new ones that need a key while the server stops."""

    def __init__(self, app: ASGIApp, shutdown: GracefulShutdown) -> None:
        super().__init__(app)
        self._shutdown = shutdown

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def send_and_close(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if self._shutdown.begun:
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        try:
            await self._serve(scope, receive, send_and_close)
        except Overloaded as error:
            if begun:
                annotate(problem=CUT_OFF)
                raise ClientGone from None
            await refuse(scope, receive, send_and_close, error)

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        accepted = False

        async def send_and_see(message: Message) -> None:
            nonlocal accepted
            accepted = accepted or message["type"] == "websocket.accept"
            await send(message)

        try:
            await self._serve(scope, receive, send_and_see)
        except Overloaded as error:
            if accepted:
                await close(send, error, _SERVICE_RESTART)
                annotate(problem=CUT_OFF)
            else:
                await refuse(scope, receive, send, error)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._shutdown.refusing and "key_name" in scope["state"]:
            raise Overloaded("the server is stopping", RETRY_SECONDS)
        with self._shutdown.in_flight():
            await self.app(scope, receive, send)
