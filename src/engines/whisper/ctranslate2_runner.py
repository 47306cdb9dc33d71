"""Runs CTranslate2's Whisper for the batcher: which rows share a batch, and which go on.

A model call cannot be interrupted, and one over eight rows of 30 s takes seconds on a CPU. So short rows are
decoded on the batcher's own thread, and long ones (with those that must be decoded again) on threads beside
it. A voice note then shares the cores with a two-hour file instead of waiting for it. Two batches side by
side also use two cores better than one batch does: while one is being encoded, which scales with threads, the
other is being decoded, which does not.

A GPU that decodes one batch of a small model waits most of the time for the CPU, which starts each operation.
So there short rows are decoded on threads, too, several batches at a time.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass

from src.engines.whisper.batch_decoder import BatchDecoder, RowState
from src.engines.whisper.ctranslate2_model import CTranslate2Model
from src.engines.whisper.row import LONGEST_SHORT, Outcome, WhisperRow
from src.engines.whisper.stats import Stats
from src.engines.whisper.vocabulary import Vocabulary

log = logging.getLogger(__name__)

MAX_LONG_BATCHES = 2
"""Batches of long rows that a CPU decodes at the same time."""
GPU_BATCHES = 4
"""Batches of long rows, and of short ones, that a GPU decodes at the same time.

On an NVIDIA H200, `base` read 14 clips a second from 32 clients with 1, 33 with 4, and 32 with 8.
"""
_POLL = 0.005
"""Seconds that a step waits for the threads beside it when it has nothing to do itself."""

States = dict[int, RowState]


@dataclass(frozen=True, slots=True)
class _Batch:
    states: States
    is_short: bool


class CTranslate2Runner:
    """A step hands batches to threads beside it; a batch of short rows it decodes itself, or hands over, too.

    Args:
        load: loads the model and its vocabulary.
        max_rows: number of rows in a batch.
        long_batches: batches of long rows at a time.
        short_batches: batches of short rows at a time on threads; 0: one at a time, on the batcher's own.
        on_retry: is called when a row is decoded again for the first time.
    """

    def __init__(
        self,
        load: Callable[[], tuple[CTranslate2Model, Vocabulary]],
        max_rows: int,
        long_batches: int = MAX_LONG_BATCHES,
        on_retry: Callable[[], None] = lambda: None,
        *,
        short_batches: int = 0,
    ) -> None:
        self._on_retry = on_retry
        self._load = load
        self._max_rows = max_rows
        self._long_batches = long_batches
        self._short_batches = short_batches
        self._decoder: BatchDecoder | None = None
        self._short: States = {}
        self._long: States = {}
        self._again: States = {}
        """Rows that are decoded again, one by one."""
        self._again_next = False
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[Future[None], _Batch] = {}
        """What the threads decode. A row whose caller has left is removed."""
        self.stats = Stats()

    def open(self) -> None:
        model, vocabulary = self._load()
        model.warm(vocabulary)
        self._decoder = BatchDecoder(model, vocabulary)
        threads = self._long_batches + self._short_batches
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="whisper-batch")

    def close(self) -> None:
        self.clear()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        self._decoder = None

    def admit(self, waiting: Sequence[WhisperRow]) -> Sequence[int]:
        """For each batch that there is room for: the first row, and those that can share its batch."""
        joining: list[int] = []
        for is_short in (True, False):
            if (self._short if is_short else self._long) or not self._has_room(is_short):
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
        running = (batch.states for batch in self._running.values())
        for states in (self._short, self._long, self._again, *running):
            states.pop(job_id, None)

    def clear(self) -> None:
        for states in (self._short, self._long, self._again):
            states.clear()
        self._running.clear()  # the threads go on, but nobody waits for their results

    def step(self) -> Iterable[tuple[int, Outcome | Exception]] | None:
        started = self._start()
        ended: list[tuple[States, BaseException | None]] = []
        if self._short and not self._short_batches:
            states, self._short = self._short, {}
            ended.append((states, self._failure(states)))
        elif self._running and not started:
            wait_for(self._running, timeout=_POLL, return_when=FIRST_COMPLETED)
        done = [future for future in self._running if future.done()]
        ended += [(self._running.pop(future).states, future.exception()) for future in done]
        if not ended:
            return None
        return [result for states, error in ended for result in self._results(states, error)]

    def _failure(self, states: States) -> Exception | None:
        """Decode a batch on this thread, and tell what it raised."""
        try:
            self._advance(list(states.values()))
        except Exception as error:
            return error
        return None

    def _results(self, states: States, error: BaseException | None) -> list[tuple[int, Outcome | Exception]]:
        """What a batch came to. If it raised, each of its rows is tried alone; other batches go on."""
        if error is None:
            return self._collect(states)
        if not isinstance(error, Exception):
            raise error
        log.error("a batch of %d rows failed", len(states), exc_info=error)
        if len(states) == 1:
            return [(job_id, error) for job_id in states]
        self._again.update((job_id, self._opened.start(state.row)) for job_id, state in states.items())
        return []

    def _has_room(self, is_short: bool) -> bool:
        if is_short and not self._short_batches:
            return True
        running = sum(batch.is_short is is_short for batch in self._running.values())
        return running < (self._short_batches if is_short else self._long_batches)

    def _start(self) -> bool:
        """Give the threads work, and tell whether there was any."""
        before = len(self._running)
        if self._short and self._short_batches and self._has_room(is_short=True):
            states, self._short = self._short, {}
            self._submit(states, is_short=True)
        while self._has_room(is_short=False):
            # long rows and rows that are decoded again take turns
            if self._again and (self._again_next or not self._long):
                self._again_next = False
                job_id = next(iter(self._again))
                states = {job_id: self._again.pop(job_id)}
            elif self._long:
                self._again_next = True
                states, self._long = self._long, {}
            else:
                break
            self._submit(states, is_short=False)
        return len(self._running) > before

    def _submit(self, states: States, *, is_short: bool) -> None:
        if self._threads is None:
            raise RuntimeError("the runner is not open")
        future = self._threads.submit(self._advance, list(states.values()))
        self._running[future] = _Batch(states, is_short)

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


def _batch_key(row: WhisperRow) -> tuple[int, int, bool, bool, float, int | None, int | None]:
    """What rows of one batch have in common: window, lengths of prompt and forced text, what is done."""
    forced = None if row.forced is None else len(row.forced)
    return row.window, len(row.prompt), row.timed, row.detect_only, row.temperature, forced, row.beam
