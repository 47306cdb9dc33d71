"""HEAD wherever GET is."""

from starlette.types import Receive, Scope, Send

from src.api.middleware.base import Guard


class HeadAsGet(Guard):
    """Lets monitors and load balancers ask with HEAD: the application answers as to a GET.

    The server sends the header alone, because it keeps its own copy of the method.
    """

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
