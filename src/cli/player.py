"""Plays audio while it comes, with a player of the system."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from src.cli.exit_codes import CommandError

_PLAYERS: dict[str, tuple[str, ...]] = {
    "ffplay": ("-nodisp", "-autoexit", "-loglevel", "error", "-i", "-"),
    "mpv": ("--no-video", "--really-quiet", "-"),
    "play": ("-q", "-t", "wav", "-"),
    "aplay": ("-q", "-"),
    "paplay": ("/dev/stdin",),
    "pw-play": ("-",),
}
"""Players that read WAV from their standard input, in order of preference."""


def find() -> str | None:
    """The player that would be used; None: there is none."""
    return next((name for name in _PLAYERS if shutil.which(name)), None)


@contextmanager
def playing() -> Iterator[BinaryIO]:
    """A place to write WAV to. The block ends when everything has been played.

    Raises:
        CommandError: there is no player, or it failed.
    """
    name = find()
    path = shutil.which(name) if name else None
    if not name or not path:
        raise CommandError(f"there is no player for --play: install one of {', '.join(_PLAYERS)}, or use -o")
    process = subprocess.Popen([path, *_PLAYERS[name]], stdin=subprocess.PIPE)  # noqa: S603
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    try:
        with process.stdin as audio:
            yield audio  # type: ignore[misc]  # typeshed's name for it
        code = process.wait()
    except BrokenPipeError:
        code = process.wait() or 1
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if code:
        raise CommandError(f"{name} ended with exit code {code}: is there a sound device?")
