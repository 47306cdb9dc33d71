"""Exit codes. Scripts rely on them, so they are fixed; docs/cli.md lists them."""

from enum import IntEnum


class ExitCode(IntEnum):
    DONE = 0
    FAILED = 1
    """Some of the work failed; standard error says which."""
    USAGE = 2
    """Wrong arguments."""
    NO_SERVER = 3
    """No server can be used: it does not answer, it refuses the key, or it cannot start in this process."""
    INTERRUPTED = 130
    """Ctrl-C."""
    TERMINATED = 143
    """SIGTERM."""


class CommandError(Exception):
    """A command cannot go on; the message says why, and what to do."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code
