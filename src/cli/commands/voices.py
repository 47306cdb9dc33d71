"""`voz voices`."""

from typing import Annotated

import typer
from rich.table import Table

from src.cli import console
from src.cli.in_process import Needs
from src.cli.options import Json, Url
from src.cli.target import reached


def voices(
    language: Annotated[
        str | None, typer.Option("--language", "-l", help="Only those of this language, such as es.")
    ] = None,
    json: Json = False,
    url: Url = None,
) -> None:
    """List who can speak."""
    with reached(url, Needs.TTS) as target, target.client() as client:
        found = [voice for voice in client.voices() if language in (None, voice.language, voice.locale)]
    if json:
        console.write_json(found)
        return
    table = Table("voice", "language", "gender", "engine", "Hz", "", box=None, pad_edge=False)
    for voice in found:
        table.add_row(
            voice.id,
            voice.locale,
            voice.gender or "",
            voice.engine,
            str(voice.sample_rate),
            f"default of {voice.language}" if voice.default else "",
        )
    console.results.print(table)
