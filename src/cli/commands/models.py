"""`voz models`."""

from rich.table import Table

from src.cli import console
from src.cli.options import Json, Url
from src.cli.target import reached


def models(json: Json = False, url: Url = None) -> None:
    """Show what runs, on which device, and how busy it is."""
    with reached(url) as target, target.client() as client:
        found = client.models()
    if json:
        console.write_json(found)
        return
    table = Table("", "engine", "model", "device", "type", "languages", "requests", box=None, pad_edge=False)
    for title, engine in (("speech to text", found.stt), ("text to speech", found.tts)):
        languages = ", ".join(engine.languages) if len(engine.languages) < 5 else str(len(engine.languages))
        busy = f"{engine.requests} of {engine.max_requests}"
        table.add_row(title, engine.engine, engine.model, engine.device, engine.compute_type, languages, busy)
    console.results.print(table)
    console.results.print(f"CPU instructions: {found.instructions}", markup=False)
    for notice in found.notices:
        console.results.print(f"Notice: {notice}", markup=False, soft_wrap=True)
