"""Time as it would pass on idle cores: for measurements on a machine that others use too.

Linux counts how long each thread has run and how long it has waited for a core (`/proc/PID/schedstat`). While
the threads of this process get half of the time that they could use, this clock goes at half speed. They
could not use more than all cores that the process may run on: beyond that, they wait for each other. What the
clock cannot see is what others do to caches and memory.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


class IdleClock:
    """Starts at 0. It must be read many times a second: between two readings it takes one speed for all."""

    def __init__(self) -> None:
        self._threads = _schedule()
        self._cores = len(os.sched_getaffinity(0))
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
        self._now += _idle_seconds(read - self._read, run / 1e9, wait / 1e9, self._cores)
        self._threads, self._read = threads, read
        return self._now

    def share(self) -> float:
        """How much of the machine's time has passed on this clock."""
        return self.now() / max(self._read - self.began, 1e-9)


def _idle_seconds(passed: float, run: float, wait: float, cores: int) -> float:
    """How much of the time that has passed idle cores would have taken.

    Args:
        passed: seconds.
        run: seconds that threads of this process have run, together.
        wait: seconds that they have waited for a core.
        cores: how many the process may run on.
    """
    wanted = min(run + wait, cores * passed)
    return passed * min(run / wanted, 1.0) if wanted > 0 else passed


def _schedule() -> dict[str, tuple[int, int]]:
    """Nanoseconds that each thread of this process has run, and waited for a core."""
    found = {}
    for folder in _TASKS.iterdir():
        with suppress(OSError):  # it has ended
            run, wait, _ = (folder / "schedstat").read_text().split()
            found[folder.name] = int(run), int(wait)
    return found
