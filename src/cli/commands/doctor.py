"""`voz doctor`."""

from functools import partial

import typer
from rich.markup import escape
from rich.table import Table

from src.cli import console
from src.cli.checks import machine, packages, server, service
from src.cli.checks.finding import Check, Status, findings
from src.cli.exit_codes import ExitCode
from src.cli.options import Json, Url

_STYLES = {Status.OK: "green", Status.NOTE: "yellow", Status.PROBLEM: "bold red"}


def doctor(json: Json = False, url: Url = None) -> None:
    """Look at this machine, the settings and the server, and say what to do.

    It fetches nothing and changes nothing. The exit code is 1 if something does not work.
    """
    checks: list[tuple[str, Check]] = [
        ("packages", packages.packages),
        ("CPU", machine.cpu),
        ("memory", machine.memory),
        ("GPU", machine.gpu),
        ("system", machine.system),
        ("settings", service.settings),
        ("weights", service.weights),
        ("storage", service.storage),
        ("port", service.port),
        ("server", partial(server.server, url)),
    ]
    with console.errors.status("Looking..."):
        found = list(findings(checks))
    if json:
        console.write_json(found)
    else:
        table = Table(show_header=False, box=None, pad_edge=False)
        for finding in found:
            advice = f"\n-> {finding.advice}" if finding.advice else ""
            table.add_row(
                f"[{_STYLES[finding.status]}]{finding.status}[/]",
                finding.what,
                escape(finding.detail + advice),
            )
        console.results.print(table)
    if any(finding.status is Status.PROBLEM for finding in found):
        raise typer.Exit(ExitCode.FAILED)
