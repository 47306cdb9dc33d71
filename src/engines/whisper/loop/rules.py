"""Which tokens Whisper may write next, and how likely each is.

The rules are those of openai/whisper's decoding (`SuppressTokens`, `ApplyTimestampRules`), which CTranslate2
follows: timestamps come in pairs, never run backwards, begin the text within its first second, and are
written whenever together they are likelier than any word.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from src.engines.whisper.row import MAX_INITIAL_TIMESTAMP
from src.engines.whisper.vocabulary import Vocabulary

BLOCK = 64
"""Tokens among which the likeliest is found first; logits come as a multiple."""
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Choices:
    """The likeliest next tokens of some texts."""

    logprobs: list[list[float]]
    tokens: list[list[int]]


class Rules:
    """The rules for one vocabulary.

    Args:
        size: of a line of logits, a multiple of `BLOCK`.
    """

    def __init__(self, vocabulary: Vocabulary, size: int) -> None:
        self._end = vocabulary.end
        self._stamps = vocabulary.first_timestamp
        self._static = torch.zeros(size)
        self._static[[*vocabulary.suppressed, vocabulary.no_timestamps]] = _NEVER

    def apply(self, logits: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
        """Log-probabilities of what may follow each text, -inf for what may not; `logits` is overwritten.

        Args:
            logits: shape (texts, size).
            texts: the tokens written so far, prompts left out.
        """
        logits += self._static
        either = [number for number, text in enumerate(texts) if self._close(logits[number], text)]
        logprobs = logits.log_softmax(1)
        if either:
            words, stamps = logprobs[:, : self._stamps], logprobs[:, self._stamps :]
            of_stamps, of_words = stamps.logsumexp(1), words.amax(1)
            likelier = (of_stamps > of_words).tolist()
            for number in either:
                if likelier[number]:
                    words[number] = _NEVER
                    stamps[number] -= of_stamps[number]
        return logprobs

    def _close(self, logits: Tensor, text: Sequence[int]) -> bool:
        """Rule out what may not follow `text`. True if a word and a timestamp may."""
        if not text:
            logits[: self._stamps] = _NEVER
            logits[self._stamps + MAX_INITIAL_TIMESTAMP + 1 :] = _NEVER
            return False
        latest = next((token for token in reversed(text) if token >= self._stamps), self._stamps)
        logits[self._stamps : latest] = _NEVER
        if text[-1] < self._stamps:
            return True
        if len(text) == 1 or text[-2] >= self._stamps:
            logits[self._stamps :] = _NEVER
            return False
        logits[: self._end] = _NEVER
        return True

    def likeliest(self, logprobs: Tensor, count: int) -> Choices:
        """The `count` likeliest tokens of each line: the best blocks are found first, and sorted then."""
        blocks = logprobs.view(len(logprobs), -1, BLOCK)
        among = blocks.amax(2).topk(count, 1).indices
        inside = blocks.gather(1, among[:, :, None].expand(-1, -1, BLOCK)).flatten(1)
        best = inside.topk(count, 1)
        tokens = among.gather(1, best.indices // BLOCK) * BLOCK + best.indices % BLOCK
        return Choices(best.values.tolist(), tokens.tolist())
