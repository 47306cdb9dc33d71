"""Ports for servers that a test starts."""

import os
import secrets
import socket
from contextlib import suppress

_LOWEST, _END = 25_700, 32_000
"""Below the ports that the kernel gives to connections, above those of deployed releases."""
_WORKERS = 8
"""Up to so many workers of xdist never choose the same port: each has every eighth one."""
_chosen: set[int] = set()
"""A server may not have opened its port yet, so that it still looks free."""


def free_port() -> int:
    """A port that no other server of the tests gets, and no connection.

    The server that gets the port opens it seconds later, and opens it again after a restart.
    """
    return _free(_LOWEST, _END, offsets=(0,))


def free_release_port() -> int:
    """A port of a deployment. Those 10,000 and 20,000 above, where its releases listen, are free, too."""
    return _free(2_100, 5_600, offsets=(0, 10_000, 20_000))


def _free(lowest: int, end: int, offsets: tuple[int, ...]) -> int:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    while True:
        port = secrets.choice(range(lowest + worker, end, _WORKERS))
        if port not in _chosen and all(_is_free(port + offset) for offset in offsets):
            _chosen.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("", port))
        return True
    return False
