"""What the commands for jobs have in common."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

import voz
from src.cli import console
from src.cli.exit_codes import CommandError, ExitCode
from src.cli.target import reached

Ids = Annotated[list[str], typer.Argument(help="Ids of jobs.", metavar="ID", show_default=False)]
Server = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="VOZ_URL", help="Address of the server (its key: VOZ_API_KEY).", show_default=False
    ),
]


@contextmanager
def server(url: str | None) -> Iterator[voz.Client]:
    """A client of the server, which there must be.

    Raises:
        CommandError: none is named.
    """
    if not url:
        raise CommandError("jobs are kept by a server: set VOZ_URL, or give --url", ExitCode.USAGE)
    with reached(url) as target, target.client() as client:
        yield client


def each(items: Sequence[str], work: Callable[[str], None]) -> None:
    """Do `work` for every item, the rest too if one fails; exit code 1 if any did."""
    failed = False
    for item in items:
        try:
            work(item)
        except (voz.ConnectionFailed, voz.Unauthorized, voz.Forbidden):
            raise
        except (voz.VozError, OSError, CommandError) as error:
            console.say(f"{item}: {error}", style="red")
            failed = True
    if failed:
        raise typer.Exit(ExitCode.FAILED)


def progress_of(job: voz.Job) -> str:
    """How far a job is, in words."""
    if job.state == "queued":
        return f"place {job.position}" if job.position else "waiting"
    if job.error:
        return job.error.detail
    total = f" of {job.total_seconds:.0f}" if job.total_seconds else ""
    return f"{job.seconds:.0f}{total} s"
