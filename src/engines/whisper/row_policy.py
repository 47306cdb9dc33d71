"""Which step a row needs next. Both back ends follow this policy, so that they make the same decisions.

A row is decoded at temperature 0 in a window fitted to its audio. A beam search opens at the first doubtful
token, or from the start if the language is unsure or the text that was decoded greedily is; a row may also
say how many hypotheses it wants. If `quality_check` finds an issue, the row is decoded again in the full
30 s, then at rising temperatures (the fallback of openai/whisper and faster-whisper) unless the row names
one. A text that goes round in a loop skips every other temperature. In each window, if neither the language
nor the text is sure, the row is also decoded in the second language, and the likelier text wins. A repetition
that is read twice in the same words is accepted, and so is one whose sound repeats itself as often.

The policy is pure: it holds no model, no tensor and no thread. A back end asks for the next `action`, does
it, and reports the result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property, partial

from src.engines.whisper import quality_check
from src.engines.whisper.copies import Copies, find_copies
from src.engines.whisper.quality_check import TEMPERATURES, QualityIssue
from src.engines.whisper.row import (
    BEAM,
    FULL_WINDOW,
    Alignment,
    Decoded,
    Guess,
    Guesses,
    Outcome,
    WhisperRow,
)

LEAST_TEMPERATURE = 0.01
"""A row that names a lower temperature is decoded as at 0: logits divided by it would overflow."""


class Action(Enum):
    """What a back end does next with a row, on the encoder's output for `RowPolicy.window`."""

    DETECT = "detect"
    """Report the probability of each language with `language_detected`."""
    DECODE = "decode"
    """Decode in `language` at `temperature`, and report the text with `text_decoded`."""
    DONE = "done"
    """Nothing: the row's result is there."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One decoding of a row, and what the check said of it."""

    window: int
    language: str
    temperature: float
    issue: QualityIssue | None


class RowPolicy:
    """The life of one row, from the first detection to its result.

    Args:
        row: the row.
        multilingual: whether the model knows other languages than English.
    """

    def __init__(self, row: WhisperRow, multilingual: bool) -> None:
        self.row = row
        self.action = Action.DETECT
        self.window = row.window
        """Frames that the encoder must be given for the next action."""
        self.languages: Guesses = ()
        """The language of the text first, the others by their probability; empty until detection."""
        self.decoded: Decoded | None = None
        """The result: the text that passed the check, or the likeliest one."""
        self.attempts: list[Attempt] = []
        """All decodings so far."""
        self._detects = multilingual and row.language is None
        self._detected: Guesses = ()
        self._temperatures = (row.temperature,) if row.temperature >= LEAST_TEMPERATURE else TEMPERATURES
        self._temperature = 0
        self.beam = row.beam or BEAM
        """Hypotheses of the search at temperature 0."""
        self.opens_late = row.beam is None
        """Whether that search may begin with one hypothesis. A back end that cannot do so begins with all."""
        self._versions: list[tuple[Guess, Decoded]] = []
        """The text in each language that was tried, in the present window."""
        self._rejected: list[tuple[Guesses, Decoded]] = []
        if not self._detects:
            known = row.language if multilingual and row.language else "en"
            self.languages = self._detected = ((known, 1.0),)
            if not row.detect_only:
                self.action = Action.DECODE

    @property
    def language(self) -> str:
        """The language to decode in."""
        return self.languages[0][0]

    @property
    def temperature(self) -> float:
        """The temperature to decode at."""
        return self._temperatures[self._temperature]

    @property
    def rival(self) -> tuple[float, Decoded] | None:
        """The text in the first language while the row is decoded in the second, which is of use only if it
        is likelier: the mean log-probability that it must reach, and the first text. Otherwise None."""
        if not self._versions:
            return None
        return quality_check.least_logprob(self._versions, self.languages[0]), self._versions[-1][1]

    @property
    def first_issue(self) -> QualityIssue | None:
        """Why the row was decoded more than once, for a wider search aside; None if it was not."""
        issues = (one.issue for one in self.attempts)
        return next((one for one in issues if one is not QualityIssue.UNSURE), None)

    @property
    def wants_alignment(self) -> bool:
        """Whether the result is to be aligned with the audio."""
        one = self.decoded
        if one is None or not self.row.aligned:
            return False
        return bool(one.text.strip()) and not quality_check.is_silence(one)

    def outcome(self, alignment: Alignment | None) -> Outcome:
        """The result, with the times of its tokens if these are wanted."""
        looped = any(one is self.decoded for _, one in self._rejected) and any(
            quality_check.goes_round(one, self.row.duration) for _, one in self._rejected
        )
        return Outcome(self.decoded, self.languages, alignment, looped)

    def language_detected(self, probabilities: Mapping[str, float]) -> None:
        """Report the result of `Action.DETECT`: the probability of every language of the model."""
        if self._detects:
            allowed = self.row.languages or tuple(probabilities)
            self.languages = self._detected = rank_languages(probabilities, allowed)
            # likelihoods of whole texts decide between languages, so they must be those of a wide search
            self.opens_late = self.opens_late and self._is_language_sure
        self.action = Action.DONE if self.row.detect_only else Action.DECODE

    def text_decoded(self, decoded: Decoded) -> None:
        """Report the result of `Action.DECODE`."""
        if self.row.forced is not None:  # the next update decodes it again, with more audio
            self._finish(self.languages, decoded)
            return
        one, language_used = decoded, self.language
        if self._wants_beam(decoded):
            self._record(language_used, QualityIssue.UNSURE)
            return
        if self._detects and self._temperature == 0:
            self._versions.append((self.languages[0], one))
            if (other := quality_check.other_language(self._detected, self._versions)) is not None:
                self._record(language_used, QualityIssue.LANGUAGE)
                self._set_language(other)
                return
            language, right = quality_check.right_language(self._versions)
            self._set_language(language)
            self._versions = []
            one = right
        issue = self._issue(one)
        if issue is QualityIssue.REPETITION and any(
            quality_check.same_words(one, other) for _, other in self._rejected
        ):
            issue = None  # two windows or temperatures agree, so it was said
        self._record(language_used, issue)
        if issue is None:
            self._finish(self.languages, one)
        else:
            self._rejected.append((self.languages, one))
            self._retry(quality_check.goes_round(one, self.row.duration))

    def prefer(self, *, tokens: tuple[int, ...], text: str, avg_logprob: float) -> None:
        """Replace the words of the result, unless the check finds an issue with the new ones.

        It does not look at their log-probability, which the caller has compared with that of the result.
        """
        if self.decoded is None:
            raise RuntimeError("there is no result")
        other = replace(self.decoded, tokens=tokens, text=text)
        if self._issue(other) is None:
            self.decoded = replace(other, avg_logprob=avg_logprob)

    def _wants_beam(self, decoded: Decoded) -> bool:
        """Whether a text that was decoded greedily is decoded again with a beam search."""
        if not decoded.greedy or quality_check.is_silence(decoded):
            return False
        return decoded.avg_logprob < quality_check.SURE_GREEDY or self._issue(decoded) is not None

    def _issue(self, decoded: Decoded) -> QualityIssue | None:
        fitted = self.window == self.row.window and self.window < FULL_WINDOW
        language = self.language if self._is_language_sure else None
        find = partial(
            quality_check.find_issue, decoded, self.row.duration, fitted, language, timed=self.row.timed
        )
        issue = find()
        if issue in (QualityIssue.COMPRESSION, QualityIssue.REPETITION) and self._copies:
            return find(copies=self._copies.count)
        return issue

    @cached_property
    def _copies(self) -> Copies | None:
        """Copies of one sound that the row consists of, if it does."""
        return find_copies(self.row.own_mel)

    @property
    def _is_language_sure(self) -> bool:
        return self._detected[0][1] >= quality_check.UNSURE_LANGUAGE

    def _record(self, language: str, issue: QualityIssue | None) -> None:
        self.attempts.append(Attempt(self.window, language, self.temperature, issue))
        self.opens_late = self.opens_late and issue is None  # what was doubtful once is searched widely

    def _retry(self, looped: bool) -> None:
        """The full window, then the next temperature, or after a loop the one after that.

        A window of 20 s between them read 5 words of 540 worse in Russian, where the model is less sure.
        """
        if self.window < FULL_WINDOW:
            self.window = FULL_WINDOW
            if self._detects:
                self.languages = ()
                self.action = Action.DETECT
            return
        self._temperature += 2 if looped else 1  # loops are the longest texts, and pieces are read after them
        if self._temperature >= len(self._temperatures):
            best = quality_check.likeliest([one for _, one in self._rejected], self.row.duration)
            self._finish(*next(pair for pair in self._rejected if pair[1] is best))

    def _set_language(self, language: Guess) -> None:
        self.languages = (language, *(one for one in self._detected if one != language))

    def _finish(self, languages: Guesses, decoded: Decoded) -> None:
        self.languages, self.decoded, self.action = languages, decoded, Action.DONE


def rank_languages(probabilities: Mapping[str, float], allowed: Sequence[str]) -> Guesses:
    """The allowed languages, likeliest first, with probabilities that sum to 1."""
    kept = {language: probabilities.get(language, 0.0) for language in allowed}
    total = sum(kept.values())
    even = 1 / len(kept)
    shares = {language: value / total if total > 0 else even for language, value in kept.items()}
    return tuple(sorted(shares.items(), key=lambda item: -item[1]))
