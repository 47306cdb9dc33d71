"""Beam search and sampling: which hypotheses of a row go on, and with which tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from src.engines.kernels import Rows
from src.engines.whisper.loop.logit_filter import Candidates, LogitFilter

_SEED = 20
_SURE_MARGIN = 1.0
"""Log-probability by which a word's token, or the first token, leads the next likely one where no second
hypothesis is tried. With 0.4, more words were wrong where there is noise, for 3 % less CPU time at most."""
_GOES_ON = 0.06
"""Mean log-probability per token by which a text that goes on may be behind one that is its beginning."""

IsEndless = Callable[[Sequence[int]], bool]


def _never(_text: Sequence[int]) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text that has ended, and the sum of its tokens' log-probabilities, the end mark included."""

    tokens: list[int]
    logprob: float

    @property
    def score(self) -> float:
        """Mean log-probability per token: a length penalty of 1."""
        return self.logprob / max(1, len(self.tokens))


@dataclass(frozen=True, slots=True)
class Rival:
    """A text that another one must be likelier than, or it is of no use."""

    logprob: float
    """Mean log-probability per token, the end mark included, that the other one must exceed."""
    tokens: int
    """Tokens that the other one has at most, as a rule."""

    def is_out_of_reach(self, logprob: float, tokens: int) -> bool:
        """Whether a text that goes on will not exceed it.

        Args:
            logprob: sum of the log-probabilities so far. It only falls, so the mean rises at best to what it
                is when the text ends and every further token was certain.
            tokens: so far.
        """
        return logprob < self.logprob * (max(self.tokens, tokens + 1) + 1)


class Search(Protocol):
    """The search for one row's text."""

    texts: list[list[int]]
    """Tokens of the hypotheses that go on; at first one that is empty."""

    def advance(self, logprobs: Rows) -> list[int]:
        """Add a token to each hypothesis.

        Args:
            logprobs: of the next token of each of `texts`, shape (texts, vocabulary).

        Returns:
            for each of the new `texts`, the index of the text that it continues; empty when the search is
            over.
        """

    @property
    def result(self) -> Hypothesis:
        """The best text, when the search is over."""


class BeamSearch:
    """Beam search as CTranslate2 does it with a patience of 1: until `beam` hypotheses have ended.

    The result differs where a text breaks off: see `result`.

    Args:
        logit_filter: finds the candidates.
        beam: number of hypotheses.
        longest: number of tokens after which every hypothesis ends.
        end: the token that ends a text.
        is_endless: whether a text will only repeat itself. If the likeliest one does, every hypothesis ends.
        opens_late: whether there is one hypothesis until a word's token is in doubt.
        rival: every hypothesis ends when none can be likelier than this text.
    """

    def __init__(
        self,
        logit_filter: LogitFilter,
        beam: int,
        longest: int,
        end: int,
        is_endless: IsEndless = _never,
        *,
        opens_late: bool = False,
        rival: Rival | None = None,
    ) -> None:
        self._filter = logit_filter
        self._beam = beam
        self._longest = longest
        self._end = end
        self._is_endless = is_endless
        self._rival = rival
        self._scores = [0.0]
        self._ended: list[Hypothesis] = []
        self.is_narrow = opens_late
        """Whether there is and was one hypothesis."""
        self.texts: list[list[int]] = [[]]

    def advance(self, logprobs: Rows) -> list[int]:
        """See `Search.advance`."""
        # twice the beam: if half of the candidates end, the other half still fills it
        found = self._filter.top_k(logprobs, 2 * self._beam)
        self.is_narrow = self.is_narrow and not self._is_doubtful(found)
        beam = 1 if self.is_narrow else self._beam
        candidates = sorted(
            (
                (score + logprob, parent, token)
                for parent, score in enumerate(self._scores)
                for logprob, token in zip(found.logprobs[parent], found.tokens[parent], strict=True)
            ),
            key=lambda candidate: -candidate[0],
        )[: 2 * beam]
        last = len(self.texts[0]) + 1 >= self._longest or self._is_endless(self.texts[0]) or self._is_beaten
        spare = iter([one for one in candidates[beam:] if one[2] != self._end])
        kept = []
        for candidate in candidates[:beam]:
            score, parent, token = candidate
            if token != self._end and not last:
                kept.append(candidate)
                continue
            text = self.texts[parent]
            self._ended.append(Hypothesis(text if token == self._end else [*text, token], score))
            if (other := next(spare, None)) is not None:
                kept.append(other)
        if last or len(self._ended) >= beam or not kept:
            return []
        self.texts = [[*self.texts[parent], token] for _, parent, token in kept]
        self._scores = [score for score, _, _ in kept]
        return [parent for _, parent, _ in kept]

    @property
    def _is_beaten(self) -> bool:
        return self._rival is not None and self._rival.is_out_of_reach(self._scores[0], len(self.texts[0]))

    def _is_doubtful(self, found: Candidates) -> bool:
        """Whether another token is nearly as likely as the first hypothesis's next one.

        Later times and the end are left out: they are often in doubt where the words are not. The first token
        says when the text begins: of 330 clips, one in which it was in doubt began late and lacked a word.
        """
        is_word = found.tokens[0][0] < self._end
        return (is_word or not self.texts[0]) and found.logprobs[0][0] - found.logprobs[0][1] < _SURE_MARGIN

    @property
    def result(self) -> Hypothesis:
        """See `Search.result`.

        A text that breaks off has few tokens, and so sometimes the highest mean by chance. One that begins as
        it does and goes on is taken if it is nearly as likely.
        """
        best = max(self._ended, key=lambda one: one.score)
        words = self._words(best)
        longer = [
            one
            for one in self._ended
            if one.score >= best.score - _GOES_ON
            and len(found := self._words(one)) > len(words) > 0
            and found[: len(words)] == words
        ]
        return max(longer, key=lambda one: one.score, default=best)

    def _words(self, one: Hypothesis) -> list[int]:
        """Its tokens without timestamps."""
        return [token for token in one.tokens if token < self._end]


class Sampling:
    """Draws `best_of` texts at a temperature; the likeliest one is the result.

    The draws depend on the row alone: each row has a generator of its own with the same seed.

    Args:
        temperature: logits are divided by it.
        best_of: number of texts.
        longest, end: as for `BeamSearch`.
        is_endless: whether a text will only repeat itself; it ends then.
    """

    def __init__(
        self, temperature: float, best_of: int, longest: int, end: int, is_endless: IsEndless = _never
    ) -> None:
        self._temperature = temperature
        self._best_of = best_of
        self._longest = longest
        self._end = end
        self._is_endless = is_endless
        self._generator = torch.Generator().manual_seed(_SEED)
        self._scores = [0.0]
        self._ended: list[Hypothesis] = []
        self.texts: list[list[int]] = [[]]

    def advance(self, logprobs: Rows) -> list[int]:
        """See `Search.advance`."""
        shares = torch.from_numpy(logprobs / self._temperature).softmax(1)
        draws = self._best_of if not self.texts[0] else 1
        drawn = torch.multinomial(shares, draws, replacement=True, generator=self._generator)
        texts, scores, parents = [], [], []
        for parent, tokens in enumerate(drawn.tolist()):
            for token in tokens:
                text = self.texts[parent]
                score = self._scores[parent] + float(logprobs[parent, token])
                if token == self._end:
                    self._ended.append(Hypothesis(text, score))
                elif len(text) + 1 >= self._longest or self._is_endless(text):
                    self._ended.append(Hypothesis([*text, token], score))
                else:
                    texts.append([*text, token])
                    scores.append(score)
                    parents.append(parent)
        self.texts, self._scores = texts, scores
        return parents

    @property
    def result(self) -> Hypothesis:
        """See `Search.result`."""
        return max(self._ended, key=lambda one: one.score)


class GreedySearch:
    """Writes the likeliest token at each step, after some tokens that are given.

    Args:
        forced: tokens that the text begins with.
        longest: number of tokens, with the forced ones, after which the text ends.
        end: the token that ends a text.
    """

    def __init__(self, forced: Sequence[int], longest: int, end: int) -> None:
        self._longest = longest
        self._end = end
        self.logprobs: list[float] = []
        """Log-probabilities of the tokens that follow the forced ones."""
        self.texts: list[list[int]] = [list(forced)]

    def advance(self, logprobs: Rows) -> list[int]:
        """See `Search.advance`."""
        [text] = self.texts
        token = int(logprobs[0].argmax())
        if token == self._end or len(text) >= self._longest:
            return []
        self.texts = [[*text, token]]
        self.logprobs.append(float(logprobs[0, token]))
        return [0]

    @property
    def result(self) -> Hypothesis:
        """See `Search.result`."""
        return Hypothesis(self.texts[0], sum(self.logprobs))
