"""`voz jobs list`, `voz jobs show`."""

from itertools import islice
from typing import Annotated

import typer
from rich.table import Table

from src.cli import console
from src.cli.commands.jobs.common import Ids, Server, each, progress_of, server
from src.cli.options import Json
from voz.jobs import JobState, JobType


def list_jobs(
    state: Annotated[JobState | None, typer.Option(help="Only those in it.", show_default=False)] = None,
    kind: Annotated[JobType | None, typer.Option("--type", help="Only these.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    json: Json = False,
    url: Server = None,
) -> None:
    """List the jobs of this key, newest first."""
    with server(url) as client:
        jobs = client.jobs.list(state=state, type=kind)
        found = list(islice(jobs, limit))
    if json:
        console.write_json(found)
        return
    table = Table("id", "type", "state", "progress", "created", "", box=None, pad_edge=False)
    for job in found:
        name = job.metadata.get("file", "")
        table.add_row(job.id, job.type, job.state, progress_of(job), job.created_at, name)
    console.results.print(table, soft_wrap=True)


def show(ids: Ids, url: Server = None) -> None:
    """Show jobs with everything that is known, as JSON."""
    with server(url) as client:
        each(ids, lambda job_id: console.write_json(client.jobs.get(job_id)))
