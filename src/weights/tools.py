"""Run a command that downloads: `pip`, `npm`, `huggingface_hub`.

Own code watches what appears in the command's folder: that gives its progress, and a command that hangs is
ended. None of them does either in a log.
"""

import logging
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from src.weights.progress import Progress, megabytes
from src.weights.source import SourceFailed

log = logging.getLogger(__name__)

_POLL = 0.2


def run_tool(
    tool: str,
    command: Sequence[str],
    folder: Path,
    what: str,
    size: int,
    environment: Mapping[str, str] | None = None,
    window: float = 60.0,
) -> None:
    """Run a command that downloads into `folder`, showing how much of `size` bytes has come.

    Args:
        tool: its name, for messages.
        what: name of the whole, for the progress.
        environment: variables to set in addition to this process's own.
        window: seconds without new bytes after which the command is ended.

    Raises:
        SourceFailed: it fails or stalls; with the last thing it said.
    """
    log.info("downloading %s with %s (%s)", what, tool, megabytes(size))
    with (
        # the tool's temporary files beside its result: on the same disk, counted, and gone with it
        tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as temporary,
        tempfile.TemporaryFile() as output,
        Progress(what, size, window=window) as progress,
    ):
        process = subprocess.Popen(  # noqa: S603 - a fixed command; nothing of it comes from a caller
            command,
            cwd=folder,
            env={**os.environ, **(environment or {}), "TMPDIR": temporary},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that what it starts can be ended with it
        )
        try:
            while process.poll() is None:
                progress.to(_size(folder))
                time.sleep(_POLL)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode != 0:
            output.seek(0)
            raise SourceFailed(f"{tool} failed: {_reason(output.read().decode(errors='replace'))}")
        progress.to(size)


def _reason(output: str) -> str:
    """What of a tool's output tells why it failed, on one line: its first errors, and its last word."""
    said = [line.strip() for line in output.splitlines() if line.strip() and "complete log" not in line]
    errors = [line for line in said if "error" in line.lower()] or said or ["it did not say why"]
    return "; ".join(line[:300] for line in dict.fromkeys([*errors[:2], errors[-1]]))


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue  # the tool moved it meanwhile
    return total
