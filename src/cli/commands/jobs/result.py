"""`voz jobs result`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from src.cli.commands.jobs.common import Server, server
from src.cli.exit_codes import CommandError
from src.cli.outputs import whole_file


def result(
    job_id: Annotated[str, typer.Argument(help="Id of a job that succeeded.", metavar="ID")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File; without one, standard output.", show_default=False, metavar="FILE"
        ),
    ] = None,
    url: Server = None,
) -> None:
    """Fetch the result of a job: text, subtitles, JSON or audio, as it was asked for."""
    with server(url) as client:
        job = client.jobs.get(job_id)
        if not job.result:
            reason = f": {job.error.detail}" if job.error else ""
            raise CommandError(f"{job_id} is {job.state}{reason}")
        with client.jobs.result(job) as pieces:
            if output is None:
                for piece in pieces:
                    sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
                return
            with whole_file(output) as file:
                for piece in pieces:
                    file.write(piece)
