"""Runs CTranslate2's Whisper for the batcher: which rows share a batch, and which go on.

A model call cannot be interrupted, and one over eight rows of 30 s takes seconds on a CPU. So short rows are
decoded on the batcher's own thread, and long ones (with those that must be decoded again) on threads beside
it. A voice note then shares the cores with a two-hour file instead of waiting for it. Two batches side by
side also use two cores better than one batch does: while one is being encoded, which scales with threads, the
other is being decoded, which does not.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for

from src.engines.whisper.batch_decoder import BatchDecoder, RowState
from src.engines.whisper.ctranslate2_model import CTranslate2Model
from src.engines.whisper.features import LONGEST_SHORT
from src.engines.whisper.row import Outcome, WhisperRow
from src.engines.whisper.stats import Stats
from src.engines.whisper.vocabulary import Vocabulary

MAX_LONG_BATCHES = 2
"""Batches of long rows that are decoded at the same time."""
_POLL = 0.005
"""Seconds that a step waits for the threads beside it when it has nothing to do itself."""

States = dict[int, RowState]


class CTranslate2Runner:
    """A step decodes one batch of short rows, and hands batches of long rows to threads beside it.

    Args:
        load: loads the model and its vocabulary.
        max_rows: number of rows in a batch.
        long_batches: batches of long rows at a time.
        on_retry: is called when a row is decoded again for the first time.
    """

    def __init__(
        self,
        load: Callable[[], tuple[CTranslate2Model, Vocabulary]],
        max_rows: int,
        long_batches: int = MAX_LONG_BATCHES,
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_retry = on_retry
        self._load = load
        self._max_rows = max_rows
        self._long_batches = long_batches
        self._decoder: BatchDecoder | None = None
        self._short: States = {}
        self._long: States = {}
        self._again: States = {}
        """Rows that are decoded again, one by one."""
        self._again_next = False
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[Future[None], States] = {}
        """What the threads decode. A row whose caller has left is removed."""
        self.stats = Stats()

    def open(self) -> None:
        model, vocabulary = self._load()
        model.warm(vocabulary)
        self._decoder = BatchDecoder(model, vocabulary)
        self._threads = ThreadPoolExecutor(self._long_batches, thread_name_prefix="whisper-long")

    def close(self) -> None:
        self.clear()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        self._decoder = None

    def admit(self, waiting: Sequence[WhisperRow]) -> Sequence[int]:
        """For each batch that there is room for: the first row, and those that can share its batch."""
        joining: list[int] = []
        for is_short, full in ((True, bool(self._short)), (False, len(self._running) >= self._long_batches)):
            if full or (not is_short and self._long):
                continue
            suited = [index for index, row in enumerate(waiting) if _is_short(row) is is_short]
            if suited:
                key = _batch_key(waiting[suited[0]])
                # long rows take tens of MB each: the batches share what one of short rows may hold
                room = self._max_rows if is_short else max(1, self._max_rows // self._long_batches)
                joining += [index for index in suited if _batch_key(waiting[index]) == key][:room]
        return joining

    def add(self, job_id: int, row: WhisperRow) -> None:
        (self._short if _is_short(row) else self._long)[job_id] = self._opened.start(row)
        self.stats.rows += 1

    def remove(self, job_id: int) -> None:
        for states in (self._short, self._long, self._again, *self._running.values()):
            states.pop(job_id, None)

    def clear(self) -> None:
        for states in (self._short, self._long, self._again):
            states.clear()
        self._running.clear()  # the threads go on, but nobody waits for their results

    def step(self) -> Iterable[tuple[int, Outcome | Exception]] | None:
        self._start_long()
        advanced: list[States] = []
        if self._short:
            states, self._short = self._short, {}
            self._advance(list(states.values()))
            advanced.append(states)
        elif self._running:
            wait_for(self._running, timeout=_POLL, return_when=FIRST_COMPLETED)
        for future in [future for future in self._running if future.done()]:
            advanced.append(self._running.pop(future))
            future.result()
        return [result for states in advanced for result in self._collect(states)] if advanced else None

    def _start_long(self) -> None:
        """Give the threads work: long rows and rows that are decoded again take turns."""
        while self._threads is not None and len(self._running) < self._long_batches:
            if self._again and (self._again_next or not self._long):
                self._again_next = False
                job_id = next(iter(self._again))
                states = {job_id: self._again.pop(job_id)}
            elif self._long:
                self._again_next = True
                states, self._long = self._long, {}
            else:
                return
            self._running[self._threads.submit(self._advance, list(states.values()))] = states

    def _advance(self, states: Sequence[RowState]) -> None:
        self._opened.advance(states)

    def _collect(self, states: States) -> list[tuple[int, Outcome | Exception]]:
        """Return the rows that are done; the others are decoded again."""
        self.stats.steps += 1
        self.stats.row_steps += len(states)
        done: list[tuple[int, Outcome | Exception]] = []
        for job_id, state in states.items():
            issue = state.policy.first_issue
            if issue is not None and not state.is_counted:
                state.is_counted = True
                self.stats.retried += 1
                self.stats.issues[issue] += 1
                self._on_retry()
            if state.outcome is not None:
                done.append((job_id, state.outcome))
            else:
                self._again[job_id] = state
        return done

    @property
    def _opened(self) -> BatchDecoder:
        if self._decoder is None:
            raise RuntimeError("the runner is not open")
        return self._decoder


def _is_short(row: WhisperRow) -> bool:
    return row.window <= LONGEST_SHORT


def _batch_key(row: WhisperRow) -> tuple[int, int, bool, float, int | None]:
    """What rows of one batch have in common: window, lengths of prompt and forced text, what is done."""
    forced = None if row.forced is None else len(row.forced)
    return row.window, len(row.prompt), row.detect_only, row.temperature, forced
