"""What a worker that is told to stop must know: does another take over, and is that one ready?

gunicorn replaces its workers (HUP) by starting new ones and stopping the old at once, long before the new
have loaded their models. An old worker therefore serves on until a new one has put down its mark. When the
whole server stops, nobody takes over: gunicorn has closed its socket before it stops its workers, which is
how they know.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from src.processes.workers import is_alive, is_worker, shared_folder

_PROCESSES = Path("/proc")
_MARK = "ready-"


@contextmanager
def marked_ready() -> Iterator[Path | None]:
    """Tell the other workers that this one is ready, until the block ends; yields the mark, if any."""
    folder = shared_folder()
    if folder is None:
        yield None
        return
    mark = folder / f"{_MARK}{os.getpid()}"
    mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def another_is_ready() -> bool:
    """Is there a mark of a worker that lives?"""
    folder = shared_folder()
    marks = [] if folder is None else list(folder.glob(f"{_MARK}*"))
    pids = (mark.name.removeprefix(_MARK) for mark in marks)
    return any(is_alive(int(pid)) for pid in pids if pid != str(os.getpid()))


def parent_listens(descriptors: Sequence[int]) -> bool:
    """Does the process that started this worker still hold a socket that this one listens on?

    Args:
        descriptors: the worker's listening sockets.
    """
    if not is_worker():
        return False
    ours = {os.fstat(descriptor).st_ino for descriptor in descriptors}
    try:
        theirs = list((_PROCESSES / str(os.getppid()) / "fd").iterdir())
    except OSError:
        return True  # it cannot be seen: take it that somebody else answers, and take nothing new
    for path in theirs:
        with contextlib.suppress(OSError):
            found = path.stat()
            if stat.S_ISSOCK(found.st_mode) and found.st_ino in ours:
                return True
    return False
