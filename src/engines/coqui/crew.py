"""Threads that turn mels into sound while the decoder goes on with the next steps.

A decoder step is dozens of small operations that follow each other, the vocoder a few large ones that
wait for nobody: side by side, a thread each, they fill two cores, where one after the other with two
threads an operation they would meet at every operation's end, and stand there if the machine is busy.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable

import torch

from src.engines.base import Audio

log = logging.getLogger(__name__)


class Job:
    """A stretch of sound to be made."""

    def __init__(self, make: Callable[[], Audio]) -> None:
        self._make: Callable[[], Audio] | None = make
        self.outcome: Audio | Exception | None = None
        """None until it is done."""

    def drop(self) -> None:
        """Nobody wants it any more; if it is being made, that comes to its end."""
        self._make = None

    def run(self) -> None:
        make, self._make = self._make, None
        if make is None:
            return
        try:
            with torch.inference_mode():
                self.outcome = make()
        except Exception as error:
            self.outcome = error


class Crew:
    """Does jobs in the order in which they come.

    Args:
        size: threads; 0: whoever calls `help` does it all.
    """

    def __init__(self, size: int) -> None:
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._done = 0
        self._busy = 0
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"coqui-sound-{number}", daemon=True)
            for number in range(size)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alone(self) -> bool:
        """There are no threads."""
        return not self._threads

    @property
    def idle(self) -> bool:
        """Nothing waits to be done."""
        return not self._jobs

    @property
    def free(self) -> bool:
        """A job would be begun at once; if there are no threads, when somebody helps."""
        return self.idle and (self.alone or self._busy < len(self._threads))

    def submit(self, job: Job) -> None:
        with self._changed:
            self._jobs.append(job)
            self._changed.notify_all()

    def help(self) -> bool:
        """Do one job here and now; False if none waits."""
        try:
            job = self._jobs.popleft()
        except IndexError:
            return False
        job.run()
        return True

    def wait(self, seconds: float) -> None:
        """Until a thread is done with a job, or time is up."""
        with self._changed:
            done = self._done
            self._changed.wait_for(lambda: self._done != done or self._closing, seconds)

    def close(self) -> None:
        """Forget what waits, and end the threads."""
        with self._changed:
            self._closing = True
            self._jobs.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _work(self) -> None:
        # a setting of each thread: the cores are shared out by thread, not by operation
        torch.set_num_threads(1)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closing)
                if self._closing:
                    return
                job = self._jobs.popleft()
                self._busy += 1
            job.run()
            with self._changed:
                self._busy -= 1
                self._done += 1
                self._changed.notify_all()
