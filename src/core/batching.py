"""Rows of many requests, one thread, one model.

A `Batcher` owns one thread, and the thread owns the model: nothing else ever touches it. Requests hand in
*rows* (a stretch of speech, a sentence) and await their outcome; the thread takes as many waiting rows as
the model has room for and steps it until they are done. Nothing waits for company: rows gather only while
the model is busy, so a request alone is served at once.

The model is anything that looks like `Stepper`. One that answers a whole batch in a single call returns
every row from its first `step`; one that decodes in a loop returns rows as they finish, and rows that were
waiting join between steps.

- Rows wait in *lanes*, one a request, and lanes take turns: a two-hour file and a voice note each get
  every other place.
- Cancelling `submit` gives the row back: dropped if it waits, removed before the next step if it is in work.
- A step that raises loses nothing but the row that caused it: the rows in work are tried again one by one,
  and only those that raise alone fail.
"""

import asyncio
import itertools
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from src.core.errors import EngineFailed, Overloaded
from src.core.tracing import record

log = logging.getLogger(__name__)

Row = TypeVar("Row")
Out = TypeVar("Out")
Row_contra = TypeVar("Row_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class Stepper(Protocol[Row_contra, Out_co]):
    """A model that a batcher drives. Every method is called on the batcher's thread, never by two at once."""

    def open(self) -> None:
        """Load and warm the model."""

    def admit(self, waiting: Sequence[Row_contra]) -> Sequence[int]:
        """Which of the waiting rows (in the order in which they should go) join now, as indexes.

        With no row in work at least one index must come back.
        """

    def add(self, ticket: int, row: Row_contra) -> None:
        """Take a row into work. What this raises fails that row alone."""

    def step(self) -> Iterable[tuple[int, Out_co | Exception]] | None:
        """Do some work; return the rows that are finished, each with its result or with why it failed.

        None says that this step only waited for work that goes on elsewhere.
        """

    def remove(self, ticket: int) -> None:
        """Forget a row in work: its caller has left."""

    def clear(self) -> None:
        """Forget every row in work: the last step raised."""

    def close(self) -> None:
        """Give the model's memory back."""


class Observer(Protocol):
    """Is told what every batcher does, on its thread or a caller's: must be quick, and must not raise."""

    def joined(self, engine: str, waited: float) -> None:
        """A row went into the model after `waited` seconds."""

    def stepped(self, engine: str, rows: int, seconds: float) -> None:
        """A step over `rows` rows took `seconds`."""

    def ended(self, engine: str, outcome: str) -> None:
        """A row is `done`, has `failed`, or was `left` by its caller."""

    def retried(self, engine: str) -> None:
        """A row's first result was not good enough, so the engine tries again."""


observers: set[Observer] = set()
"""Of all batchers in this process."""


def tell_retried(engine: str) -> None:
    """What an engine calls when its quality gate sends a row (or a sentence) back."""
    for observer in observers:
        observer.retried(engine)


@dataclass(slots=True, eq=False)
class _Job(Generic[Row, Out]):
    row: Row
    lane: Hashable
    future: asyncio.Future[Out]
    loop: asyncio.AbstractEventLoop
    ticket: int
    left: bool = False
    """The caller is gone."""
    alone: bool = False
    """It was in a batch that raised, so it must run by itself."""
    since: float = field(default_factory=time.monotonic)
    joined: float | None = None
    """When it went into the model."""


class Batcher(Generic[Row, Out]):
    """Runs `stepper` in a thread of its own and feeds it rows from any number of tasks.

    Args:
        stepper: the model.
        name: of the thread, and in errors and logs.
        max_waiting: rows that may wait; one more is refused with `Overloaded`.
    """

    def __init__(self, stepper: Stepper[Row, Out], name: str, max_waiting: int = 1024) -> None:
        self._stepper = stepper
        self._name = name
        self._max_waiting = max_waiting
        self._lanes: OrderedDict[Hashable, deque[_Job[Row, Out]]] = OrderedDict()
        self._waiting = 0
        self._active: dict[int, _Job[Row, Out]] = {}
        self._suspects: deque[_Job[Row, Out]] = deque()
        self._tickets = itertools.count()
        self._changed = threading.Condition()
        self._closing = False
        self._progress = time.monotonic()
        self._thread: threading.Thread | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(loop, opened), name=self._name, daemon=True)
        self._thread.start()
        await opened
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    @property
    def waiting(self) -> int:
        """Rows that are not in the model yet."""
        return self._waiting + len(self._suspects)

    @property
    def active(self) -> int:
        """Rows in the model."""
        return len(self._active)

    @property
    def stalled_for(self) -> float:
        """Seconds since a row was last finished (or the first one came); 0 without work."""
        return time.monotonic() - self._progress if self.waiting or self.active else 0.0

    async def submit(self, row: Row, lane: Hashable) -> Out:
        """Have `row` worked on and return its outcome.

        Raises:
            Overloaded: `max_waiting` rows wait already, or the batcher is closing.
            Exception: whatever the stepper gave as this row's outcome.
        """
        loop = asyncio.get_running_loop()
        job = _Job[Row, Out](row, lane, loop.create_future(), loop, next(self._tickets))
        with self._changed:
            if self._closing:
                raise Overloaded("the server is stopping")
            if self._waiting >= self._max_waiting:
                raise Overloaded(f"{self._waiting} rows wait for {self._name} already")
            if not self.waiting and not self._active:
                self._progress = time.monotonic()
            self._lanes.setdefault(lane, deque()).append(job)
            self._waiting += 1
            self._changed.notify()
        try:
            return await job.future
        finally:
            left = not job.future.done() or job.future.cancelled()
            if left:
                self._leave(job)
            record("queue", job.since, job.joined, {"voz.engine": self._name})
            if job.joined is not None:
                failed = not left and job.future.exception() is not None
                record("engine", job.joined, None, {"voz.engine": self._name, "voz.left": left}, failed)

    def _leave(self, job: _Job[Row, Out]) -> None:
        for observer in observers:
            observer.ended(self._name, "left")
        with self._changed:
            job.left = True
            lane = self._lanes.get(job.lane)
            if lane is not None and job in lane:
                lane.remove(job)
                self._waiting -= 1
                if not lane:
                    del self._lanes[job.lane]

    # Everything below runs on the batcher's thread.

    def _run(self, loop: asyncio.AbstractEventLoop, opened: asyncio.Future[None]) -> None:
        try:
            self._stepper.open()
        except BaseException as error:
            # a traceback would keep a half-loaded model alive; a StopIteration cannot enter a future
            self._stepper.close()
            failure = error if isinstance(error, Exception) else EngineFailed(f"{self._name}: {error!r}")
            _post(loop, _fail, opened, failure)
            return
        _post(loop, _succeed, opened, None)
        try:
            while self._take():
                self._step()
        finally:
            self._closing = True
            self._refuse_all()
            self._stepper.close()

    def _take(self) -> bool:
        """Wait for work and hand it to the stepper; False when closing."""
        with self._changed:
            while not self._closing and not self._waiting and not self._suspects and not self._active:
                self._changed.wait()
            if self._closing:
                return False
            gone = [ticket for ticket, job in self._active.items() if job.left]
            for ticket in gone:
                del self._active[ticket]
            waiting, joining = self._in_turn(), []
        for ticket in gone:
            self._stepper.remove(ticket)
        # admit may be slow (it looks at every row), so the lock is not held: callers on the loop need it
        if self._suspects:
            joining = [] if self._active else [self._suspects.popleft()]
        elif waiting and not any(job.alone for job in self._active.values()):
            joining = self._admitted(waiting)
        with self._changed:
            joining = [job for job in joining if not job.left]
            for job in joining:
                if not job.alone:
                    self._dequeue(job)
                self._active[job.ticket] = job
        for job in joining:
            job.joined = job.joined or time.monotonic()
            for observer in () if job.alone else observers:
                observer.joined(self._name, job.joined - job.since)
            try:
                self._stepper.add(job.ticket, job.row)
            except Exception as error:
                self._finish(job.ticket, error)
        return True

    def _admitted(self, waiting: list[_Job[Row, Out]]) -> list[_Job[Row, Out]]:
        try:
            chosen = self._stepper.admit([job.row for job in waiting])
        except Exception:
            # one of the rows cannot even be looked at: the oldest goes in alone, so that the queue moves
            log.exception("%s could not choose among %d rows", self._name, len(waiting))
            chosen = () if self._active else (0,)
        return [waiting[index] for index in chosen]

    def _in_turn(self) -> list[_Job[Row, Out]]:
        """Waiting rows, one of each lane in turn."""
        rounds = itertools.zip_longest(*self._lanes.values())
        return [job for turn in rounds for job in turn if job is not None]

    def _dequeue(self, job: _Job[Row, Out]) -> None:
        lane = self._lanes[job.lane]
        lane.remove(job)
        self._waiting -= 1
        if lane:
            self._lanes.move_to_end(job.lane)
        else:
            del self._lanes[job.lane]

    def _step(self) -> None:
        if not self._active:
            return
        started, rows = time.monotonic(), len(self._active)
        try:
            finished = self._stepper.step()
            if finished is None:
                return
            for ticket, outcome in finished:
                self._finish(ticket, outcome)
            for observer in observers:
                observer.stepped(self._name, rows, time.monotonic() - started)
        except Exception as error:
            self._stepper.clear()
            self._blame(error)

    def _blame(self, error: Exception) -> None:
        """A step raised: fail a row that was alone, and line up the rows of a batch to run one by one."""
        jobs = list(self._active.values())
        if len(jobs) == 1:
            log.error("%s failed on a row", self._name, exc_info=error)
            self._finish(jobs[0].ticket, error)
            return
        log.error("%s failed on a batch of %d; trying each alone", self._name, len(jobs), exc_info=error)
        with self._changed:
            self._active.clear()
        for job in jobs:
            job.alone = True
            self._suspects.append(job)

    def _finish(self, ticket: int, outcome: Out | Exception) -> None:
        with self._changed:
            job = self._active.pop(ticket, None)
            self._progress = time.monotonic()
        if job is None or job.left:
            return
        for observer in observers:
            observer.ended(self._name, "failed" if isinstance(outcome, Exception) else "done")
        if isinstance(outcome, Exception):
            error = (
                outcome
                if isinstance(outcome, EngineFailed | Overloaded)
                else _engine_failed(self._name, outcome)
            )
            _post(job.loop, _fail, job.future, error)
        else:
            _post(job.loop, _succeed, job.future, outcome)

    def _refuse_all(self) -> None:
        with self._changed:
            lanes = [job for lane in self._lanes.values() for job in lane]
            jobs = [*self._active.values(), *self._suspects, *lanes]
            self._active.clear()
            self._suspects.clear()
            self._lanes.clear()
            self._waiting = 0
        for job in jobs:
            _post(job.loop, _fail, job.future, Overloaded("the server is stopping"))


def _engine_failed(name: str, cause: Exception) -> EngineFailed:
    error = EngineFailed(f"the {name} engine failed on this input")
    error.__cause__ = cause
    return error


def _post(loop: asyncio.AbstractEventLoop, callback: object, *args: object) -> None:
    try:
        loop.call_soon_threadsafe(callback, *args)  # type: ignore[arg-type]
    except RuntimeError:  # the loop is closed: nobody waits any more
        log.debug("an outcome came after the loop had closed")


def _succeed(future: asyncio.Future[Out], value: Out) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Out], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
