"""`voz jobs submit`, `voz jobs say`."""

import re
from typing import Annotated

import typer

import voz
from src.cli import console, inputs
from src.cli.commands.jobs.common import Server, each, server
from src.cli.exit_codes import CommandError
from src.cli.formats import Format
from src.cli.options import Json, Language
from voz.calls import AudioFormat

Priority = Annotated[int, typer.Option(min=-10, max=10, help="A higher one starts first.")]
Callback = Annotated[
    str | None,
    typer.Option("--callback-url", help="Told, signed, when the job has ended.", show_default=False),
]


def submit(
    files: Annotated[
        list[str],
        typer.Argument(help="Recordings, patterns, folders, or https addresses.", metavar="FILES"),
    ],
    form: Annotated[Format, typer.Option("--format", "-f", help="What the result is.")] = Format.JSON,
    language: Language = None,
    words: Annotated[bool, typer.Option("--words", help="The time of each word too (json).")] = False,
    translate: Annotated[bool, typer.Option("--translate", help="To English.")] = False,
    prompt: Annotated[str, typer.Option(help="Names and spellings to expect.", show_default=False)] = "",
    priority: Priority = 0,
    callback: Callback = None,
    json: Json = False,
    url: Server = None,
) -> None:
    """Have recordings transcribed when there is time; writes a job's id and its recording in each line."""
    options: voz.TranscriptionJobOptions = {
        "response_format": form.document or "verbose_json",
        "language": language,
        "words": words,
        "task": "translate" if translate else "transcribe",
        "prompt": prompt,
        "priority": priority,
        "callback_url": callback,
    }
    web = [name for name in files if re.match("https?://", name, re.IGNORECASE)]
    found = {one.name: one for one in inputs.find([name for name in files if name not in web])}

    with server(url) as client:

        def work(name: str) -> None:
            if name in web:
                job = client.jobs.submit_url(name, **options)
            else:
                if not (path := found[name].path):
                    raise CommandError(found[name].problem or "a job cannot be submitted from standard input")
                named: voz.TranscriptionJobOptions = {**options, "metadata": {"file": path.name[:500]}}
                job = client.jobs.submit(path, **named)
            _tell(job, name, json)

        each([*web, *found], work)


def say(
    text: Annotated[str, typer.Argument(help="What to say.", metavar="TEXT")],
    form: Annotated[AudioFormat, typer.Option("--format", "-f", help="What the result is.")] = "mp3",
    voice: Annotated[
        str | None, typer.Option("--voice", help="See `voz voices`.", show_default=False)
    ] = None,
    language: Language = None,
    priority: Priority = 0,
    callback: Callback = None,
    json: Json = False,
    url: Server = None,
) -> None:
    """Have a text spoken when there is time; writes the job's id."""
    options: voz.SpeechJobOptions = {
        "format": form,
        "voice": voice,
        "language": language,
        "priority": priority,
        "callback_url": callback,
    }
    with server(url) as client:
        _tell(client.jobs.submit_speech(text, **options), "", json)


def _tell(job: voz.Job, name: str, as_json: bool) -> None:
    if as_json:
        console.write_json(job, one_line=True)
    else:
        console.write(f"{job.id} {name}".rstrip() + "\n")
