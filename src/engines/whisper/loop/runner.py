"""Runs our own Whisper for the batcher: a step decodes one token of every row in work (continuous batching).

Rows join and leave between steps, whatever their language, task, prompt or length: nothing is grouped, and
no row waits for a longer one to end. Meanwhile a pool of threads encodes other rows. A step and a subtask
take milliseconds, so a voice note shares the machine with a two-hour file instead of waiting for it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from enum import Enum, auto
from pathlib import Path

import numpy as np
import torch

from src.engines.whisper.loop import alignment
from src.engines.whisper.loop.attention_recorder import LayerHead
from src.engines.whisper.loop.capabilities import Capabilities
from src.engines.whisper.loop.decode_state import DecodeState, EncoderOutput
from src.engines.whisper.loop.decoder import WhisperDecoder
from src.engines.whisper.loop.encoder import WhisperEncoder
from src.engines.whisper.loop.layers import LayerBuilder
from src.engines.whisper.loop.logit_filter import LogitFilter
from src.engines.whisper.loop.step import decode_step
from src.engines.whisper.loop.weights import alignment_heads, read
from src.engines.whisper.row import FULL_WINDOW, LONGEST_SHORT, Outcome, WhisperRow
from src.engines.whisper.stats import Stats
from src.engines.whisper.vocabulary import Vocabulary
from src.engines.worker_pool import Stage, Task, WorkerPool
from src.errors import EngineFailed

_POLL = 0.05
"""Seconds that a step waits for the encoder when there is nothing to decode."""
_URGENT_STEPS = 4
"""While there are urgent rows, the others take part in one of this many steps."""
_BACKGROUND_STEPS = 8
"""While there are rows that somebody waits for, background rows take part in one of this many steps."""
_MIN_BATCH = 4
"""Rows that a step waits for while more are being encoded. A step over one long row costs 10 ms a row, over
four 6.5 ms, and larger batches gain little. Waiting for more would leave the encoder without work while the
last rows of a file are decoded."""
_WARM_STEPS = 5
"""Decoder steps of the warm-up: detection, the prompt, and some tokens of several hypotheses."""

Results = list[tuple[int, Outcome | Exception]]


class _Kind(Enum):
    """Rows that share a bound."""

    SHORT = auto()
    LONG_LIVE = auto()
    """Somebody waits for its text, but updates of all sessions wait for its steps."""
    OTHER = auto()
    """It is long, or nobody waits for it."""


def _kind(row: WhisperRow) -> _Kind:
    if not row.is_urgent:
        return _Kind.OTHER
    return _Kind.SHORT if row.window <= LONGEST_SHORT else _Kind.LONG_LIVE


class LoopRunner:
    """A step is one decoder step over the rows in work, or a subtask of the encoder.

    Args:
        load: loads the vocabulary.
        folder: the model's folder, for the weights.
        capabilities: the operations that this CPU can do.
        max_rows: number of rows in work at once. Half of them may be those of long files, and a quarter long
            utterances of live sessions.
        threads: one decodes, the others encode; at least one encodes.
        on_retry: is called when a row is decoded again for the first time.
    """

    def __init__(
        self,
        load: Callable[[], Vocabulary],
        folder: Path,
        capabilities: Capabilities,
        max_rows: int,
        threads: int,
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_retry = on_retry
        self._load = load
        self._folder = folder
        self._capabilities = capabilities
        self._max_rows = max_rows
        self._most = {
            _Kind.SHORT: max_rows,
            _Kind.LONG_LIVE: max(1, max_rows // 4),
            _Kind.OTHER: max(1, max_rows // 2),
        }
        """Most rows in work of each kind."""
        self._encoder_threads = max(1, threads - 1)
        self._vocabulary: Vocabulary | None = None
        self._encoder: WhisperEncoder | None = None
        self._decoder: WhisperDecoder | None = None
        self._filter: LogitFilter | None = None
        self._pool: WorkerPool | None = None
        self._alignment_heads: Sequence[LayerHead] = ()
        self._states: dict[int, DecodeState] = {}
        """Rows in work."""
        self._encoding: dict[int, Task[EncoderOutput]] = {}
        """The encoder's tasks, for those of the rows whose audio is not encoded yet."""
        self._since_long = 0
        self._since_background = 0
        self.stats = Stats()

    def open(self) -> None:
        # The operations of a step are small: their threads would wait for each other longer than they work,
        # on a busy machine a hundred times longer.
        torch.set_num_threads(1)
        self._vocabulary = self._load()
        can = self._capabilities
        encoder = LayerBuilder(read(self._folder, "encoder/"), can.many_rows)
        self._encoder = WhisperEncoder(encoder, can.conv_dtype, can.encoder_attention)
        arrays = read(self._folder, "decoder/")
        self._decoder = WhisperDecoder(
            LayerBuilder(arrays, can.few_rows), LayerBuilder(arrays, can.many_rows), can.cross_attention
        )
        self._filter = LogitFilter(self._vocabulary, self._decoder.outputs)
        self._alignment_heads = alignment_heads(self._folder, self._decoder.layers, self._decoder.heads)
        self._pool = WorkerPool(self._encoder_threads, "whisper-encoder")
        self._warm(self._encoder.mels)

    def _warm(self, mels: int) -> None:
        """Decode a few tokens of silence, so that the first request does not wait for set-up and compilation.

        Raises:
            EngineFailed: the encoder failed, or the decoder wrote no token.
        """
        self.add(0, WhisperRow(np.zeros((mels, 1), np.float32), 0.01, FULL_WINDOW, None))
        state = self._states[0]
        while self._states and self.stats.steps < _WARM_STEPS:
            for _, outcome in self.step() or ():
                if isinstance(outcome, Exception):
                    raise EngineFailed("whisper failed to encode the row that warms it up") from outcome
        if not state.has_written:
            raise EngineFailed("whisper wrote no token of the row that warms it up")
        self.clear()
        self.stats = Stats()
        alignment.warm()

    def close(self) -> None:
        self.clear()
        if self._pool is not None:
            self._pool.close()
        self._encoder = self._decoder = self._filter = self._pool = None

    def admit(self, waiting: Sequence[WhisperRow]) -> Sequence[int]:
        """The first rows that there is room for. Those whose steps are long leave some to the others."""
        room = self._max_rows - len(self._states)
        taken = Counter(_kind(one.row) for one in self._states.values())
        joining: list[int] = []
        for index, row in enumerate(waiting):
            if len(joining) == room:
                break
            kind = _kind(row)
            if taken[kind] < self._most[kind]:
                taken[kind] += 1
                joining.append(index)
        return joining

    def add(self, job_id: int, row: WhisperRow) -> None:
        if self._vocabulary is None or self._filter is None:
            raise RuntimeError("the runner is not open")
        self._states[job_id] = state = DecodeState(row, self._vocabulary, self._filter, self._alignment_heads)
        self._submit(job_id, state)
        self.stats.rows += 1

    def remove(self, job_id: int) -> None:
        self._states.pop(job_id, None)
        if self._pool is not None and (task := self._encoding.pop(job_id, None)) is not None:
            self._pool.drop(task)

    def clear(self) -> None:
        for job_id in list(self._states):
            self.remove(job_id)

    def step(self) -> Iterable[tuple[int, Outcome | Exception]] | None:
        if self._pool is None or self._decoder is None or self._filter is None:
            raise RuntimeError("the runner is not open")
        failed = self._collect_encoded()
        ready = self._scheduled({job_id: one for job_id, one in self._states.items() if one.is_encoded})
        if (not ready or self._wait_for_more(ready.values())) and (self._pool.help() or failed):
            return failed
        if not ready:
            self._pool.wait(_POLL)
            return None
        with torch.inference_mode():
            decode_step(self._decoder, self._filter, list(ready.values()))
            self.stats.steps += 1
            self.stats.row_steps += len(ready)
            return failed + self._collect_decoded(ready)

    def _submit(self, job_id: int, state: DecodeState) -> None:
        """Have a row's audio encoded, in the window that its policy asks for."""
        if self._pool is None:
            raise RuntimeError("the runner is not open")
        task = Task(self._encode(state), state.row.is_urgent_in(state.policy.window), state.row.background)
        self._encoding[job_id] = task
        self._pool.submit(task)

    def _encode(self, state: DecodeState) -> Generator[Stage, None, EncoderOutput]:
        """Runs on any thread of the pool, subtask by subtask."""
        if self._encoder is None or self._decoder is None:
            raise RuntimeError("the runner is not open")
        window = state.policy.window
        encoded = yield from self._encoder.run(state.row.mel, window)
        kv_cache = yield from self._decoder.project_kv(encoded)
        yield from self._decoder.read_prompt(kv_cache, state.early_prompt)
        return EncoderOutput(kv_cache, window)

    def _collect_encoded(self) -> Results:
        """Give rows their encoder outputs; return those that could not be encoded."""
        failed: Results = []
        for job_id, task in list(self._encoding.items()):
            if not task.done:
                continue
            del self._encoding[job_id]
            self._states[job_id].cpu_seconds += task.cpu_seconds
            if isinstance(task.outcome, Exception):
                del self._states[job_id]
                failed.append((job_id, task.outcome))
            else:
                self._states[job_id].encoder_output = task.outcome
        return failed

    def _scheduled(self, ready: dict[int, DecodeState]) -> dict[int, DecodeState]:
        """Rows that take part in this step: no row makes each step of more urgent ones longer."""
        waited_for = {job_id: one for job_id, one in ready.items() if not one.row.background}
        self._since_background += 1
        if waited_for and len(waited_for) < len(ready) and self._since_background < _BACKGROUND_STEPS:
            ready = waited_for
        else:
            self._since_background = 0
        urgent = {job_id: one for job_id, one in ready.items() if one.row.is_urgent}
        self._since_long += 1
        if not urgent or len(urgent) == len(ready) or self._since_long >= _URGENT_STEPS:
            self._since_long = 0
            return ready
        return urgent

    def _wait_for_more(self, ready: Collection[DecodeState]) -> bool:
        """Whether to encode more rows before the next step: a step over few rows costs each of them more.

        Urgent rows wait for urgent ones only, background rows for all others, no other row for them. Those
        with forced tokens wait for none: somebody speaks, and most of their work is one step.
        """
        if self._pool is None:
            return False
        background = all(one.row.background for one in ready)
        if background and not self._pool.only_background:
            return True
        if len(ready) >= _MIN_BATCH or any(one.row.forced is not None for one in ready):
            return False
        if any(one.row.is_urgent for one in ready):
            return self._pool.urgent_waiting
        return not (self._pool.idle if background else self._pool.only_background)

    def _collect_decoded(self, states: dict[int, DecodeState]) -> Results:
        """Return the rows that are done; encode those anew that need a wider window."""
        done: Results = []
        for job_id, state in states.items():
            issue = state.policy.first_issue
            if not state.is_counted and issue is not None:
                state.is_counted = True
                self.stats.retried += 1
                self.stats.issues[issue] += 1
                self._on_retry()
            if state.is_done:
                del self._states[job_id]
                done.append((job_id, state.outcome))
            elif not state.is_encoded:
                state.encoder_output = None
                self._submit(job_id, state)
        return done
