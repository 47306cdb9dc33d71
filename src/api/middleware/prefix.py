"""The path prefix under which a proxy serves the application."""

from starlette.types import ASGIApp, Receive, Scope, Send

from src.api.middleware.base import Guard


class ProxyPrefix(Guard):
    """Sets the application's `root_path`, whether or not the proxy strips the prefix from the path.

    Args:
        prefix: the prefix (ROOT_PATH), e.g. `/voz`.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        super().__init__(app)
        self._prefix = prefix

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path != self._prefix and not path.startswith(f"{self._prefix}/"):
            # Starlette's mounts find their files only below a path that has the prefix, as uvicorn gives it
            path = self._prefix + path
        await self.app({**scope, "root_path": self._prefix, "path": path}, receive, send)

    websocket = http
