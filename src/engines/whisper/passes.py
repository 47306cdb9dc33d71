"""One pass of the model over a batch: encode, detect, decode, judge, align. Keeps nothing between calls."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from src.engines.whisper import gate
from src.engines.whisper.languages import choose
from src.engines.whisper.model import Encoded, Model
from src.engines.whisper.row import FULL_WINDOW, Alignment, Decoded, Guesses, Outcome, Row
from src.engines.whisper.vocabulary import Vocabulary


@dataclass(slots=True, eq=False)
class Doubtful:
    """A row that the gate sent back."""

    row: Row
    fault: gate.Fault
    tried: list[Decoded]
    rung: int
    """Of the ladder, to be tried next."""
    guesses: Guesses
    encoded: Encoded | None = field(default=None, repr=False)
    """The full window of this row, kept from rung to rung."""


class Passes:
    """What can be done with a batch. Safe to call from several threads."""

    def __init__(self, model: Model, vocabulary: Vocabulary) -> None:
        self._model = model
        self._vocabulary = vocabulary

    def first(self, rows: Sequence[Row]) -> list[Outcome | Doubtful]:
        """Read rows of one key."""
        window = rows[0].window
        encoded = self._model.encode([row.mel for row in rows], window)
        guesses = self._guess(rows, encoded)
        if rows[0].detect_only:
            return [Outcome(None, found) for found in guesses]
        decoded = self._decode(rows, encoded, guesses, 0.0)
        fitted = window < FULL_WINDOW
        faults = [gate.fault(one, row.duration, fitted) for row, one in zip(rows, decoded, strict=True)]
        good = [index for index, fault in enumerate(faults) if fault is None]
        aligned = self._align(rows, decoded, guesses, encoded, good)
        results: list[Outcome | Doubtful] = []
        for index, (row, fault) in enumerate(zip(rows, faults, strict=True)):
            if fault is None:
                results.append(Outcome(decoded[index], guesses[index], aligned.get(index)))
            elif not fitted:
                kept = self._model.take(encoded, [index])
                results.append(Doubtful(row, fault, [decoded[index]], 1, guesses[index], kept))
            else:
                results.append(Doubtful(row, fault, [decoded[index]], 0, guesses[index]))
        return results

    def again(self, doubtful: Doubtful) -> Outcome | Doubtful:
        """One rung of the ladder for one row; after the last, the likeliest text there was."""
        row = doubtful.row
        if doubtful.encoded is None:
            doubtful.encoded = self._model.encode([row.mel], FULL_WINDOW)
            doubtful.guesses = self._guess([row], doubtful.encoded)[0]
        [one] = self._decode([row], doubtful.encoded, [doubtful.guesses], gate.LADDER[doubtful.rung])
        doubtful.tried.append(one)
        doubtful.rung += 1
        if gate.fault(one, row.duration, fitted=False) is not None:
            if doubtful.rung < len(gate.LADDER):
                return doubtful
            one = gate.likeliest(doubtful.tried)
        aligned = self._align([row], [one], [doubtful.guesses], doubtful.encoded, [0])
        return Outcome(one, doubtful.guesses, aligned.get(0))

    def _guess(self, rows: Sequence[Row], encoded: Encoded) -> list[Guesses]:
        """Languages of each row, likeliest first; one call serves the batch."""
        if not self._model.multilingual:
            return [(("en", 1.0),)] * len(rows)
        if all(row.language for row in rows):
            return [((row.language or "", 1.0),) for row in rows]
        found = self._model.languages(encoded)
        return [
            ((row.language, 1.0),)
            if row.language
            else choose(all_, row.languages or self._vocabulary.languages)
            for row, all_ in zip(rows, found, strict=True)
        ]

    def _decode(
        self, rows: Sequence[Row], encoded: Encoded, guesses: Sequence[Guesses], temperature: float
    ) -> list[Decoded]:
        prompts = [
            self._vocabulary.start(found[0][0], row.task, row.prompt)
            for row, found in zip(rows, guesses, strict=True)
        ]
        most_tokens = max(row.most_tokens for row in rows)
        return self._model.generate(encoded, prompts, most_tokens, temperature, self._vocabulary)

    def _align(
        self,
        rows: Sequence[Row],
        decoded: Sequence[Decoded],
        guesses: Sequence[Guesses],
        encoded: Encoded,
        among: Sequence[int],
    ) -> dict[int, Alignment]:
        """Align the rows that want words: one call for each language and task, which `align` cannot mix."""
        groups: dict[tuple[str, str], list[int]] = {}
        for index in among:
            if rows[index].words and decoded[index].text.strip() and not gate.is_silence(decoded[index]):
                groups.setdefault((guesses[index][0][0], rows[index].task), []).append(index)
        aligned: dict[int, Alignment] = {}
        for (language, task), indexes in groups.items():
            found = self._model.align(
                self._model.take(encoded, indexes),
                self._vocabulary.start(language, task, ()),
                [self._vocabulary.words_of(decoded[index].tokens) for index in indexes],
                [rows[index].mel.shape[1] for index in indexes],
            )
            aligned.update(zip(indexes, found, strict=True))
        return aligned
