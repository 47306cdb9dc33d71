"""`voz jobs wait`."""

import voz
from src.cli import console
from src.cli.commands.jobs.common import Ids, Server, each, server
from src.cli.exit_codes import CommandError
from src.cli.options import Json
from src.cli.progress import Bar, Bars


def wait(ids: Ids, json: Json = False, url: Server = None) -> None:
    """Wait until jobs have ended, over restarts of the server too; exit code 1 if one did not succeed."""
    with server(url) as client, Bars(hidden=json) as bars:

        def work(job_id: str) -> None:
            with bars.bar(job_id) as bar:
                job = client.jobs.wait(job_id, lambda event: _move(bar, event))
            with bars.paused():
                if json:
                    console.write_json(job, one_line=True)
                else:
                    console.write(f"{job.id} {job.state}\n")
            if job.state != "succeeded":
                raise CommandError(job.error.detail if job.error else job.state)

        each(ids, work)


def _move(bar: Bar, event: voz.Job | voz.Segment) -> None:
    if isinstance(event, voz.Job):
        bar.length(event.total_seconds)
        bar.reached(event.seconds)
