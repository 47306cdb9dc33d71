"""Drives our own decoder for the batcher: a step writes one token of every row in work.

Rows join and leave between steps, whatever their language, task, prompt or length: nothing is grouped, and
no row waits for a longer one to end. Meanwhile the encoder reads the next row on a thread beside: one core
encodes while another decodes. A step is milliseconds, and each row is encoded on its own, so a voice note
shares the machine with a two-hour file instead of waiting for it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

import numpy as np
import torch

from src.core.batching import tell_retried
from src.engines.whisper import gate
from src.engines.whisper.features import LONGEST_SHORT
from src.engines.whisper.loop.decoder import Decoder, Feed
from src.engines.whisper.loop.linear import Layers
from src.engines.whisper.loop.reading import Heard, Reading
from src.engines.whisper.loop.rules import Rules
from src.engines.whisper.loop.weights import read
from src.engines.whisper.model import Model
from src.engines.whisper.row import FULL_WINDOW, Alignment, Outcome, Row
from src.engines.whisper.stats import Stats
from src.engines.whisper.vocabulary import Vocabulary

_POLL = 0.05
"""Seconds that a step waits for the encoder when there is nothing to decode."""
_TURNS = 3
"""Short rows that are encoded before a long one that waits."""


class LoopStepper:
    """A step is one decoder step over all rows in work.

    Args:
        load: gives CTranslate2's model, for the encoder and for alignment, and the vocabulary.
        folder: the model's, for the decoder's weights.
        compute_type: `int8` or `float32`.
        max_rows: in work at once; half of them may be long.
    """

    def __init__(
        self,
        load: Callable[[], tuple[Model, Vocabulary]],
        folder: Path,
        compute_type: str,
        max_rows: int,
    ) -> None:
        self._load = load
        self._folder = folder
        self._compute_type = compute_type
        self._max_rows = max_rows
        self._max_long = max(1, max_rows // 2)
        self._model: Model | None = None
        self._vocabulary: Vocabulary | None = None
        self._decoder: Decoder | None = None
        self._rules: Rules | None = None
        self._readings: dict[int, Reading] = {}
        self._deaf: deque[int] = deque()
        """Rows that the encoder has not been given yet."""
        self._since_long = 0
        self._encoding: tuple[int, Future[Heard]] | None = None
        self._beside: ThreadPoolExecutor | None = None
        self.stats = Stats()

    def open(self) -> None:
        # between the small operations of a step, threads wait for each other longer than they work; on a busy
        # machine, a hundred times longer
        torch.set_num_threads(1)
        self._model, self._vocabulary = self._load()
        stored = torch.float32
        if self._compute_type != "float32" and torch.cpu._is_avx512_bf16_supported():
            stored = torch.bfloat16
        self._decoder = Decoder(Layers(read(self._folder, "decoder/"), self._compute_type), stored)
        self._rules = Rules(self._vocabulary, self._decoder.vocabulary_size)
        self._beside = ThreadPoolExecutor(
            1, "whisper-encoder", initializer=torch.set_num_threads, initargs=(1,)
        )
        self._warm(self._model.mels)

    def _warm(self, mels: int) -> None:
        """Run once, so that the first request does not pay for what the libraries set up."""
        self.add(0, Row(np.zeros((mels, 1), np.float32), 0.01, FULL_WINDOW, None, detect_only=True))
        while not self.step():
            pass
        self.stats = Stats()

    def close(self) -> None:
        self.clear()
        if self._beside is not None:
            self._beside.shutdown(wait=True, cancel_futures=True)
        self._model = self._decoder = self._rules = None

    def admit(self, waiting: Sequence[Row]) -> Sequence[int]:
        """The first that there is room for; long rows leave some of it to short ones."""
        room = self._max_rows - len(self._readings)
        room_for_long = self._max_long - sum(not _is_short(one.row) for one in self._readings.values())
        joining: list[int] = []
        for index, row in enumerate(waiting):
            if len(joining) == room:
                break
            if not _is_short(row):
                if room_for_long <= 0:
                    continue
                room_for_long -= 1
            joining.append(index)
        return joining

    def add(self, ticket: int, row: Row) -> None:
        self._readings[ticket] = self._reading(row)
        self._deaf.append(ticket)
        self.stats.rows += 1

    def remove(self, ticket: int) -> None:
        self._readings.pop(ticket, None)
        if ticket in self._deaf:
            self._deaf.remove(ticket)

    def clear(self) -> None:
        self._readings.clear()
        self._deaf.clear()
        self._encoding = None  # what it comes to is nobody's any more

    def step(self) -> Iterable[tuple[int, Outcome | Exception]] | None:
        self._encode_next()
        ready = {ticket: one for ticket, one in self._readings.items() if one.heard is not None}
        if not ready:
            if self._encoding is not None:
                wait_for([self._encoding[1]], timeout=_POLL)
            return None
        with torch.inference_mode():
            self._decode(list(ready.values()))
            return self._settled(ready)

    def _encode_next(self) -> None:
        """Take what the encoder has done, and give it the next row."""
        if self._encoding is not None:
            ticket, work = self._encoding
            if not work.done():
                return
            self._encoding = None
            if (reading := self._readings.get(ticket)) is not None:
                reading.hear(work.result())
        if self._deaf and self._beside is not None:
            ticket = self._next_to_encode()
            self._deaf.remove(ticket)
            self._encoding = (ticket, self._beside.submit(self._hear, self._readings[ticket]))

    def _next_to_encode(self) -> int:
        """Short rows go first, but not for ever."""
        shorts = (ticket for ticket in self._deaf if self._readings[ticket].window <= LONGEST_SHORT)
        longs = (ticket for ticket in self._deaf if self._readings[ticket].window > LONGEST_SHORT)
        short, long = next(shorts, None), next(longs, None)
        if long is None or (short is not None and self._since_long < _TURNS):
            self._since_long += 1
            return self._deaf[0] if short is None else short
        self._since_long = 0
        return long

    def _hear(self, reading: Reading) -> Heard:
        """Runs on the thread beside."""
        model, decoder, _ = self._opened
        encoded = model.encode([reading.row.mel], reading.window)
        with torch.inference_mode():
            memory = decoder.listen(torch.from_numpy(np.array(encoded))[0])
        return Heard(memory, encoded if reading.row.words else None, reading.window == FULL_WINDOW)

    def _decode(self, readings: Sequence[Reading]) -> None:
        """One step of the decoder, and what each row makes of it."""
        _, decoder, rules = self._opened
        feeds: list[Feed] = []
        wanted: list[int] = []
        counts: list[int] = []
        tokens = 0
        for reading in readings:
            feed, offsets = reading.feed()
            feeds.append(feed)
            wanted += [tokens + offset for offset in offsets]
            counts.append(len(offsets))
            tokens += len(feed.tokens)
        logits = decoder.step(feeds, wanted)
        self.stats.steps += 1
        self.stats.row_steps += len(readings)
        texts: list[Sequence[int]] = []
        lines: list[int] = []
        writing: list[tuple[Reading, int]] = []
        start = 0
        for reading, count in zip(readings, counts, strict=True):
            end = start + count
            if found := reading.take(logits[start:end]):
                texts += found
                lines += range(end - len(found), end)
                writing.append((reading, len(found)))
            start = end
        if not writing:
            return
        logprobs = rules.apply(logits if len(lines) == len(logits) else logits[lines], texts)
        start = 0
        for reading, count in writing:
            reading.choose(logprobs[start : start + count])
            start += count

    def _settled(self, readings: dict[int, Reading]) -> list[tuple[int, Outcome | Exception]]:
        done: list[tuple[int, Outcome | Exception]] = []
        for ticket, reading in readings.items():
            if reading.over:
                del self._readings[ticket]
                done.append((ticket, Outcome(reading.decoded, reading.guesses, self._alignment(reading))))
            elif reading.heard is None:
                self._deaf.append(ticket)
        return done

    def _alignment(self, reading: Reading) -> Alignment | None:
        row, decoded, heard = reading.row, reading.decoded, reading.heard
        if not row.words or decoded is None or heard is None:
            return None
        if not decoded.text.strip() or gate.is_silence(decoded):
            return None
        if self._vocabulary is None or self._model is None:
            raise RuntimeError("the stepper is not open")
        start = self._vocabulary.start(reading.guesses[0][0], row.task, ())
        words = self._vocabulary.words_of(decoded.tokens)
        return self._model.align(heard.encoded, start, [words], [row.mel.shape[1]])[0]

    def _reading(self, row: Row) -> Reading:
        if self._vocabulary is None or self._rules is None:
            raise RuntimeError("the stepper is not open")
        return Reading(row, self._vocabulary, self._rules, self._sent_back)

    def _sent_back(self, fault: gate.Fault) -> None:
        self.stats.retried += 1
        self.stats.faults[fault] += 1
        tell_retried("whisper")

    @property
    def _opened(self) -> tuple[Model, Decoder, Rules]:
        if self._model is None or self._decoder is None or self._rules is None:
            raise RuntimeError("the stepper is not open")
        return self._model, self._decoder, self._rules


def _is_short(row: Row) -> bool:
    return row.window <= LONGEST_SHORT
