"""Ports for servers that a test starts."""

import secrets
import socket
from contextlib import suppress


def free_port(lowest: int = 20_500, end: int = 32_000) -> int:
    """A port below those that the kernel gives to connections, so that none of them takes it meanwhile.

    The server that gets the port opens it seconds later, and opens it again after a restart.
    """
    while True:
        port = secrets.SystemRandom().randrange(lowest, end)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port
