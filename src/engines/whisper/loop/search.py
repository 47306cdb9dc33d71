"""Ways of choosing a text from the decoder's logits, one object for each row."""

from dataclasses import dataclass
from typing import Protocol

import torch

from src.engines.whisper.loop.kernels import Rows
from src.engines.whisper.loop.rules import Rules

_SEED = 20


@dataclass(frozen=True, slots=True)
class Written:
    """A text that is done, and the sum of its tokens' log-probabilities, that of its end mark included."""

    tokens: list[int]
    logprob: float

    @property
    def score(self) -> float:
        """The mean over the tokens: a length penalty of 1."""
        return self.logprob / max(1, len(self.tokens))


class Search(Protocol):
    """A choice in the making."""

    texts: list[list[int]]
    """Hypotheses that are to be continued; at first one that is empty."""

    def take(self, logprobs: Rows) -> list[int]:
        """Continue.

        Args:
            logprobs: of what may follow each of `texts`, shape (texts, vocabulary).

        Returns:
            which of the texts before each text comes from; empty when the search is over.
        """

    @property
    def result(self) -> Written:
        """The best text."""


class BeamSearch:
    """The `beam` likeliest texts side by side until as many have ended, as CTranslate2 does it.

    Args:
        beam: hypotheses.
        longest: tokens after which every hypothesis ends.
        end: the token that ends a text.
    """

    def __init__(self, rules: Rules, beam: int, longest: int, end: int) -> None:
        self._rules = rules
        self._beam = beam
        self._longest = longest
        self._end = end
        self._scores = [0.0]
        self._done: list[Written] = []
        self.texts: list[list[int]] = [[]]

    def take(self, logprobs: Rows) -> list[int]:
        """See `Search.take`."""
        # twice the beam: if half of the candidates end, the other half still fills it
        found = self._rules.likeliest(logprobs, 2 * self._beam)
        candidates = sorted(
            (
                (score + logprob, parent, token)
                for parent, score in enumerate(self._scores)
                for logprob, token in zip(found.logprobs[parent], found.tokens[parent], strict=True)
            ),
            key=lambda candidate: -candidate[0],
        )[: 2 * self._beam]
        last = len(self.texts[0]) + 1 >= self._longest
        spare = iter([one for one in candidates[self._beam :] if one[2] != self._end])
        kept = []
        for candidate in candidates[: self._beam]:
            score, parent, token = candidate
            if token != self._end and not last:
                kept.append(candidate)
                continue
            text = self.texts[parent]
            self._done.append(Written(text if token == self._end else [*text, token], score))
            if (other := next(spare, None)) is not None:
                kept.append(other)
        if last or len(self._done) >= self._beam or not kept:
            return []
        self.texts = [[*self.texts[parent], token] for _, parent, token in kept]
        self._scores = [score for score, _, _ in kept]
        return [parent for _, parent, _ in kept]

    @property
    def result(self) -> Written:
        """See `Search.result`."""
        return max(self._done, key=lambda one: one.score)


class Sampling:
    """`best_of` texts drawn at a temperature; the likeliest counts.

    What is drawn depends on the row alone: each has a generator of its own, always started at the same place.
    """

    def __init__(self, temperature: float, best_of: int, longest: int, end: int) -> None:
        self._temperature = temperature
        self._best_of = best_of
        self._longest = longest
        self._end = end
        self._generator = torch.Generator().manual_seed(_SEED)
        self._scores = [0.0]
        self._done: list[Written] = []
        self.texts: list[list[int]] = [[]]

    def take(self, logprobs: Rows) -> list[int]:
        """See `Search.take`."""
        shares = torch.from_numpy(logprobs / self._temperature).softmax(1)
        draws = self._best_of if not self.texts[0] else 1
        drawn = torch.multinomial(shares, draws, replacement=True, generator=self._generator)
        texts, scores, parents = [], [], []
        for parent, tokens in enumerate(drawn.tolist()):
            for token in tokens:
                text = self.texts[parent]
                score = self._scores[parent] + float(logprobs[parent, token])
                if token == self._end:
                    self._done.append(Written(text, score))
                elif len(text) + 1 >= self._longest:
                    self._done.append(Written([*text, token], score))
                else:
                    texts.append([*text, token])
                    scores.append(score)
                    parents.append(parent)
        self.texts, self._scores = texts, scores
        return parents

    @property
    def result(self) -> Written:
        """See `Search.result`."""
        return max(self._done, key=lambda one: one.score)
