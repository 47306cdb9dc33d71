"""Drives the model for the batcher: which rows go together, and which must be done once more."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from src.engines.whisper import gate
from src.engines.whisper.features import stack
from src.engines.whisper.model import Encoded, Model
from src.engines.whisper.row import FULL_WINDOW, Alignment, Decoded, Outcome, Row
from src.engines.whisper.vocabulary import Vocabulary

LADDER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Temperatures that a doubtful row is decoded at, in turn, with the full window; faster-whisper's own."""


@dataclass(slots=True)
class Stats:
    """Counters since the start."""

    rows: int = 0
    batches: int = 0
    retried: int = 0
    """Rows that the gate sent back."""
    faults: Counter[str] = field(default_factory=Counter)
    """Why."""
    given_up: int = 0
    """Rows that no temperature made right; the likeliest of their texts is given."""

    @property
    def gate_rate(self) -> float:
        return self.retried / self.rows if self.rows else 0.0


@dataclass(slots=True, eq=False)
class _Doubtful:
    """A row that the gate sent back."""

    row: Row
    tried: list[Decoded]
    rung: int
    encoded: Encoded | None = None
    """Full window, one row; kept from the first rung for the others."""
    guesses: tuple[tuple[str, float], ...] = ()


class WhisperStepper:
    """A step is one batch: fresh rows of one window, or doubtful rows at one temperature."""

    def __init__(self, load: Callable[[], tuple[Model, Vocabulary]], max_rows: int) -> None:
        self._load = load
        self._max_rows = max_rows
        self._fresh: dict[int, Row] = {}
        self._doubtful: dict[int, _Doubtful] = {}
        self._doubtful_next = False
        self._model: Model | None = None
        self._vocabulary: Vocabulary | None = None
        self.stats = Stats()

    def open(self) -> None:
        self._model, self._vocabulary = self._load()
        self._model.warm(self._vocabulary)

    def close(self) -> None:
        self.clear()
        self._model = None

    def admit(self, waiting: Sequence[Row]) -> Sequence[int]:
        """The row whose turn it is, and as many that can share its batch as there is room for."""
        if len(self._doubtful) >= self._max_rows:
            return ()
        key = _key(waiting[0])
        return [index for index, row in enumerate(waiting) if _key(row) == key][: self._max_rows]

    def add(self, ticket: int, row: Row) -> None:
        self._fresh[ticket] = row

    def remove(self, ticket: int) -> None:
        self._fresh.pop(ticket, None)
        self._doubtful.pop(ticket, None)

    def clear(self) -> None:
        self._fresh.clear()
        self._doubtful.clear()

    def step(self) -> Iterable[tuple[int, Outcome | Exception]]:
        # doubtful rows take turns with fresh ones, so that neither holds up the other
        again = bool(self._doubtful) and (self._doubtful_next or not self._fresh)
        self._doubtful_next = not again
        self.stats.batches += 1
        return self._step_doubtful() if again else self._step_fresh()

    def _step_fresh(self) -> Iterable[tuple[int, Outcome | Exception]]:
        key = _key(next(iter(self._fresh.values())))
        tickets = [ticket for ticket, row in self._fresh.items() if _key(row) == key][: self._max_rows]
        rows = [self._fresh[ticket] for ticket in tickets]
        model, _ = self._opened()
        encoded = model.encode(stack([row.mel for row in rows], rows[0].window))
        guesses = self._guess(rows, encoded)
        for ticket in tickets:
            del self._fresh[ticket]
        self.stats.rows += len(rows)
        if rows[0].detect_only:
            return [
                (ticket, Outcome(None, found[0][0], found))
                for ticket, found in zip(tickets, guesses, strict=True)
            ]
        decoded = self._decode(rows, encoded, guesses, 0.0)
        done: list[int] = []
        for index, (ticket, row, one) in enumerate(zip(tickets, rows, decoded, strict=True)):
            fault = gate.fault(one, row.duration)
            if fault is None:
                done.append(index)
                continue
            self.stats.retried += 1
            self.stats.faults[fault] += 1
            full = row.window == FULL_WINDOW
            self._doubtful[ticket] = _Doubtful(
                row, [one], 1 if full else 0, model.take(encoded, [index]) if full else None, guesses[index]
            )
        return self._outcomes(
            [tickets[index] for index in done],
            [rows[index] for index in done],
            [decoded[index] for index in done],
            [guesses[index] for index in done],
            lambda some: model.take(encoded, [done[index] for index in some]),
        )

    def _step_doubtful(self) -> Iterable[tuple[int, Outcome | Exception]]:
        """One row of the ladder for one row: doubtful rows are few, and a batch of one is soonest over."""
        ticket, doubtful = next(iter(self._doubtful.items()))
        model, _ = self._opened()
        row = doubtful.row
        if doubtful.encoded is None:
            doubtful.encoded = model.encode(stack([row.mel], FULL_WINDOW))
            doubtful.guesses = self._guess([row], doubtful.encoded)[0]
        [one] = self._decode([row], doubtful.encoded, [doubtful.guesses], LADDER[doubtful.rung])
        doubtful.tried.append(one)
        doubtful.rung += 1
        del self._doubtful[ticket]
        if gate.fault(one, row.duration) is not None:
            if doubtful.rung < len(LADDER):
                self._doubtful[ticket] = doubtful  # to the end of the line
                return []
            self.stats.given_up += 1
            one = _likeliest(doubtful.tried)
        return self._outcomes([ticket], [row], [one], [doubtful.guesses], lambda _: doubtful.encoded)

    def _guess(self, rows: Sequence[Row], encoded: Encoded) -> list[tuple[tuple[str, float], ...]]:
        """Languages of each row, likeliest first; one call serves the batch."""
        model, vocabulary = self._opened()
        if all(row.language for row in rows):
            return [((row.language or "", 1.0),) for row in rows]
        if not model.multilingual:
            return [(("en", 1.0),)] * len(rows)
        found = model.languages(encoded)
        return [
            ((row.language, 1.0),) if row.language else choose(all_, row.languages or vocabulary.languages)
            for row, all_ in zip(rows, found, strict=True)
        ]

    def _decode(
        self,
        rows: Sequence[Row],
        encoded: Encoded,
        guesses: Sequence[tuple[tuple[str, float], ...]],
        temperature: float,
    ) -> list[Decoded]:
        model, vocabulary = self._opened()
        prompts = [
            vocabulary.start(found[0][0], row.task, row.prompt)
            for row, found in zip(rows, guesses, strict=True)
        ]
        return model.generate(encoded, prompts, temperature, vocabulary)

    def _outcomes(
        self,
        tickets: Sequence[int],
        rows: Sequence[Row],
        decoded: Sequence[Decoded],
        guesses: Sequence[tuple[tuple[str, float], ...]],
        take: Callable[[Sequence[int]], Encoded],
    ) -> list[tuple[int, Outcome | Exception]]:
        aligned = self._align(rows, decoded, guesses, take)
        return [
            (ticket, Outcome(one, found[0][0], found, aligned.get(index)))
            for index, (ticket, one, found) in enumerate(zip(tickets, decoded, guesses, strict=True))
        ]

    def _align(
        self,
        rows: Sequence[Row],
        decoded: Sequence[Decoded],
        guesses: Sequence[tuple[tuple[str, float], ...]],
        take: Callable[[Sequence[int]], Encoded],
    ) -> dict[int, Alignment]:
        """Align the rows that want words: one call for each language and task, which `align` cannot mix."""
        model, vocabulary = self._opened()
        texts = [[token for token in one.tokens if token < vocabulary.end] for one in decoded]
        groups: dict[tuple[str, str], list[int]] = {}
        for index, row in enumerate(rows):
            if row.words and texts[index] and not gate.is_silence(decoded[index]):
                groups.setdefault((guesses[index][0][0], row.task), []).append(index)
        aligned: dict[int, Alignment] = {}
        for (language, task), indexes in groups.items():
            found = model.align(
                take(indexes),
                vocabulary.start(language, task, ()),
                [texts[index] for index in indexes],
                [rows[index].mel.shape[1] for index in indexes],
            )
            aligned.update(zip(indexes, found, strict=True))
        return aligned

    def _opened(self) -> tuple[Model, Vocabulary]:
        if self._model is None or self._vocabulary is None:
            raise RuntimeError("the stepper is not open")
        return self._model, self._vocabulary


def choose(found: dict[str, float], allowed: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """The allowed languages, likeliest first, with probabilities that sum to 1."""
    kept = {language: found.get(language, 0.0) for language in allowed}
    total = sum(kept.values())
    even = 1 / len(kept)
    shares = {language: value / total if total > 0 else even for language, value in kept.items()}
    return tuple(sorted(shares.items(), key=lambda item: -item[1]))


def _key(row: Row) -> tuple[int, int, bool]:
    """Rows that may share a batch have this in common."""
    return row.window, len(row.prompt), row.detect_only


def _likeliest(tried: Sequence[Decoded]) -> Decoded:
    """The best of several bad texts: one that does not repeat itself, if there is one."""
    plain = [one for one in tried if gate.compression_ratio(one.text) <= gate.MAX_COMPRESSION]
    return max(plain or tried, key=lambda one: one.avg_logprob)
