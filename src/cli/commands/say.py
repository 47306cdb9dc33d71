"""`voz say`."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

import voz
from src.cli import console, player, wav
from src.cli.exit_codes import CommandError, ExitCode
from src.cli.in_process import Needs
from src.cli.options import Json, Language, Url
from src.cli.outputs import whole_file
from src.cli.target import reached

_PIPE = Path("-")


class _Format(StrEnum):
    WAV = "wav"
    MP3 = "mp3"
    OPUS = "opus"
    AAC = "aac"
    FLAC = "flac"
    PCM = "pcm"


def say(
    text: Annotated[
        list[str] | None,
        typer.Argument(help="What to say; without it, or with -, standard input.", metavar="TEXT"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write; its suffix is the format. -: standard output.",
            show_default=False,
            metavar="FILE",
        ),
    ] = None,
    form: Annotated[
        _Format | None,
        typer.Option("--format", "-f", help="Format, if the suffix does not say it.", show_default=False),
    ] = None,
    voice: Annotated[
        str | None,
        typer.Option("--voice", help="See `voz voices`; or a blend: af_heart+af_bella.", show_default=False),
    ] = None,
    language: Language = None,
    speed: Annotated[float, typer.Option(min=0.5, max=2.0, help="Rate of speech.")] = 1.0,
    play: Annotated[bool, typer.Option("--play", help="Play it while it is made.")] = False,
    json: Json = False,
    url: Url = None,
) -> None:
    """Say a text: into a file, aloud, or both.

    Without -o and --play it is played in a terminal, and written to standard output in a pipe.
    """
    if output is None and not play:
        output, play = (None, True) if console.results.is_terminal else (_PIPE, False)
    chosen = _format(output, form)
    if play and chosen is not _Format.WAV and output is None:
        raise CommandError("--format is for -o: what is played is WAV", ExitCode.USAGE)
    if play and output is not None and chosen is not _Format.WAV:
        raise CommandError("--play and -o together need a .wav file", ExitCode.USAGE)
    if play and player.find() is None:
        with player.playing():  # says which ones there could be
            pass
    if json and output == _PIPE:
        raise CommandError("--json and the audio cannot both be on standard output", ExitCode.USAGE)
    words = _text(text)
    options: voz.SpeechOptions = {
        "voice": voice,
        "language": language,
        "format": chosen.value,
        "speed": speed,
    }
    with reached(url, Needs.TTS) as target, target.client() as client, ExitStack() as open_until_whole:
        sinks = [open_until_whole.enter_context(sink) for sink in _sinks(output, play)]
        size = 0
        with client.stream_speech(words, **options) as audio:
            for chunk in audio:
                size += len(chunk)
                for sink in sinks:
                    sink.write(chunk)
    if json:
        console.write_json({"output": str(output) if output else None, "format": chosen, "bytes": size})


def _format(output: Path | None, given: _Format | None) -> _Format:
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    if given:
        return given
    if not suffix:
        return _Format.WAV
    try:
        return _Format("opus" if suffix == "ogg" else suffix)
    except ValueError:
        known = ", ".join(f".{known}" for known in _Format)
        raise CommandError(
            f"{output}: .{suffix} is no format of speech ({known}); or say it with --format", ExitCode.USAGE
        ) from None


def _text(given: list[str] | None) -> str:
    if given and given != ["-"]:
        text = " ".join(given)
    elif sys.stdin.isatty():
        raise CommandError(
            'there is nothing to say: voz say "Hello", or text on standard input', ExitCode.USAGE
        )
    else:
        text = sys.stdin.read()
    if not text.strip():
        raise CommandError("there is nothing to say: the text is empty", ExitCode.USAGE)
    return text


def _sinks(output: Path | None, play: bool) -> Iterator[AbstractContextManager[BinaryIO]]:
    if output == _PIPE:
        yield _standard_output()
    elif output is not None:
        yield _file(output)
    if play:
        yield player.playing()


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


@contextmanager
def _file(target: Path) -> Iterator[BinaryIO]:
    with whole_file(target) as file:
        yield file
        wav.complete(file)
