"""Decodes batches of rows with CTranslate2, as each row's policy asks."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from src.engines.whisper.ctranslate2_model import CTranslate2Model, Encoded
from src.engines.whisper.row import FULL_WINDOW, Alignment, Outcome, WhisperRow
from src.engines.whisper.row_policy import Action, RowPolicy
from src.engines.whisper.vocabulary import Vocabulary


@dataclass(slots=True, eq=False)
class RowState:
    """A row in work."""

    policy: RowPolicy
    encoded: Encoded | None = field(default=None, repr=False)
    """The encoder's output for the full window, kept from one temperature to the next."""
    outcome: Outcome | None = None
    """The result, when the policy is done."""
    seconds: float = 0.0
    """Time that the row has cost: its share of its batches."""
    is_counted: bool = False
    """Whether the statistics know that the row is decoded again."""

    @property
    def row(self) -> WhisperRow:
        return self.policy.row


class BatchDecoder:
    """Takes rows one window (and one temperature) further. Keeps nothing between calls; safe to call from
    several threads."""

    def __init__(self, model: CTranslate2Model, vocabulary: Vocabulary) -> None:
        self._model = model
        self._vocabulary = vocabulary

    def start(self, row: WhisperRow) -> RowState:
        return RowState(RowPolicy(row, self._model.multilingual))

    def advance(self, states: Sequence[RowState]) -> None:
        """Decode rows of one window and temperature, and in this window in a second language if need be.

        Sets the outcome of those that are done.
        """
        started = time.monotonic()
        window, temperature = states[0].policy.window, states[0].policy.temperature
        encoded = states[0].encoded if len(states) == 1 else None
        if encoded is None:
            encoded = self._model.encode([state.row.mel for state in states], window)
        self._detect(states, encoded)
        left = list(range(len(states)))
        while left := [index for index in left if _goes_on(states[index].policy, window, temperature)]:
            self._decode([states[index] for index in left], self._model.select(encoded, left), temperature)
        alignments = self._align(states, encoded)
        each = (time.monotonic() - started) / len(states)
        for index, state in enumerate(states):
            policy = state.policy
            state.seconds += each
            if policy.action is Action.DONE:
                state.outcome = replace(policy.outcome(alignments.get(index)), engine_seconds=state.seconds)
            elif window == FULL_WINDOW:
                state.encoded = self._model.select(encoded, [index])

    def _detect(self, states: Sequence[RowState], encoded: Encoded) -> None:
        """One call serves the batch."""
        wanted = [index for index, state in enumerate(states) if state.policy.action is Action.DETECT]
        if not wanted:
            return
        found = [{"en": 1.0}] * len(states)
        if self._model.multilingual:
            found = self._model.languages(encoded)
        for index in wanted:
            states[index].policy.language_detected(found[index])

    def _decode(self, states: Sequence[RowState], encoded: Encoded, temperature: float) -> None:
        vocabulary = self._vocabulary
        prompts = [
            vocabulary.start(state.policy.language, state.row.task, state.row.prompt) for state in states
        ]
        most_tokens = max(state.row.most_tokens for state in states)
        if all(state.row.forced is not None for state in states):
            followed = self._model.follow(
                encoded,
                prompts,
                [list(state.row.forced or ()) for state in states],
                [state.row.mel.shape[1] for state in states],
                most_tokens,
                vocabulary,
            )
            for state, text in zip(states, followed, strict=True):
                state.policy.text_decoded(text)
            return
        beam, timed = states[0].policy.beam, states[0].row.timed
        texts = self._model.generate(
            encoded, prompts, most_tokens, temperature, vocabulary, beam, timed=timed
        )
        for state, text in zip(states, texts, strict=True):
            state.policy.text_decoded(text)

    def _align(self, states: Sequence[RowState], encoded: Encoded) -> dict[int, Alignment]:
        """Align the words of the rows that are done: one call for each language and task."""
        groups: dict[tuple[str, str], list[int]] = {}
        for index, state in enumerate(states):
            policy = state.policy
            if policy.action is Action.DONE and policy.wants_alignment:
                groups.setdefault((policy.language, state.row.task), []).append(index)
        alignments: dict[int, Alignment] = {}
        for (language, task), indexes in groups.items():
            decoded = [states[index].policy.decoded for index in indexes]
            found = self._model.align(
                self._model.select(encoded, indexes),
                self._vocabulary.start(language, task, ()),
                [self._vocabulary.words_of(one.tokens) for one in decoded if one is not None],
                [states[index].row.mel.shape[1] for index in indexes],
            )
            alignments.update(zip(indexes, found, strict=True))
        return alignments


def _goes_on(policy: RowPolicy, window: int, temperature: float) -> bool:
    return policy.action is Action.DECODE and policy.window == window and policy.temperature == temperature
