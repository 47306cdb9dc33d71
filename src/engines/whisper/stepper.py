"""Drives the model for the batcher: which rows go together, and which must be done once more.

A model call cannot be interrupted, and one over eight rows of 30 s takes seconds on a CPU. So there are two
kinds of place: *short* rows are read on the batcher's own thread, and *long* ones (with those that the gate
sent back, which need the full window) on threads beside it. A voice note then shares the cores with a
two-hour file instead of waiting for it. Two batches side by side also use two cores better than one batch
does: while one is encoded, which scales with threads, the other is decoded, which does not.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for

from src.engines.whisper.features import LONGEST_SHORT
from src.engines.whisper.model import Model
from src.engines.whisper.passes import Doubtful, Passes
from src.engines.whisper.row import Outcome, Row
from src.engines.whisper.stats import Stats
from src.engines.whisper.vocabulary import Vocabulary

MAX_PLACES = 2
"""Batches of long rows that are read at the same time."""
_POLL = 0.005
"""Seconds between looks at the waiting rows while work goes on beside only."""

Results = list[tuple[int, Outcome | Doubtful]]


class WhisperStepper:
    """A step reads one batch of short rows, and hands batches of long ones to threads beside."""

    def __init__(
        self,
        load: Callable[[], tuple[Model, Vocabulary]],
        max_rows: int,
        places: int = MAX_PLACES,
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_retry = on_retry
        self._load = load
        self._max_rows = max_rows
        self._places = places
        self._passes: Passes | None = None
        self._short: dict[int, Row] = {}
        self._long: dict[int, Row] = {}
        self._doubtful: dict[int, Doubtful] = {}
        self._doubtful_next = False
        self._beside: ThreadPoolExecutor | None = None
        self._running: dict[Future[Results], set[int]] = {}
        """What goes on beside, and whose rows those are; a caller who leaves is struck off."""
        self.stats = Stats()

    def open(self) -> None:
        model, vocabulary = self._load()
        model.warm(vocabulary)
        self._passes = Passes(model, vocabulary)
        self._beside = ThreadPoolExecutor(self._places, thread_name_prefix="whisper-long")

    def close(self) -> None:
        self.clear()
        if self._beside is not None:
            self._beside.shutdown(wait=True, cancel_futures=True)
        self._passes = None

    def admit(self, waiting: Sequence[Row]) -> Sequence[int]:
        """For each place that is free, the row whose turn it is and as many as can share its batch."""
        joining: list[int] = []
        for is_short, full in ((True, bool(self._short)), (False, len(self._running) >= self._places)):
            if full or (not is_short and self._long):
                continue
            suited = [index for index, row in enumerate(waiting) if _is_short(row) is is_short]
            if suited:
                key = _key(waiting[suited[0]])
                # long rows take tens of MB each: the places share what one batch may hold
                room = self._max_rows if is_short else max(1, self._max_rows // self._places)
                joining += [index for index in suited if _key(waiting[index]) == key][:room]
        return joining

    def add(self, ticket: int, row: Row) -> None:
        (self._short if _is_short(row) else self._long)[ticket] = row
        self.stats.rows += 1

    def remove(self, ticket: int) -> None:
        self._short.pop(ticket, None)
        self._long.pop(ticket, None)
        self._doubtful.pop(ticket, None)
        for tickets in self._running.values():
            tickets.discard(ticket)

    def clear(self) -> None:
        self._short.clear()
        self._long.clear()
        self._doubtful.clear()
        self._running.clear()  # what it comes to is nobody's any more

    def step(self) -> Iterable[tuple[int, Outcome | Exception]] | None:
        self._start_long()
        done: Results = []
        if self._short:
            rows, self._short = self._short, {}
            done += self._first(rows)
        elif self._running:
            wait_for(self._running, timeout=_POLL, return_when=FIRST_COMPLETED)
        for running in [running for running in self._running if running.done()]:
            tickets = self._running.pop(running)
            # a row whose caller has left meanwhile is not decoded once more
            done += [one for one in running.result() if one[0] in tickets]
        return self._settled(done) if done else None

    def _start_long(self) -> None:
        """Fill the places beside: long and doubtful rows take turns."""
        while self._beside is not None and len(self._running) < self._places:
            if self._doubtful and (self._doubtful_next or not self._long):
                self._doubtful_next = False
                ticket = next(iter(self._doubtful))
                running = self._beside.submit(self._again, ticket, self._doubtful.pop(ticket))
                self._running[running] = {ticket}
            elif self._long:
                self._doubtful_next = True
                rows, self._long = self._long, {}
                self._running[self._beside.submit(self._first, rows)] = set(rows)
            else:
                return

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
                self._on_retry()
            self._doubtful[ticket] = result
        return done

    def _first(self, rows: dict[int, Row]) -> Results:
        self.stats.steps += 1
        self.stats.row_steps += len(rows)
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
