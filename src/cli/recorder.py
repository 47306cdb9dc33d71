"""The microphone, by a recorder of the system."""

import asyncio
import os
import shutil
import stat
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator
from contextlib import aclosing

from src.cli.exit_codes import CommandError

RATE = 16_000
PIECE = RATE // 10 * 2
"""Bytes of 0.1 s."""

_RECORDERS: dict[str, tuple[str, ...]] = {
    "arecord": ("-q", "-f", "S16_LE", "-r", str(RATE), "-c", "1", "-t", "raw"),
    "parec": ("--format=s16le", f"--rate={RATE}", "--channels=1", "--latency-msec=100"),
    "pw-record": ("--rate", str(RATE), "--channels", "1", "--format", "s16", "-"),
    "rec": ("-q", "-t", "raw", "-r", str(RATE), "-e", "signed", "-b", "16", "-c", "1", "-"),
}
"""Recorders that write raw 16-bit mono to their standard output, in order of preference."""


def find() -> str | None:
    """The recorder that would be used; None: there is none."""
    return next((name for name in _RECORDERS if shutil.which(name)), None)


def chosen() -> list[str]:
    """The command that records.

    Raises:
        CommandError: there is no recorder.
    """
    name = find()
    path = shutil.which(name) if name else None
    if not name or not path:
        raise CommandError(f"there is no recorder: install one of {', '.join(_RECORDERS)}, or use --input -")
    return [path, *_RECORDERS[name]]


async def microphone() -> AsyncGenerator[bytes, None]:
    """Raw 16-bit mono at `RATE`, until the generator is closed.

    Raises:
        CommandError: there is no recorder, or it ended by itself.
    """
    command = chosen()
    # a session of its own: Ctrl-C ends the recording, and the rest of it is still to be transcribed
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, start_new_session=True
    )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        while piece := await process.stdout.read(PIECE):
            yield piece
        code = await process.wait()
        raise CommandError(f"{command[0]} ended with exit code {code}: is there a microphone?")
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def standard_input() -> AsyncGenerator[bytes, None]:
    """Raw 16-bit mono at `RATE` from standard input, to its end."""
    if stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):
        while piece := await asyncio.to_thread(sys.stdin.buffer.read, PIECE):
            yield piece
        return
    # not in a thread: nobody could end its wait for a pipe
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    try:
        while piece := await reader.read(PIECE):
            yield piece
    finally:
        transport.close()


async def until(stop: asyncio.Event, source: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """What `source` gives, until `stop` is set."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        async with aclosing(source):
            while True:
                arriving = asyncio.ensure_future(anext(source, b""))
                done, _ = await asyncio.wait({arriving, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if arriving not in done:
                    arriving.cancel()
                    await asyncio.gather(arriving, return_exceptions=True)
                    return
                if not (piece := arriving.result()):
                    return
                yield piece
    finally:
        stopping.cancel()
