"""Which tokens Whisper may write next, and how likely each is.

The rules are those of openai/whisper's decoding (`SuppressTokens`, `ApplyTimestampRules`), which CTranslate2
follows: timestamps come in pairs, never run backwards, begin the text within its first second, and are
written whenever together they are likelier than any word.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.engines.whisper.loop import kernels
from src.engines.whisper.loop.kernels import Rows
from src.engines.whisper.row import MAX_INITIAL_TIMESTAMP
from src.engines.whisper.vocabulary import Vocabulary

_Stretches = list[tuple[int, int]]
"""Tokens, from one to before another."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The likeliest next tokens of some texts."""

    logprobs: list[list[float]]
    tokens: list[list[int]]


class Rules:
    """The rules for one vocabulary.

    Args:
        size: of a line of logits, a multiple of `kernels.BLOCK`.
    """

    def __init__(self, vocabulary: Vocabulary, size: int) -> None:
        self._size = size
        self._end = vocabulary.end
        self._stamps = vocabulary.first_timestamp
        self._static = np.zeros(size, np.float32)
        self._static[[*vocabulary.suppressed, vocabulary.no_timestamps]] = -np.inf

    def apply(self, logits: Rows, texts: Sequence[Sequence[int]]) -> None:
        """Make logits the log-probabilities of what may follow each text, -inf for what may not.

        Args:
            logits: shape (texts, size).
            texts: the tokens written so far, prompts left out.
        """
        barred = np.zeros((len(texts), 2, 2), np.int64)
        either = np.zeros(len(texts), np.bool_)
        for number, text in enumerate(texts):
            stretches, either[number] = self._barred(text)
            barred[number, : len(stretches)] = stretches
        kernels.weigh(logits, self._static, barred, either, self._stamps)

    def _barred(self, text: Sequence[int]) -> tuple[_Stretches, bool]:
        """What may not follow `text`, two stretches at most; and whether a word and a timestamp may."""
        if not text:
            latest_begin = self._stamps + MAX_INITIAL_TIMESTAMP + 1
            return [(0, self._stamps), (latest_begin, self._size)], False
        if text[-1] >= self._stamps and (len(text) == 1 or text[-2] >= self._stamps):
            return [(self._stamps, self._size)], False
        past = (
            self._stamps,
            next((token for token in reversed(text) if token >= self._stamps), self._stamps),
        )
        if text[-1] < self._stamps:
            return [past], True
        return [past, (0, self._end)], True

    def likeliest(self, logprobs: Rows, count: int) -> Choices:
        """The `count` likeliest tokens of each line, likeliest first."""
        best = np.empty((len(logprobs), count), np.float32)
        tokens = np.empty((len(logprobs), count), np.int64)
        kernels.likeliest(logprobs, best, tokens)
        return Choices(best.tolist(), tokens.tolist())
