"""Drives our own network for the batcher: a step writes one token of every row in work.

Rows join and leave between steps, whatever their language, task, prompt or length: nothing is grouped, and
no row waits for a longer one to end. Meanwhile others are encoded on threads beside, part by part.
Steps and parts are milliseconds, so a voice note shares the machine with a two-hour file instead of waiting
for it.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from pathlib import Path

import ctranslate2
import numpy as np
import torch

from src.engines.whisper import gate
from src.engines.whisper.features import LONGEST_SHORT
from src.engines.whisper.loop import audio
from src.engines.whisper.loop.decoder import Decoder
from src.engines.whisper.loop.encoder import Encoder, Parts
from src.engines.whisper.loop.encoding import Encoders, Encoding
from src.engines.whisper.loop.intrinsics import multiplies_bfloat16
from src.engines.whisper.loop.layers import Layers
from src.engines.whisper.loop.products import for_few_rows, for_many_rows
from src.engines.whisper.loop.reading import Heard, Reading
from src.engines.whisper.loop.rules import Rules
from src.engines.whisper.loop.step import take_step
from src.engines.whisper.loop.weights import read
from src.engines.whisper.model import Model
from src.engines.whisper.row import FULL_WINDOW, Alignment, Outcome, Row
from src.engines.whisper.stats import Stats
from src.engines.whisper.vocabulary import Vocabulary

_POLL = 0.05
"""Seconds that a step waits for the encoder when there is nothing to decode."""
_SHORT_STEPS = 4
"""While there are short rows, long ones take part in every so many-th step only."""
_COMPANY = 4
"""Rows that are decoded together where there are as many. A long one alone costs 10 ms a step, one of four
6.5, and more than that bring little; but while the last of a file are decoded, none is left to encode."""
_WARM_STEPS = 5
"""Detection, the prompt, and some tokens of several texts."""

Done = list[tuple[int, Outcome | Exception]]


class LoopStepper:
    """A step is one decoder step over the rows in work, or a part of what the encoder has to do.

    Args:
        load: gives CTranslate2's model, for the alignment of words, and the vocabulary.
        folder: the model's, for the weights.
        compute_type: `int8` or `float32`.
        max_rows: in work at once; half of them may be long.
        threads: one decodes, the others encode; of one, two are made.
        on_retry: is called when a row is read once more.
    """

    def __init__(
        self,
        load: Callable[[], tuple[Model, Vocabulary]],
        folder: Path,
        compute_type: str,
        max_rows: int,
        threads: int,
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_retry = on_retry
        self._load = load
        self._folder = folder
        self._compute_type = compute_type
        self._max_rows = max_rows
        self._max_long = max(1, max_rows // 2)
        self._beside = max(1, threads - 1)
        self._model: Model | None = None
        self._vocabulary: Vocabulary | None = None
        self._encoder: Encoder | None = None
        self._decoder: Decoder | None = None
        self._rules: Rules | None = None
        self._encoders: Encoders | None = None
        self._readings: dict[int, Reading] = {}
        self._encodings: dict[int, Encoding] = {}
        """Of rows whose audio is not there yet."""
        self._since_long = 0
        self.stats = Stats()

    def open(self) -> None:
        # between the small operations of a step, threads wait for each other longer than they work; on a busy
        # machine, a hundred times longer
        torch.set_num_threads(1)
        self._model, self._vocabulary = self._load()
        few, many = for_few_rows(self._compute_type), for_many_rows(self._compute_type)
        stored: torch.dtype = torch.float32
        kept: type[audio.Audio] = audio.Float32
        if self._compute_type != "float32" and multiplies_bfloat16():
            stored, kept = torch.bfloat16, audio.BFloat16
        self._encoder = Encoder(Layers(read(self._folder, "encoder/"), many), kept, stored)
        arrays = read(self._folder, "decoder/")
        self._decoder = Decoder(Layers(arrays, few), Layers(arrays, many), kept)
        self._rules = Rules(self._vocabulary, self._decoder.outputs)
        self._encoders = Encoders(self._beside)
        self._warm(self._encoder.mels)

    def _warm(self, mels: int) -> None:
        """Write a few tokens of silence, so that the first request does not pay for what libraries set up and
        compile."""
        self.add(0, Row(np.zeros((mels, 1), np.float32), 0.01, FULL_WINDOW, None))
        while self._readings and self.stats.steps < _WARM_STEPS:
            self.step()
        self.clear()
        self.stats = Stats()

    def close(self) -> None:
        self.clear()
        if self._encoders is not None:
            self._encoders.close()
        self._model = self._encoder = self._decoder = self._rules = self._encoders = None

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
        self._readings[ticket] = reading = self._reading(row)
        self._encode(ticket, reading)
        self.stats.rows += 1

    def remove(self, ticket: int) -> None:
        self._readings.pop(ticket, None)
        if self._encoders is not None and (encoding := self._encodings.pop(ticket, None)) is not None:
            self._encoders.drop(encoding)

    def clear(self) -> None:
        for ticket in list(self._readings):
            self.remove(ticket)

    def step(self) -> Iterable[tuple[int, Outcome | Exception]] | None:
        if self._encoders is None:
            raise RuntimeError("the stepper is not open")
        failed = self._take_encoded()
        ready = self._in_turn(
            {ticket: one for ticket, one in self._readings.items() if one.heard is not None}
        )
        if (not ready or self._want_company(ready.values())) and (self._encoders.help() or failed):
            return failed
        if not ready:
            self._encoders.wait(_POLL)
            return None
        with torch.inference_mode():
            take_step(*self._opened, list(ready.values()))
            self.stats.steps += 1
            self.stats.row_steps += len(ready)
            return failed + self._settled(ready)

    def _encode(self, ticket: int, reading: Reading) -> None:
        if self._encoders is None:
            raise RuntimeError("the stepper is not open")
        encoding = Encoding(self._hear(reading), reading.window <= LONGEST_SHORT)
        self._encodings[ticket] = encoding
        self._encoders.submit(encoding)

    def _take_encoded(self) -> Done:
        """Rows whose audio is there can be decoded; those that could not be encoded have failed."""
        failed: Done = []
        for ticket, encoding in list(self._encodings.items()):
            outcome = encoding.outcome
            if outcome is None:
                continue
            del self._encodings[ticket]
            if isinstance(outcome, Exception):
                del self._readings[ticket]
                failed.append((ticket, outcome))
            else:
                self._readings[ticket].hear(outcome)
        return failed

    def _in_turn(self, ready: dict[int, Reading]) -> dict[int, Reading]:
        """Those that take part in this step: long rows do not make each step of short ones longer."""
        short = {ticket: one for ticket, one in ready.items() if _is_short(one.row)}
        self._since_long += 1
        if not short or len(short) == len(ready) or self._since_long >= _SHORT_STEPS:
            self._since_long = 0
            return ready
        return short

    def _want_company(self, ready: Collection[Reading]) -> bool:
        """A step over few rows costs each of them more: if more are to come, let them come first.

        Short rows wait for short ones only.
        """
        if self._encoders is None or len(ready) >= _COMPANY:
            return False
        short = any(_is_short(one.row) for one in ready)
        return self._encoders.short_waiting if short else self._encoders.waiting

    def _hear(self, reading: Reading) -> Generator[Parts, None, Heard]:
        """Runs on whichever threads have time, part by part."""
        if self._encoder is None or self._decoder is None:
            raise RuntimeError("the stepper is not open")
        encoded = yield from self._encoder.run(reading.row.mel, reading.window)
        memory = yield from self._decoder.listen(encoded)
        return Heard(memory, encoded if reading.row.words else None, reading.window == FULL_WINDOW)

    def _settled(self, readings: dict[int, Reading]) -> Done:
        done: Done = []
        for ticket, reading in readings.items():
            if reading.over:
                del self._readings[ticket]
                done.append((ticket, Outcome(reading.decoded, reading.guesses, self._alignment(reading))))
            elif reading.heard is None:
                self._encode(ticket, reading)
        return done

    def _alignment(self, reading: Reading) -> Alignment | None:
        row, decoded, heard = reading.row, reading.decoded, reading.heard
        if decoded is None or heard is None or heard.encoded is None:
            return None
        if not decoded.text.strip() or gate.is_silence(decoded):
            return None
        if self._vocabulary is None or self._model is None:
            raise RuntimeError("the stepper is not open")
        start = self._vocabulary.start(reading.guesses[0][0], row.task, ())
        words = self._vocabulary.words_of(decoded.tokens)
        encoded = ctranslate2.StorageView.from_array(heard.encoded[None].numpy())
        return self._model.align(encoded, start, [words], [row.mel.shape[1]])[0]

    def _reading(self, row: Row) -> Reading:
        if self._vocabulary is None or self._rules is None:
            raise RuntimeError("the stepper is not open")
        return Reading(row, self._vocabulary, self._rules, self._sent_back)

    def _sent_back(self, fault: gate.Fault) -> None:
        self.stats.retried += 1
        self.stats.faults[fault] += 1
        self._on_retry()

    @property
    def _opened(self) -> tuple[Decoder, Rules]:
        if self._decoder is None or self._rules is None:
            raise RuntimeError("the stepper is not open")
        return self._decoder, self._rules


def _is_short(row: Row) -> bool:
    return row.window <= LONGEST_SHORT
