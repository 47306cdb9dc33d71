"""`voz live`."""

import asyncio
import signal
from contextlib import aclosing
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text

import voz
from src.cli import console, recorder
from src.cli.exit_codes import CommandError, ExitCode
from src.cli.in_process import Needs
from src.cli.options import Json, Language, Url
from src.cli.target import Target, reached

_LAST_WORDS_SECONDS = 60.0
"""Time in which the rest of the recording is transcribed after its end."""


def live(
    source: Annotated[
        str | None,
        typer.Option(
            "--input",
            "-i",
            help="-: standard input instead, raw 16-bit mono audio of 16 kHz.",
            show_default=False,
            metavar="-",
        ),
    ] = None,
    language: Language = None,
    json: Json = False,
    url: Url = None,
) -> None:
    """Write down what is said into the microphone, while it is said. Ctrl-C ends the recording.

    A line for each utterance goes to standard output; a terminal also shows the words as they come.
    """
    if source not in (None, "-"):
        raise CommandError(f"--input is - or absent; for a file: voz transcribe {source}", ExitCode.USAGE)
    if source is None:
        recorder.chosen()
    with reached(url, Needs.STT) as target:
        asyncio.run(_run(target, source is not None, language, json))


async def _run(target: Target, from_input: bool, language: str | None, as_json: bool) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _once, stop)
    audio = recorder.standard_input() if from_input else recorder.microphone()
    async with (
        target.async_client() as client,
        client.live(language=language, sample_rate=recorder.RATE) as session,
    ):
        reading = asyncio.create_task(_read(session, as_json))
        try:
            if not from_input:
                console.say("Listening. Ctrl-C ends the recording.")
            async with aclosing(recorder.until(stop, audio)) as pieces:
                async for piece in pieces:
                    if reading.done():
                        break
                    await session.send(piece)
            if not reading.done():
                await session.stop()
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await reading
        except TimeoutError:
            raise CommandError("the server did not send the last words in time") from None
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def _once(stop: asyncio.Event) -> None:
    """The first Ctrl-C ends the recording, the second one the command."""
    stop.set()
    loop = asyncio.get_running_loop()
    loop.remove_signal_handler(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)


async def _read(session: voz.LiveSession, as_json: bool) -> None:
    with Live(console=console.errors, transient=True, redirect_stdout=False, redirect_stderr=False) as shown:
        async for event in session:
            if as_json:
                console.write_json(event.data, one_line=True)
            elif event.type == "final":
                shown.update(Text())
                shown.refresh()
                if event.text.strip():
                    console.write(f"{event.text.strip()}\n")
            elif event.type == "partial":
                shown.update(Text.assemble(event.text, (event.tentative, "dim")))
            elif event.type == "error":
                if event.item_id is None:
                    raise CommandError(event.text)
                console.say(event.text, style="yellow")
