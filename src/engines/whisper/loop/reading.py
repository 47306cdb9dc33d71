"""One row's way through the decoder: its language, its text, and again if the gate is not satisfied."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from src.engines.whisper import gate
from src.engines.whisper.languages import choose
from src.engines.whisper.loop.decoder import Feed, Memory
from src.engines.whisper.loop.kernels import Mask, Rows
from src.engines.whisper.loop.rules import Rules
from src.engines.whisper.loop.search import BeamSearch, Sampling, Search
from src.engines.whisper.row import BEAM, BEST_OF, FULL_WINDOW, MAX_TOKENS, Decoded, Guess, Guesses, Row
from src.engines.whisper.vocabulary import Vocabulary

WIDE = 2000
"""Frames that a doubtful row is given before the full window: mostly as good, at less than half the cost."""
_COMPACT = 96
"""Places of a store at which those that no hypothesis looks at any more are given up."""


@dataclass(slots=True, eq=False)
class Heard:
    """A row's audio, ready to be decoded."""

    memory: Memory
    encoded: Tensor | None
    """The encoder's output, for the alignment of words; None if none are asked for."""
    full: bool
    """The encoder was given the full window."""


class Reading:
    """A row in the decoder. Give it the logits that it asks for with each `feed` until it is over."""

    def __init__(
        self, row: Row, vocabulary: Vocabulary, rules: Rules, told: Callable[[gate.Fault], None]
    ) -> None:
        self.row = row
        self.heard: Heard | None = None
        """None: the encoder must be run, with the window of `window`."""
        self.window = row.window
        self.guesses: Guesses = ()
        """Languages: the one that the row is read in first, the others by their probability."""
        self._detected: Guesses = ()
        self.decoded: Decoded | None = None
        """The text that the gate let pass, or the likeliest there was."""
        self.over = False
        self._vocabulary = vocabulary
        self._rules = rules
        self._told = told
        self._tried: list[Decoded] = []
        self._versions: list[tuple[Guess, Decoded]] = []
        """The text in each language that was tried, of the window that is in work."""
        self._rung = 0
        """Of the ladder. On the first one a row is read with each wider window in turn."""
        self._no_speech = 0.0
        self._prompt: list[int] = []
        self._search: Search | None = None
        self._mask: Mask | None = None
        if row.language:
            self.guesses = ((row.language, 1.0),)
        elif not vocabulary.multilingual:
            self.guesses = self._detected = (("en", 1.0),)

    def hear(self, heard: Heard) -> None:
        """The encoder's answer."""
        self.heard = heard

    @property
    def memory(self) -> Memory:
        if self.heard is None:
            raise RuntimeError("the row has not been encoded")
        return self.heard.memory

    def feed(self) -> tuple[Feed, Sequence[int]]:
        """The tokens that the decoder should take in next, and of which of them the logits are wanted."""
        if not self.guesses or self.row.detect_only:
            start = self._vocabulary.start_of_transcript
            return Feed(self.memory, [start], 0, None), [0]
        if self._search is None:
            language, task = self.guesses[0][0], self.row.task
            self._prompt = self._vocabulary.start(language, task, self.row.prompt)
            begin = self._prompt.index(self._vocabulary.start_of_transcript)
            return Feed(self.memory, self._prompt, 0, None), [begin, len(self._prompt) - 1]
        texts = self._search.texts
        position = len(self._prompt) + len(texts[0]) - 1
        return Feed(self.memory, [text[-1] for text in texts], position, self._own_mask()), range(len(texts))

    def take(self, logits: Rows) -> list[Sequence[int]]:
        """Take the logits that were wanted, of shape (wanted, vocabulary).

        Returns:
            the texts for which `choose` must be given what may follow, whose logits are the last ones; none
            if the next `feed` comes first.
        """
        if not self.guesses or self.row.detect_only:
            self._detect(logits[0])
            return []
        if self._search is None:
            self._no_speech = float(_softmax(logits[0])[self._vocabulary.no_speech])
            self._search = self._new_search()
        return list(self._search.texts)

    def choose(self, logprobs: Rows) -> None:
        """Continue the texts, given the log-probabilities of what may follow each."""
        if self._search is None:
            raise RuntimeError("no text is being written")
        parents = self._search.take(logprobs)
        if not parents:
            self._judge(self._search.result.tokens, self._search.result.logprob)
        else:
            self._adopt(parents)

    def _detect(self, logits: Rows) -> None:
        vocabulary = self._vocabulary
        if not self.guesses:
            shares = _softmax(logits[vocabulary.language_tokens]).tolist()
            found = dict(zip(vocabulary.languages, shares, strict=True))
            self.guesses = self._detected = choose(found, self.row.languages or vocabulary.languages)
        self.memory.forget()
        self.over = self.row.detect_only

    def _new_search(self) -> Search:
        longest = min(self.row.most_tokens, MAX_TOKENS - len(self._prompt) + 1)
        temperature = gate.LADDER[self._rung]
        if temperature == 0:
            return BeamSearch(self._rules, BEAM, longest, self._vocabulary.end)
        return Sampling(temperature, BEST_OF, longest, self._vocabulary.end)

    def _adopt(self, parents: Sequence[int]) -> None:
        """Each text may see what its parent saw, and what it says itself when that is fed."""
        if self._mask is None:  # only the prompt is there, and all see it
            self._mask = np.ones((len(parents), self.memory.used), np.bool_)
            return
        self._mask = self._mask[list(parents)]
        if self.memory.used >= _COMPACT:
            seen = np.flatnonzero(self._mask.any(0))
            if 2 * len(seen) < self.memory.used:
                self.memory.keep(seen)
                self._mask = np.ascontiguousarray(self._mask[:, seen])

    def _own_mask(self) -> Mask:
        """The mask with a place for each text's new token, which itself alone sees."""
        if self._mask is None:
            raise RuntimeError("no text is being written")
        self._mask = np.concatenate([self._mask, np.eye(len(self._mask), dtype=np.bool_)], 1)
        return self._mask

    def _judge(self, tokens: list[int], logprob: float) -> None:
        vocabulary = self._vocabulary
        last = next((token for token in reversed(tokens) if token >= vocabulary.first_timestamp), None)
        one = Decoded(
            tokens=tuple(tokens),
            text=vocabulary.text(tokens),
            last_timestamp=0.0 if last is None else vocabulary.seconds(last),
            # faster-whisper counts the end mark as one more token
            avg_logprob=logprob / (len(tokens) + 1),
            no_speech_prob=self._no_speech,
            temperature=gate.LADDER[self._rung],
        )
        if self.row.language is None and self._rung == 0:
            self._versions.append((self.guesses[0], one))
            if (other := gate.other_language(self._detected, self._versions)) is not None:
                if len(self._versions) == 1 and not self._tried:
                    self._told(gate.Fault.LANGUAGE)
                self._turn_to(other)
                self._start_again()
                return
            language, one = gate.right_language(self._versions)
            self._turn_to(language)
            self._versions = []
        full = self.heard is not None and self.heard.full
        self._tried.append(one)
        fitted = not full and self.window == self.row.window
        fault = gate.fault(one, self.row.duration, fitted=fitted)
        if fault is None:
            self._end(one)
            return
        if len(self._tried) == 1:
            self._told(fault)
        if full:
            self._rung += 1
        if self._rung == len(gate.LADDER):
            self._end(gate.likeliest(self._tried))
            return
        self._start_again()
        if not full:
            self.window = WIDE if self.window < WIDE else FULL_WINDOW
            self.heard = None
            if self.row.language is None and self._vocabulary.multilingual:
                self.guesses = ()

    def _turn_to(self, language: Guess) -> None:
        """Read the row in this language."""
        self.guesses = (language, *(one for one in self._detected if one != language))

    def _start_again(self) -> None:
        self._search, self._mask = None, None
        self.memory.forget()

    def _end(self, decoded: Decoded) -> None:
        self.decoded = decoded
        self.over = True


def _softmax(logits: Rows) -> Tensor:
    return torch.from_numpy(logits).softmax(0)
