"""The HTTP server of an `Api` replica: uvicorn, as everywhere else, in a thread of its own.

Ray has a proxy of its own. It keeps whole uploads in memory, before any key or limit is checked, and knows
nothing of slow callers. So it is off, and each replica listens itself. All replicas of a machine listen on
one port (SO_REUSEPORT): the kernel shares out the connections, and while one replica is replaced, another one
answers.
"""

import asyncio
import socket
import threading

import uvicorn
from fastapi import FastAPI

from src.api.grace_period import GracePeriodServer
from src.errors import StartupError

_BACKLOG = 2048
_LOOK_SECONDS = 0.05


def listener(host: str, port: int) -> socket.socket:
    """A socket that other processes of this user may open for the same port.

    Raises:
        StartupError: another program has the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise StartupError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return sock


class HttpServer:
    """Serves an application from a thread until it is stopped.

    Args:
        app: the application.
        sock: where it listens.
        shutdown_timeout: seconds in which requests in flight may end.
    """

    def __init__(self, app: FastAPI, sock: socket.socket, shutdown_timeout: float) -> None:
        self._app = app
        self._socket = sock
        config = uvicorn.Config(
            app,
            http="src.api.protocol:BoundedProtocol",
            backlog=_BACKLOG,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=max(1, round(shutdown_timeout)),
        )
        self._server = GracePeriodServer(config)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    async def start(self) -> None:
        """Return when the application is ready.

        Raises:
            StartupError: it cannot start; its log says why.
        """
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise StartupError("the HTTP server did not start; the lines above say why")
            await asyncio.sleep(_LOOK_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive() and self._server.started

    async def stop(self, announced: float) -> None:
        """Stop listening, let the requests in flight end, and close the application.

        Args:
            announced: seconds for which `/health/ready` says that it is about to stop, while work is still
                taken, so that a load balancer turns to other machines first.
        """
        services = getattr(self._app.state, "services", None)
        if services is not None and self.alive:
            services.shutdown.announce()
            await asyncio.sleep(announced)
        self._server.should_exit = True
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])
