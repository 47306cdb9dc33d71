"""Which tokens Whisper may write next, and how likely each is.

The rules are those of openai/whisper's decoding (`SuppressTokens`, `ApplyTimestampRules`), which CTranslate2
follows: timestamps come in pairs, never run backwards, begin the text within its first second, and are
written whenever together they are likelier than any word.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from src.engines.kernels import Rows
from src.engines.kernels.sampling import masked_log_softmax, top_k
from src.engines.whisper.row import MAX_INITIAL_TIMESTAMP
from src.engines.whisper.vocabulary import Vocabulary

_Ranges = list[tuple[int, int]]
"""Ranges of tokens: the first one, and the one after the last."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The likeliest next tokens of some hypotheses, likeliest first."""

    logprobs: list[list[float]]
    tokens: list[list[int]]


class LogitFilter:
    """The rules for one vocabulary.

    Args:
        vocabulary: its special tokens are what the rules are about.
        size: length of a row of logits, a multiple of `sampling.BLOCK`.
    """

    def __init__(self, vocabulary: Vocabulary, size: int) -> None:
        self._size = size
        self._end = vocabulary.end
        self._first_timestamp = vocabulary.first_timestamp
        self._static = np.zeros(size, np.float32)
        self._static[[*vocabulary.suppressed, vocabulary.no_timestamps]] = -np.inf

    def apply(self, logits: Rows, texts: Sequence[Sequence[int]], untimed: Collection[int] = ()) -> None:
        """Turn logits into log-probabilities of the allowed tokens, -inf for the others. In place.

        Args:
            logits: shape (texts, size).
            texts: the tokens of each hypothesis so far, without the prompt.
            untimed: indexes of the texts that have no timestamps.
        """
        banned = np.zeros((len(texts), 2, 2), np.int64)
        either = np.zeros(len(texts), np.bool_)
        for number, text in enumerate(texts):
            ranges, either[number] = (
                ([(self._first_timestamp, self._size)], False) if number in untimed else self._banned(text)
            )
            banned[number, : len(ranges)] = ranges
        masked_log_softmax(logits, self._static, banned, either, self._first_timestamp)

    def _banned(self, text: Sequence[int]) -> tuple[_Ranges, bool]:
        """What may not follow `text`, two ranges at most; and whether both a word and a timestamp may."""
        first = self._first_timestamp
        if not text:
            latest_begin = first + MAX_INITIAL_TIMESTAMP + 1
            return [(0, first), (latest_begin, self._size)], False
        if text[-1] >= first and (len(text) == 1 or text[-2] >= first):
            return [(first, self._size)], False
        last = next((token for token in reversed(text) if token >= first), first - 1)
        if text[-1] < first:  # a segment that has words ends after it begins
            return [(first, last + 1)], True
        return [(first, last), (0, self._end)], True

    def top_k(self, logprobs: Rows, k: int) -> Candidates:
        """The `k` likeliest tokens of each row."""
        best = np.empty((len(logprobs), k), np.float32)
        tokens = np.empty((len(logprobs), k), np.int64)
        top_k(logprobs, best, tokens)
        return Candidates(best.tolist(), tokens.tolist())
