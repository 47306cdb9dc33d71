"""The command `voz` as a process."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
FROM_CHECKOUT = (sys.executable, "-m", "voz")


class Voz:
    """Runs `voz` in a folder, with an environment of its own.

    Args:
        folder: the working directory.
        command: how `voz` is started.
        environment: on top of what every program needs.
    """

    def __init__(
        self, folder: Path, command: Sequence[str] = FROM_CHECKOUT, environment: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.command = command
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = kept | {"NO_PROXY": "*", "HF_HUB_OFFLINE": "1"} | (environment or {})
        if command is FROM_CHECKOUT:
            self.environment["PYTHONPATH"] = str(REPOSITORY)

    def start(self, *arguments: str, text: str | bytes | None = None) -> "subprocess.Popen[bytes]":
        """Start a command; `text` is its standard input."""
        process = subprocess.Popen(
            [*self.command, *arguments], cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # a runner in the background ignores Ctrl-C, and its children would, too
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )  # fmt: skip
        if text is not None:
            assert process.stdin is not None
            # a command that refuses its arguments reads nothing
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(text.encode() if isinstance(text, str) else text)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.stdin = None
        return process

    def run(
        self, *arguments: str, text: str | bytes | None = None, timeout: float = 120
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run a command to its end."""
        with self.start(*arguments, text=text) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def interrupted(
        self, *arguments: str, when: Callable[[], bool], by: signal.Signals = signal.SIGINT
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run a command, and send it a signal as soon as `when` is true."""
        with self.start(*arguments) as process:
            try:
                end = time.monotonic() + 120
                while not when():
                    assert process.poll() is None, process.communicate()
                    assert time.monotonic() < end, "it never came to that"
                    time.sleep(0.02)
                process.send_signal(by)
                out, err = process.communicate(timeout=60)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def files_in(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
