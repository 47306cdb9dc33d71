"""`voz jobs cancel`."""

from src.cli.commands.jobs.common import Ids, Server, each, server


def cancel(ids: Ids, url: Server = None) -> None:
    """Cancel jobs. One that has ended is deleted, with its result."""
    with server(url) as client:
        each(ids, client.jobs.cancel)
