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

_BLOCK = 64
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Choices:
    """The likeliest next tokens of some texts."""

    logprobs: list[list[float]]
    tokens: list[list[int]]


class Rules:
    """The rules for one vocabulary."""

    def __init__(self, vocabulary: Vocabulary, size: int) -> None:
        self._end = vocabulary.end
        self._stamps = vocabulary.first_timestamp
        self._static = torch.zeros(size)
        self._static[[*vocabulary.suppressed, vocabulary.no_timestamps]] = _NEVER
        self._padding = -size % _BLOCK

    def apply(self, logits: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
        """Log-probabilities of what may follow each text, -inf for what may not; `logits` is overwritten.

        Args:
            logits: shape (texts, vocabulary).
            texts: the tokens written so far, prompts left out.
        """
        logits += self._static
        either = []
        for number, text in enumerate(texts):
            if self._close(logits[number], text):
                either.append(number)
        words, stamps = logits[:, : self._stamps], logits[:, self._stamps :]
        of_stamps = stamps.logsumexp(1)
        if either:
            stamped = [
                number
                for number, time, word in zip(
                    either, of_stamps[either].tolist(), words[either].amax(1).tolist(), strict=True
                )
                if time > word
            ]
            words[stamped] = _NEVER
        logits -= torch.logaddexp(words.logsumexp(1), of_stamps)[:, None]
        return logits

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
        padded = (
            torch.nn.functional.pad(logprobs, (0, self._padding), value=_NEVER) if self._padding else logprobs
        )
        blocks = padded.view(len(padded), -1, _BLOCK)
        among = blocks.amax(2).topk(count, 1).indices
        inside = blocks.gather(1, among[:, :, None].expand(-1, -1, _BLOCK)).flatten(1)
        best = inside.topk(count, 1)
        tokens = among.gather(1, best.indices // _BLOCK) * _BLOCK + best.indices % _BLOCK
        return Choices(best.values.tolist(), tokens.tolist())
