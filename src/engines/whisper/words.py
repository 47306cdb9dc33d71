"""Words and their times, from the alignment of text tokens with the audio.

The method is that of openai/whisper's `timing.py`, which faster-whisper follows: dynamic time warping over
cross-attention gives each token a position; tokens are joined to words, punctuation to its word; words that
last implausibly long at the edge of a sentence are cut to twice the median.
"""

import math
import statistics
from collections.abc import Sequence

from src.engines.base import PartialWord, TokenLogprob, Word
from src.engines.whisper.row import Alignment, Decoded
from src.engines.whisper.segments import TokenSpan
from src.engines.whisper.vocabulary import Vocabulary

_SECONDS_PER_POSITION = 0.02
_OPENING = "\"'“¿¡([{-"
_CLOSING = "\"'.。,，!！?？:：”)]}、"
_SENTENCE_ENDS = ".。!！?？"
_LONGEST_MEDIAN = 0.7
_LEAST_PROBABILITY = 1e-9
"""So that a logarithm is finite."""


class TimedWord:
    """A word with its times in seconds, before these are limited to the row, and how many tokens it has."""

    __slots__ = ("end", "end_of_mark", "probability", "start", "text", "tokens")

    def __init__(self, text: str, tokens: int, start: float, end: float, probability: float) -> None:
        self.text = text
        self.tokens = tokens
        self.start = start
        self.end = end
        self.end_of_mark = end
        """When the mark behind it ends, if there is one: alignment gives the word's own end to the mark."""
        self.probability = probability


def timed_words(
    tokens: Sequence[int], alignment: Alignment | None, language: str, task: str, vocabulary: Vocabulary
) -> list[TimedWord]:
    """The words of text tokens, without timestamps; none if they are not aligned.

    A mark is joined to its word, and leaves a word behind that has neither text nor tokens.
    """
    timed = _timed(tokens, alignment, language, task, vocabulary)
    _shorten(timed)
    _join_punctuation(timed)
    return timed


def words(spans: Sequence[TokenSpan], timed: Sequence[TimedWord], duration: float) -> list[tuple[Word, ...]]:
    """The words of each span. Times never run backwards nor past `duration` (seconds)."""
    result: list[tuple[Word, ...]] = []
    position, taken, wanted, floor = 0, 0, 0, 0.0
    for span in spans:
        wanted += len(span.tokens)
        found: list[Word] = []
        while position < len(timed) and taken < wanted:
            one = timed[position]
            position += 1
            taken += one.tokens
            if not one.text.strip():
                continue
            start = min(max(one.start, floor), duration)
            end = min(max(one.end, start), duration)
            floor = end
            found.append(Word(start, end, one.text, one.probability))
        result.append(tuple(found))
    return result


def partial_words(decoded: Decoded, language: str, vocabulary: Vocabulary) -> tuple[PartialWord, ...]:
    """The words of a row with forced tokens. A last one that is no whole character is left out."""
    tokens, positions = list(decoded.tokens), _without_strays(decoded.positions)
    if not tokens:
        return ()
    found: list[PartialWord] = []
    index = 0
    for text, group in vocabulary.split(tokens, language):
        after = index + len(group)
        places = positions[index:after]
        probability = math.exp(statistics.fmean(decoded.logprobs[index:after]))
        start, end = places[0] * _SECONDS_PER_POSITION, max(places) * _SECONDS_PER_POSITION
        found.append(PartialWord(text, group, start, end, probability))
        index = after
    if found and "\N{REPLACEMENT CHARACTER}" in found[-1].text:
        found.pop()
    return tuple(found)


def _without_strays(positions: Sequence[int]) -> list[int]:
    """A token that looks ahead of the next one, as the first of a sentence may, is said when that is."""
    right = list(positions)
    for index in range(len(right) - 1):
        if right[index] > right[index + 1] and (index == 0 or right[index - 1] <= right[index + 1]):
            right[index] = right[index + 1]
    return right


def token_logprobs(
    spans: Sequence[TokenSpan], alignment: Alignment | None, vocabulary: Vocabulary
) -> list[tuple[TokenLogprob, ...]]:
    """The log-probability of each token of each span, given the audio and the text before it.

    They come from the pass that aligns the text, in which the decoder is given the text without timestamps
    and prompt.
    """
    probabilities = iter(alignment.probabilities if alignment is not None else ())
    return [
        tuple(
            TokenLogprob(vocabulary.bytes_of(token), math.log(max(probability, _LEAST_PROBABILITY)))
            for token, probability in zip(span.tokens, probabilities, strict=False)
        )
        for span in spans
    ]


def _timed(
    tokens: Sequence[int], alignment: Alignment | None, language: str, task: str, vocabulary: Vocabulary
) -> list[TimedWord]:
    if alignment is None or not alignment.pairs or not tokens:
        return []
    # where the path first reaches each token
    reached: dict[int, int] = {}
    for token, place in alignment.pairs:
        reached.setdefault(token, place)
    last = alignment.pairs[-1][1]
    found: list[TimedWord] = []
    index = 0
    for text, group in vocabulary.split(tokens, "en" if task == "translate" else language):
        after = index + len(group)
        start = reached.get(index, last) * _SECONDS_PER_POSITION
        end = reached.get(after, last) * _SECONDS_PER_POSITION
        probabilities = alignment.probabilities[index:after]
        found.append(
            TimedWord(text, len(group), start, end, statistics.fmean(probabilities) if probabilities else 0.0)
        )
        index = after
    return found


def _shorten(timed: list[TimedWord]) -> None:
    """Cut words at the edge of a sentence to twice the median length: alignment gives them the pause, too."""
    lengths = [one.end - one.start for one in timed if one.end > one.start]
    if not lengths:
        return
    longest = 2 * min(_LONGEST_MEDIAN, statistics.median(lengths))
    for index, one in enumerate(timed):
        if one.end - one.start <= longest:
            continue
        if one.text in _SENTENCE_ENDS:
            one.end = one.start + longest
        elif index == 0 or timed[index - 1].text in _SENTENCE_ENDS:
            one.start = one.end - longest


def _join_punctuation(timed: list[TimedWord]) -> None:
    """Opening marks go to the word after, closing marks to the word before."""
    for index in range(len(timed) - 2, -1, -1):
        one, after = timed[index], timed[index + 1]
        if one.text.startswith(" ") and one.text.strip() and one.text.strip() in _OPENING:
            after.text, after.tokens = one.text + after.text.lstrip(), after.tokens + one.tokens
            one.text, one.tokens = "", 0
    before: TimedWord | None = None
    for one in timed:
        if before is not None and one.text and one.text in _CLOSING and not before.text.endswith(" "):
            before.text, before.tokens = before.text + one.text, before.tokens + one.tokens
            before.end_of_mark = max(before.end, one.end)
            one.text, one.tokens = "", 0
        elif one.text:
            before = one
