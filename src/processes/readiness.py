"""Readiness marks: they tell an old worker that a new one is ready to take over.

When gunicorn replaces its workers (HUP), it starts new ones and stops the old ones at once, long before the
new ones have loaded their models. So an old worker keeps serving until a new one has left its mark, a file in
the folder that the workers share. When the whole server stops, no worker takes over. An old worker sees that
because gunicorn closes its listening socket before it stops the workers.
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
    """Mark this worker as ready while the block runs; yields the mark's path, if there is a shared folder."""
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
    """Whether another worker that is alive has left its mark."""
    folder = shared_folder()
    marks = [] if folder is None else list(folder.glob(f"{_MARK}*"))
    pids = (mark.name.removeprefix(_MARK) for mark in marks)
    return any(is_alive(int(pid)) for pid in pids if pid != str(os.getpid()))


def parent_listens(descriptors: Sequence[int]) -> bool:
    """Whether the process that started this worker still has one of its listening sockets open.

    Args:
        descriptors: the worker's listening sockets.
    """
    if not is_worker():
        return False
    ours = {os.fstat(descriptor).st_ino for descriptor in descriptors}
    try:
        theirs = list((_PROCESSES / str(os.getppid()) / "fd").iterdir())
    except OSError:
        return True  # unknown: assume that another worker answers, and take no new connections
    for path in theirs:
        with contextlib.suppress(OSError):
            found = path.stat()
            if stat.S_ISSOCK(found.st_mode) and found.st_ino in ours:
                return True
    return False
