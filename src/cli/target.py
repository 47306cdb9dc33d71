"""Where a command's work is done: on the server that VOZ_URL names, or in this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

import voz
from src.cli.exit_codes import CommandError, ExitCode
from src.cli.in_process import Needs, private_server

_LOOK_SECONDS = 15.0
_RETRIES = 8
_MAX_WAIT = 120.0
"""A batch of files is patient: a server that is full asks for some seconds again and again."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that can be reached."""

    url: str
    key: str
    socket: Path | None = None

    def client(self) -> voz.Client:
        """A client that blocks."""
        return voz.Client(self.url, self.key, **self._rest())

    def async_client(self) -> voz.AsyncClient:
        """A client for asyncio."""
        return voz.AsyncClient(self.url, self.key, **self._rest())

    def _rest(self) -> dict[str, Any]:
        if self.socket:  # nothing stands between, so nothing can hang but the work itself
            return {"uds": str(self.socket), "retries": 0, "timeout": httpx.Timeout(None)}
        return {"retries": _RETRIES, "max_wait": _MAX_WAIT}


@contextmanager
def reached(url: str | None, needs: Needs = Needs.BOTH) -> Iterator[Target]:
    """The server at `url`, or one in this process while the block runs.

    Args:
        url: of the server; None: it is to run in this process.
        needs: models that a server in this process loads.

    Raises:
        CommandError: `url` is no address, or the models cannot run here.
    """
    if url:
        target = Target(url, os.environ.get("VOZ_API_KEY", ""))
        _look_for(target)
        yield target
        return
    with private_server(needs) as private:
        yield Target("http://voz", private.key, private.socket)


def _look_for(target: Target) -> None:
    """Say soon that no server answers. The work itself is patient: a server may be full, or start anew."""
    try:
        with voz.Client(target.url, target.key, retries=1, timeout=_LOOK_SECONDS) as client:
            client.ready()
    except ValueError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    except voz.ApiError:
        pass  # a proxy may not let this route through
