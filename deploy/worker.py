"""gunicorn's worker class: uvicorn, but without connection resets when a worker is replaced or stopped."""

import asyncio
import socket
import sys
import time

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker  # type: ignore[import-untyped]

IDLE_SECONDS = 1.0
"""Seconds for which idle connections are kept after the worker has stopped taking new ones."""


class GracePeriodServer(Server):
    """uvicorn closes every silent connection as soon as it is told to stop. Some of them are silent only
    because their request is still on its way, and their callers would get a reset.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        end = time.monotonic() + IDLE_SECONDS
        while self.server_state.connections and not self.force_exit and time.monotonic() < end:
            self._close_after_answer()
            await asyncio.sleep(0.01)
        await super().shutdown()

    def _close_after_answer(self) -> None:
        for connection in list(self.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_complete:
                connection.shutdown()  # at work: it only says `Connection: close`


class Worker(UvicornWorker):  # type: ignore[misc]
    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = GracePeriodServer(config=self.config)
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
