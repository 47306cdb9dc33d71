"""`voz transcribe`."""

from pathlib import Path
from typing import Annotated

import typer

from src.cli import inputs
from src.cli.exit_codes import CommandError, ExitCode
from src.cli.formats import Format
from src.cli.in_process import Needs
from src.cli.options import Language, Url
from src.cli.target import reached
from src.cli.transcription import Batch, Wanted


def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Recordings or films, patterns, folders, or - for standard input.", metavar="FILES"
        ),
    ],
    form: Annotated[Format, typer.Option("--format", "-f", help="What to write.")] = Format.TXT,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the results; without one, they go to standard output.",
            file_okay=False,
            show_default=False,
            metavar="DIR",
        ),
    ] = None,
    language: Language = None,
    words: Annotated[bool, typer.Option("--words", help="The time of each word too (json).")] = False,
    translate: Annotated[bool, typer.Option("--translate", help="To English.")] = False,
    prompt: Annotated[str, typer.Option(help="Names and spellings to expect.", show_default=False)] = "",
    parallel: Annotated[
        int, typer.Option("--parallel", "-p", min=1, max=64, help="Files in work at once.")
    ] = 4,
    force: Annotated[bool, typer.Option("--force", help="Also do what is done already.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Write a line of JSON for each file, for programs.")
    ] = False,
    url: Url = None,
) -> None:
    """Write down what is said.

    What is done already (with -o: the result is there, and is not older than the recording) is skipped.
    A file that fails does not stop the others; those that failed are listed at the end.
    """
    found = inputs.find(files)
    wanted = Wanted(
        form=form,
        output=output,
        language=language,
        words=words,
        translate=translate,
        prompt=prompt,
    )
    if output is None and not json and len(found) > 1 and form is not Format.TXT:
        raise CommandError(
            f"{len(found)} files and one standard output: use -o DIR, or --json",
            ExitCode.USAGE,
        )
    batch = Batch(found, wanted, force=force, as_json=json)
    if batch.left:
        with reached(url, Needs.STT) as target:
            batch.run(target, parallel)
    batch.report()
    if batch.failed:
        raise typer.Exit(ExitCode.FAILED)
