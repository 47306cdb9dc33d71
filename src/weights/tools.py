"""Run a command that downloads: `pip`, `npm`, `huggingface_hub`.

Own code watches how the command's folder grows: that gives its progress, and a command that stalls is ended.
None of them does either in a log.
"""

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Never

from tqdm import tqdm

from src.weights.source import SourceFailed

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_LEAST_BYTES = 64 << 10
"""Fewer new bytes than these within the window are a stall."""
_LOG_SECONDS = 10.0


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def run_tool(
    tool: str,
    command: Sequence[str],
    folder: Path,
    what: str,
    size: int,
    environment: Mapping[str, str] | None = None,
    window: float = 60.0,
) -> None:
    """Run a command that downloads into `folder`: with a bar in a terminal, else with a line now and then.

    Args:
        tool: its name, for messages.
        what: name of the whole, for the progress.
        size: bytes that it downloads; 0: not known.
        environment: variables to set in addition to this process's own.
        window: seconds without new bytes after which the command is ended.

    Raises:
        SourceFailed: it fails or stalls; with the last thing it said.
    """
    log.info("downloading %s with %s%s", what, tool, f" ({megabytes(size)})" if size else "")
    with (
        # the tool's temporary files beside its result: on the same disk, counted, and gone with it
        tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as temporary,
        tempfile.TemporaryFile() as output,
        _bar(what, size) as bar,
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
            _watch(process, folder, what, window, bar)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode != 0:
            output.seek(0)
            raise SourceFailed(f"{tool} failed: {_reason(output.read().decode(errors='replace'))}")
        bar.update(size - bar.n)


def _bar(what: str, size: int) -> "tqdm[Never]":
    # a terminal that does not know its size, as a container's often, would be shown nothing
    width, height = shutil.get_terminal_size()
    return tqdm(
        total=size or None, desc=what, unit="B", unit_scale=True, ncols=width, nrows=height,
        file=sys.stderr, disable=not sys.stderr.isatty(),
    )  # fmt: skip


def _watch(
    process: "subprocess.Popen[bytes]", folder: Path, what: str, window: float, bar: "tqdm[Never]"
) -> None:
    """Wait until the process has ended, and show how the folder grows. Raises SourceFailed if it stalls."""
    grown, grown_at = 0, time.monotonic()
    said_at = grown_at
    while process.poll() is None:
        time.sleep(_POLL_SECONDS)
        now, size = time.monotonic(), _size(folder)
        if size - grown >= _LEAST_BYTES:
            grown, grown_at = size, now
        elif now - grown_at > window:
            raise SourceFailed(f"{what} came too slowly: fewer than {_LEAST_BYTES} new bytes in {window:g} s")
        if bar.total:
            size = min(size, int(bar.total))  # pip has a file twice for a moment, when it moves it
        bar.update(size - bar.n)
        if bar.disable and now - said_at >= _LOG_SECONDS:
            said_at = now
            share = f" of {megabytes(int(bar.total))}" if bar.total else ""
            log.info("%s: %s%s", what, megabytes(size), share)


def _reason(output: str) -> str:
    """What of a tool's output tells why it failed, on one line: its first errors, and its last word."""
    said = [line.strip() for line in output.splitlines() if line.strip() and "complete log" not in line]
    errors = [line for line in said if "error" in line.lower()] or said or ["it did not say why"]
    return "; ".join(line[:300] for line in dict.fromkeys([*errors[:2], errors[-1]]))


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):  # which passes over what the tool has removed meanwhile
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(parent, name).stat().st_size
    return total
