"""uvicorn's server, but without connection resets when it stops."""

import asyncio
import socket
import time

from uvicorn.server import Server

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
