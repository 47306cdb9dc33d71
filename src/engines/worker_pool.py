"""A pool of worker threads for one model's heavy work. The thread that owns the model may help.

A decoder step is many small operations, which one thread does best. The work beside it (an encoder, a
vocoder) is a few large operations. So one thread decodes, the workers do the rest, and the decoding thread
works for the pool while it has nothing to decode.

A `Task` is done in stages, and each stage is a list of subtasks that may run in any order or at once. Tasks
are milliseconds per subtask, so an urgent task overtakes others between two subtasks.
"""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import Generic, TypeVar

import torch

T = TypeVar("T")

Subtask = Callable[[], None]
Stage = Sequence[Subtask]
"""Work that may be done in any order, or at once."""

_URGENT_TURNS = 32
"""Subtasks of urgent tasks that are done before a subtask of another one is."""


class Task(Generic[T]):
    """Work that a pool does stage by stage.

    Args:
        stages: yields each stage, and returns the task's outcome.
        urgent: whether it goes before tasks that are not.
        background: whether it goes after all tasks that are not.
    """

    def __init__(
        self, stages: Generator[Stage, None, T], urgent: bool = False, background: bool = False
    ) -> None:
        self.urgent = urgent
        self.background = background
        self.done = False
        """Whether there is an outcome. It stays False if the task is dropped before its last subtask."""
        self.outcome: T | Exception | None = None
        """The result, or the error that a subtask raised; None until the task is done."""
        self.cpu_seconds = 0.0
        """CPU time of its subtasks so far."""
        self._stages = stages
        self._subtasks: list[Subtask] = [self._next_stage]
        self._unfinished = 1

    @classmethod
    def of(cls, function: Callable[[], T], urgent: bool = False) -> "Task[T]":
        """A task of a single subtask."""

        def stages() -> Generator[Stage, None, T]:
            yield from ()  # no stage: asking for the first one is the task
            return function()

        return cls(stages(), urgent)

    @property
    def has_subtask(self) -> bool:
        """Whether a subtask waits for a thread."""
        return bool(self._subtasks)

    # The pool calls these with its lock held.

    def take(self) -> Subtask:
        return self._subtasks.pop()

    def drop(self) -> None:
        """Forget the subtasks that no thread has begun. If the last one has, there may be an outcome."""
        self._subtasks = []
        self._unfinished = -1

    def finished(self, error: Exception | None, cpu_seconds: float) -> None:
        """A subtask has ended. After a stage's last one, the next stage is asked for."""
        self._unfinished -= 1
        self.cpu_seconds += cpu_seconds
        if error is not None:
            self.drop()
            self.outcome, self.done = error, True
        elif self._unfinished == 0 and not self.done:
            self._subtasks, self._unfinished = [self._next_stage], 1

    def _next_stage(self) -> None:
        try:
            subtasks = list(next(self._stages))
        except StopIteration as end:
            self.outcome, self.done = end.value, True
        else:
            # this call itself counts as unfinished until `finished` is called for it
            self._unfinished += len(subtasks)
            self._subtasks = subtasks


class WorkerPool:
    """Does tasks subtask by subtask: urgent tasks first, others as they came, background tasks last.

    Args:
        size: number of threads; 0: only callers of `help` do any work.
        name: prefix of the threads' names.
    """

    def __init__(self, size: int, name: str) -> None:
        self._tasks: list[Task[object]] = []
        """Tasks that are not done, in the order in which they came."""
        self._since_other = 0
        self._changed = threading.Condition()
        self._progress = False
        self._busy = 0
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(size)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def size(self) -> int:
        """Number of threads."""
        return len(self._threads)

    @property
    def idle(self) -> bool:
        """Whether no subtask waits for a thread."""
        with self._changed:
            return not any(task.has_subtask for task in self._tasks)

    @property
    def only_background(self) -> bool:
        """Whether no subtask waits for a thread but those of background tasks."""
        with self._changed:
            return all(task.background or not task.has_subtask for task in self._tasks)

    @property
    def urgent_waiting(self) -> bool:
        """Whether a subtask of an urgent task waits for a thread."""
        with self._changed:
            return any(task.urgent and task.has_subtask for task in self._tasks)

    @property
    def free(self) -> bool:
        """Whether a new task would be begun at once; without threads: as soon as somebody helps."""
        with self._changed:
            waiting = any(task.has_subtask for task in self._tasks)
            return not waiting and (not self._threads or self._busy < len(self._threads))

    def submit(self, task: Task[T]) -> None:
        with self._changed:
            self._tasks.append(task)  # type: ignore[arg-type]
            self._changed.notify_all()

    def drop(self, task: Task[T]) -> None:
        """Forget a task whose outcome nobody wants any more. A subtask that has begun runs to its end."""
        with self._changed:
            task.drop()
            if task in self._tasks:
                self._tasks.remove(task)  # type: ignore[arg-type]

    def help(self) -> bool:
        """Do one subtask on the calling thread; False if none waits."""
        with self._changed:
            found = self._take()
        if found is None:
            return False
        self._do(*found)
        return True

    def wait(self, seconds: float) -> None:
        """Wait until a subtask has ended since the last call of `wait`, or time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._progress or self._closing, seconds)
            self._progress = False

    def close(self) -> None:
        """Forget what waits, and end the threads."""
        with self._changed:
            self._closing = True
            for task in self._tasks:
                task.drop()
            self._tasks = []
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _work(self) -> None:
        torch.set_num_threads(1)  # a setting of each thread: the cores are shared out by thread
        while True:
            with self._changed:
                while (found := self._take()) is None and not self._closing:
                    self._changed.wait()
                if found is None:
                    return
                self._busy += 1
            self._do(*found, by_worker=True)

    def _do(self, task: Task[object], subtask: Subtask, *, by_worker: bool = False) -> None:
        failure = None
        started = time.thread_time()
        try:
            with torch.inference_mode():
                subtask()
        except Exception as error:
            failure = error
        with self._changed:
            task.finished(failure, time.thread_time() - started)
            if task.done and task in self._tasks:
                self._tasks.remove(task)
            self._busy -= by_worker
            self._progress = True
            self._changed.notify_all()

    def _take(self) -> tuple[Task[object], Subtask] | None:
        """The next subtask: of an urgent task, but other tasks get a turn at times."""
        urgent = next((task for task in self._tasks if task.urgent and task.has_subtask), None)
        others = [task for task in self._tasks if not task.urgent and task.has_subtask]
        other = next((task for task in others if not task.background), others[0] if others else None)
        urgent_first = urgent is not None and self._since_other < _URGENT_TURNS
        task = urgent if urgent_first or other is None else other
        if task is None:
            return None
        self._since_other = 0 if task is other else self._since_other + 1
        return task, task.take()
