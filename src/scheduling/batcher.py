"""Continuous batching: rows of many requests, one thread, one model.

A `Batcher` owns one thread, and the thread owns the model: nothing else ever touches it. Callers submit
*rows* (a span of speech, a sentence) and await their results. The thread takes as many waiting rows as the
model has room for and steps the model until they are done. No row waits for a batch to fill: rows gather only
while the model is busy, so a lone row starts at once.

The model is anything that looks like `BatchModel`. A model that answers a whole batch in a single call
returns every row from its first `step`. A model that decodes in a loop returns rows as they finish, and
waiting rows join between steps.

- Rows wait in one queue for each request, and requests take turns (`FairQueue`).
- Background rows (`background.py`) join only while no other row waits or is in the model, a few at a time. So
  that they are never starved, one joins every half minute all the same.
- Cancelling `submit` gives the row back: it is dropped if it waits, and removed before the next step if it
  is in the model.
- A step that raises loses only the row that caused it: every row of the batch is run again alone, and only
  those that raise alone fail.
- No exception of the model or of an observer ends the thread, except `SystemExit` and the like. If the thread
  ends, it logs a CRITICAL line, every caller gets `EngineStopped`, and `alive` is False.

See docs/batcher.md.
"""

import asyncio
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from src.errors import EngineFailed, EngineStopped, Overloaded
from src.scheduling.background import is_background
from src.scheduling.fair_queue import FairQueue
from src.scheduling.observer import BatchObserver, ObserverGroup, Outcome
from src.scheduling.progress import StepProgress

log = logging.getLogger(__name__)

RowT = TypeVar("RowT")
OutT = TypeVar("OutT")
RowT_contra = TypeVar("RowT_contra", contravariant=True)
OutT_co = TypeVar("OutT_co", covariant=True)

STALL_SECONDS = 60.0
"""Default for the minimum of `stall_limit`, in seconds."""
_MAX_FAILED_CLEARS = 3
"""Maximum number of consecutive calls of `clear` that raise. After that, the model's state is unknown."""
MAX_BACKGROUND = 2
"""Default for the number of background rows in a model."""
_STARVED_SECONDS = 30.0
"""Seconds after which a background row joins, whatever else there is to do."""
_JOIN_SECONDS = 30.0
"""Seconds that closing waits for the model's last step. A thread that hangs is left behind (a daemon)."""


class BatchModel(Protocol[RowT_contra, OutT_co]):
    """A model that a batcher drives. Every method is called on the batcher's thread, never by two at once."""

    def open(self) -> None:
        """Load and warm the model."""

    def admit(self, waiting: Sequence[RowT_contra]) -> Sequence[int]:
        """Which of the waiting rows (in the order in which they should go) join now, as indexes.

        With no row in the model at least one index must come back; the first row is taken if none does.
        """

    def add(self, job_id: int, row: RowT_contra) -> None:
        """Take a row into the model. What this raises fails that row alone."""

    def step(self) -> Iterable[tuple[int, OutT_co | Exception]] | None:
        """Do some work; return the rows that are finished, each with its result or with why it failed.

        None says that this step only waited for work that goes on elsewhere. It does not count as progress.
        """

    def remove(self, job_id: int) -> None:
        """Forget a row: its caller has left."""

    def clear(self) -> None:
        """Forget every row: the last step raised."""

    def close(self) -> None:
        """Release the model's memory."""


@dataclass(slots=True, eq=False)
class _Job(Generic[RowT, OutT]):
    row: RowT
    request_id: str
    future: asyncio.Future[OutT]
    loop: asyncio.AbstractEventLoop
    job_id: int
    background: bool = False
    """Whether nobody waits for it."""
    cancelled: bool = False
    """Whether the caller has left."""
    run_solo: bool = False
    """Whether the row was in a batch that raised, so that it must run alone."""
    submitted: float = field(default_factory=time.monotonic)
    started: float | None = None
    """Time at which it went into the model; None while it waits."""


class Batcher(Generic[RowT, OutT]):
    """Runs `model` in a thread of its own and feeds it rows from any number of tasks.

    Args:
        model: the model.
        name: name of the thread, also used in errors, logs and calls of observers.
        max_waiting: maximum number of waiting rows; one more is refused with `Overloaded`.
        observers: observers of what the batcher does.
        stall_seconds: minimum of `stall_limit`, in seconds.
        max_background: number of background rows in the model at once.
    """

    def __init__(
        self,
        model: BatchModel[RowT, OutT],
        name: str,
        max_waiting: int = 1024,
        observers: Iterable[BatchObserver] = (),
        stall_seconds: float = STALL_SECONDS,
        max_background: int = MAX_BACKGROUND,
    ) -> None:
        self._model = model
        self._name = name
        self._max_waiting = max_waiting
        self._max_background = max_background
        self._last_background = time.monotonic()
        self._observer = ObserverGroup(observers)
        self._queue: FairQueue[_Job[RowT, OutT]] = FairQueue()
        self._active: dict[int, _Job[RowT, OutT]] = {}
        self._solo: deque[_Job[RowT, OutT]] = deque()
        """Rows of a batch that raised; they run one by one, before all others."""
        self._job_ids = itertools.count()
        self._changed = threading.Condition()
        self._closing = False
        self._died = False
        self._failed_clears = 0
        self._progress = StepProgress(stall_seconds)
        self._thread: threading.Thread | None = None

    async def __aenter__(self) -> Self:
        """Start the thread and wait until the model is open.

        Raises:
            Exception: whatever the model's `open` raised.
        """
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(loop, opened), name=self._name, daemon=True)
        self._thread.start()
        try:
            await opened
        except BaseException:
            self._stop()  # cancelled: the thread closes the model as soon as it is open
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the current step end, refuse the rows that wait, and close the model."""
        self._stop()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _JOIN_SECONDS)
            if self._thread.is_alive():
                log.error(
                    "%s has not ended within %g s: its thread is left behind", self._name, _JOIN_SECONDS
                )

    @property
    def alive(self) -> bool:
        """Whether the thread serves rows."""
        return self._thread is not None and self._thread.is_alive() and not self._died

    @property
    def waiting(self) -> int:
        """Rows that are not in the model yet."""
        return len(self._queue) + len(self._solo)

    @property
    def active(self) -> int:
        """Rows in the model."""
        return len(self._active)

    @property
    def stalled_for(self) -> float:
        """Seconds since a step last returned, or since the first row arrived; 0 without work."""
        return self._progress.age if self.waiting or self.active else 0.0

    @property
    def stall_limit(self) -> float:
        """Seconds of `stalled_for` after which the model is taken to hang; it follows the time of a step."""
        return self._progress.limit

    def retried(self) -> None:
        """Count a row that the model works on once more. The model calls it."""
        self._observer.retried(self._name)

    async def submit(self, row: RowT, request_id: str) -> OutT:
        """Have `row` worked on and return its result.

        Args:
            row: the input.
            request_id: id of the row's request. Requests take turns.

        Raises:
            Overloaded: `max_waiting` rows wait already, or the batcher is closing.
            EngineStopped: the thread has ended.
            EngineFailed: the model raised on this row, or answered it with an error.
        """
        loop = asyncio.get_running_loop()
        background = is_background()
        future: asyncio.Future[OutT] = loop.create_future()
        job = _Job[RowT, OutT](row, request_id, future, loop, next(self._job_ids), background)
        with self._changed:
            if not self.alive:
                raise self._stopped()
            if self._closing:
                raise Overloaded("the server is stopping")
            if len(self._queue) >= self._max_waiting:
                raise Overloaded(f"{len(self._queue)} rows wait for {self._name} already")
            if not self.waiting and not self._active:
                self._progress.begin()
            self._queue.append(request_id, job, background=background)
            self._changed.notify()
        try:
            return await job.future
        finally:
            outcome: Outcome = "done"
            if not job.future.done() or job.future.cancelled():
                outcome = "cancelled"
                self._cancel(job)
            elif job.future.exception() is not None:
                outcome = "failed"
            self._observer.returned(self._name, job.submitted, job.started, outcome)

    def _cancel(self, job: _Job[RowT, OutT]) -> None:
        with self._changed:
            job.cancelled = True
            self._queue.discard(job.request_id, job)
        self._observer.ended(self._name, "cancelled")

    def _stop(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()

    def _stopped(self) -> Exception:
        if self._closing and not self._died:
            return Overloaded("the server is stopping")
        return EngineStopped(f"the {self._name} engine has stopped; the server must start anew")

    # Everything below runs on the batcher's thread.

    def _run(self, loop: asyncio.AbstractEventLoop, opened: asyncio.Future[None]) -> None:
        try:
            self._model.open()
        except BaseException as error:
            # a traceback would keep a half-loaded model alive; a StopIteration cannot enter a future
            self._close_model()
            failure = error if isinstance(error, Exception) else EngineFailed(f"{self._name}: {error!r}")
            _post(loop, _fail, opened, failure)
            return
        _post(loop, _succeed, opened, None)
        try:
            while self._take():
                self._step()
        except BaseException as error:
            self._died = True
            log.critical("the thread of %s has ended and serves no more rows", self._name, exc_info=error)
        finally:
            self._refuse_all()
            self._close_model()

    def _take(self) -> bool:
        """Wait for work and hand it to the model; False when closing."""
        with self._changed:
            while not self._closing and not self._queue and not self._solo and not self._active:
                self._changed.wait()
            if self._closing:
                return False
            cancelled = [job_id for job_id, job in self._active.items() if job.cancelled]
            for job_id in cancelled:
                del self._active[job_id]
        for job_id in cancelled:
            self._remove(job_id)
        joining = self._next()
        with self._changed:
            joining = [job for job in joining if not job.cancelled]
            for job in joining:
                self._queue.serve(job.request_id, job)
                self._active[job.job_id] = job
        for job in joining:
            if job.started is None:
                job.started = time.monotonic()
                self._observer.started(self._name, job.started - job.submitted)
            try:
                self._model.add(job.job_id, job.row)
            except Exception as error:
                self._finish(job.job_id, error)
        return True

    def _remove(self, job_id: int) -> None:
        try:
            self._model.remove(job_id)
        except Exception as error:
            log.error("%s could not remove a row; running the others alone", self._name, exc_info=error)
            self._clear()
            self._line_up(list(self._active.values()))

    def _next(self) -> list[_Job[RowT, OutT]]:
        """The rows that join the model now."""
        if self._solo:
            return [] if self._active else [self._solo.popleft()]
        if any(job.run_solo for job in self._active.values()):
            return []
        with self._changed:
            waiting = self._eligible(self._queue.in_turn())
        if not waiting:
            return []
        # admit may be slow (it looks at every row), so the lock is not held: callers on the loop need it
        chosen: list[_Job[RowT, OutT]] = []
        try:
            indexes = self._model.admit([job.row for job in waiting])
            chosen = [waiting[index] for index in dict.fromkeys(indexes)]
        except Exception:
            log.exception("%s could not choose among %d rows", self._name, len(waiting))
        # the oldest goes in alone rather than that the queue stands still
        chosen = chosen if chosen or self._active else waiting[:1]
        if any(job.background for job in chosen):
            self._last_background = time.monotonic()
        return chosen

    def _eligible(self, waiting: list[_Job[RowT, OutT]]) -> list[_Job[RowT, OutT]]:
        """The rows that may join now: all but background ones, or a few of those."""
        urgent = [job for job in waiting if not job.background]
        background = waiting[len(urgent) :]
        active = sum(job.background for job in self._active.values())
        if not urgent and active == len(self._active):
            self._last_background = time.monotonic()
            return background[: max(0, self._max_background - active)]
        starved = not active and time.monotonic() - self._last_background > _STARVED_SECONDS
        return background[:1] + urgent if starved else urgent

    def _step(self) -> None:
        if not self._active:
            return
        started, rows = time.monotonic(), len(self._active)
        try:
            finished = self._model.step()
            if finished is None:
                return
            for job_id, outcome in finished:
                self._finish(job_id, outcome)
        except Exception as error:
            self._clear()
            self._isolate(error)
        else:
            self._observer.stepped(self._name, rows, time.monotonic() - started)
        self._progress.advance()

    def _clear(self) -> None:
        try:
            self._model.clear()
        except Exception:
            self._failed_clears += 1
            if self._failed_clears >= _MAX_FAILED_CLEARS:
                raise
            log.exception("%s could not be cleared", self._name)
        else:
            self._failed_clears = 0

    def _isolate(self, error: Exception) -> None:
        """A step raised: fail a row that was alone, and line up the rows of a batch to run one by one."""
        jobs = list(self._active.values())
        if len(jobs) == 1:
            log.error("%s failed on a row", self._name, exc_info=error)
            self._finish(jobs[0].job_id, error)
            return
        log.error("%s failed on a batch of %d; trying each alone", self._name, len(jobs), exc_info=error)
        self._line_up(jobs)

    def _line_up(self, jobs: list[_Job[RowT, OutT]]) -> None:
        with self._changed:
            self._active.clear()
            for job in jobs:
                job.run_solo = True
                self._solo.append(job)

    def _finish(self, job_id: int, outcome: OutT | Exception) -> None:
        with self._changed:
            job = self._active.pop(job_id, None)
        if job is None or job.cancelled:
            return
        self._observer.ended(self._name, "failed" if isinstance(outcome, Exception) else "done")
        if isinstance(outcome, Exception):
            known = isinstance(outcome, EngineFailed | Overloaded)
            error = outcome if known else _engine_failed(self._name, outcome)
            _post(job.loop, _fail, job.future, error)
        else:
            _post(job.loop, _succeed, job.future, outcome)

    def _refuse_all(self) -> None:
        with self._changed:
            self._closing = True
            jobs = [*self._active.values(), *self._solo, *self._queue.clear()]
            self._active.clear()
            self._solo.clear()
        for job in jobs:
            _post(job.loop, _fail, job.future, self._stopped())

    def _close_model(self) -> None:
        try:
            self._model.close()
        except Exception:
            log.exception("%s could not be closed", self._name)


def _engine_failed(name: str, cause: Exception) -> EngineFailed:
    error = EngineFailed(f"the {name} engine failed on this input")
    error.__cause__ = cause
    return error


def _post(loop: asyncio.AbstractEventLoop, callback: object, *args: object) -> None:
    try:
        loop.call_soon_threadsafe(callback, *args)  # type: ignore[arg-type]
    except RuntimeError:  # the loop is closed: nobody waits any more
        log.debug("an outcome came after the loop had closed")


def _succeed(future: asyncio.Future[OutT], value: OutT) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[OutT], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
