"""Time as it would pass on idle cores: for measurements on a machine that others use too.

Linux counts how long each thread has run and how long it has waited for a core (`/proc/PID/schedstat`). While
the threads of this process get half of the time that they could use, this clock goes at half speed. What it
cannot see is what others do to caches and memory, and threads of this process that wait for each other's core
count as if others had taken it.
"""

import time
from contextlib import suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


class IdleClock:
    """Starts at 0. It must be read many times a second: between two readings it takes one speed for all."""

    def __init__(self) -> None:
        self._threads = _schedule()
        self._read = time.perf_counter()
        self._now = 0.0
        self.began = self._read
        """On the clock of the machine."""

    def now(self) -> float:
        """Seconds since the start."""
        threads, read = _schedule(), time.perf_counter()
        run = wait = 0
        for thread, (ran, waited) in threads.items():
            ran_before, waited_before = self._threads.get(thread, (0, 0))
            run, wait = run + ran - ran_before, wait + waited - waited_before
        share = run / (run + wait) if run + wait else 1.0
        self._now += (read - self._read) * share
        self._threads, self._read = threads, read
        return self._now

    def share(self) -> float:
        """How much of the machine's time has passed on this clock."""
        return self.now() / max(self._read - self.began, 1e-9)


def _schedule() -> dict[str, tuple[int, int]]:
    """Nanoseconds that each thread of this process has run, and waited for a core."""
    found = {}
    for folder in _TASKS.iterdir():
        with suppress(OSError):  # it has ended
            run, wait, _ = (folder / "schedstat").read_text().split()
            found[folder.name] = int(run), int(wait)
    return found
