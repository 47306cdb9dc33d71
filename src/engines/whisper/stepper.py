"""Drives the model for the batcher: which rows go together, and which must be done once more.

A model call cannot be interrupted, and one over eight rows of 30 s takes seconds on a CPU. So there are two
places: *short* rows are read on the batcher's own thread, and *long* ones (with those that the gate sent
back, which need the full window) on a second thread beside it. A voice note then shares the cores with a
two-hour file instead of waiting for it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field

from src.core.batching import tell_retried
from src.engines.whisper.features import LONGEST_SHORT
from src.engines.whisper.model import Model
from src.engines.whisper.passes import Doubtful, Passes
from src.engines.whisper.row import Outcome, Row
from src.engines.whisper.vocabulary import Vocabulary

_POLL = 0.005
"""Seconds between looks at the waiting rows while only the second thread is at work."""

Results = list[tuple[int, Outcome | Doubtful]]


@dataclass(slots=True)
class Stats:
    """Counters since the start."""

    rows: int = 0
    batches: int = 0
    retried: int = 0
    """Rows that the gate sent back."""
    faults: Counter[str] = field(default_factory=Counter)
    """Why."""

    @property
    def gate_rate(self) -> float:
        """Share of rows that the gate sent back."""
        return self.retried / self.rows if self.rows else 0.0


class WhisperStepper:
    """A step reads one batch of short rows, or hands one batch of long ones to the second thread."""

    def __init__(self, load: Callable[[], tuple[Model, Vocabulary]], max_rows: int) -> None:
        self._load = load
        self._max_rows = max_rows
        self._passes: Passes | None = None
        self._short: dict[int, Row] = {}
        self._long: dict[int, Row] = {}
        self._doubtful: dict[int, Doubtful] = {}
        self._doubtful_next = False
        self._beside: ThreadPoolExecutor | None = None
        self._running: Future[Results] | None = None
        self._beside_tickets: set[int] = set()
        """Rows that the second thread is at work on, but for those whose callers have left."""
        self.stats = Stats()

    def open(self) -> None:
        model, vocabulary = self._load()
        model.warm(vocabulary)
        self._passes = Passes(model, vocabulary)
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="whisper-long")

    def close(self) -> None:
        self.clear()
        if self._beside is not None:
            self._beside.shutdown(wait=True, cancel_futures=True)
        self._passes = None

    def admit(self, waiting: Sequence[Row]) -> Sequence[int]:
        """For each place that is free, the row whose turn it is and as many as can share its batch."""
        joining: list[int] = []
        for is_short, taken in ((True, len(self._short)), (False, len(self._long))):
            if taken:
                continue
            suited = [index for index, row in enumerate(waiting) if _is_short(row) is is_short]
            if suited:
                key = _key(waiting[suited[0]])
                joining += [index for index in suited if _key(waiting[index]) == key][: self._max_rows]
        return joining

    def add(self, ticket: int, row: Row) -> None:
        (self._short if _is_short(row) else self._long)[ticket] = row
        self.stats.rows += 1

    def remove(self, ticket: int) -> None:
        self._short.pop(ticket, None)
        self._long.pop(ticket, None)
        self._doubtful.pop(ticket, None)
        self._beside_tickets.discard(ticket)

    def clear(self) -> None:
        self._short.clear()
        self._long.clear()
        self._doubtful.clear()
        self._beside_tickets.clear()
        self._running = None  # what it comes to is nobody's any more

    def step(self) -> Iterable[tuple[int, Outcome | Exception]] | None:
        if self._running is None:
            self._start_long()
        done: Results = []
        if self._short:
            rows, self._short = self._short, {}
            done += self._first(rows)
        elif self._running is not None:
            wait_for([self._running], timeout=_POLL)
        if self._running is not None and self._running.done():
            running, self._running = self._running, None
            # rows whose callers left meanwhile are not decoded once more
            done += [
                (ticket, result) for ticket, result in running.result() if ticket in self._beside_tickets
            ]
            self._beside_tickets.clear()
        return self._settled(done) if done else None

    def _start_long(self) -> None:
        """Give the second thread its next batch: long and doubtful rows take turns."""
        if self._beside is None or not (self._long or self._doubtful):
            return
        if self._doubtful and (self._doubtful_next or not self._long):
            self._doubtful_next = False
            ticket = next(iter(self._doubtful))
            self._beside_tickets = {ticket}
            self._running = self._beside.submit(self._again, ticket, self._doubtful.pop(ticket))
        else:
            self._doubtful_next = True
            rows, self._long = self._long, {}
            self._beside_tickets = set(rows)
            self._running = self._beside.submit(self._first, rows)

    def _settled(self, results: Results) -> list[tuple[int, Outcome | Exception]]:
        """What is done; what must be done once more is lined up."""
        done: list[tuple[int, Outcome | Exception]] = []
        for ticket, result in results:
            if not isinstance(result, Doubtful):
                done.append((ticket, result))
                continue
            if len(result.tried) == 1:
                self.stats.retried += 1
                self.stats.faults[result.fault] += 1
                tell_retried("whisper")
            self._doubtful[ticket] = result
        return done

    def _first(self, rows: dict[int, Row]) -> Results:
        self.stats.batches += 1
        return list(zip(rows, self._opened.first(list(rows.values())), strict=True))

    def _again(self, ticket: int, doubtful: Doubtful) -> Results:
        return [(ticket, self._opened.again(doubtful))]

    @property
    def _opened(self) -> Passes:
        if self._passes is None:
            raise RuntimeError("the stepper is not open")
        return self._passes


def _is_short(row: Row) -> bool:
    return row.window <= LONGEST_SHORT


def _key(row: Row) -> tuple[int, int, bool]:
    """Rows that may share a batch have this in common."""
    return row.window, len(row.prompt), row.detect_only
