"""What a decoder that goes round in a loop has written beyond what can have been said: seen early, and cut.

A decoder that has written a phrase a few times is the surer of it each time, and ends at its last token.
`is_endless` ends such a text as soon as nobody can have said it. Retries mend most of them; what is left is
cut to as many rounds as anyone can say in the time. Both work on tokens, so that they do the same in every
language and script.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from src.engines.whisper import quality_check
from src.engines.whisper.row import Alignment

_LEAST_ROUNDS = 4
_FREE_TOKENS = 24
_TOKENS_PER_SECOND = 10
"""A loop of more tokens than these cannot have been said: a quick `no, no, no` is five words a second, and as
many commas."""


def is_endless(text: Sequence[int], duration: float, first_timestamp: int) -> bool:
    """Whether a text that is being written ends in a loop longer than `duration` seconds of speech.

    Args:
        text: tokens so far; those from `first_timestamp` on are timestamps.
    """
    longest = _FREE_TOKENS + int(_TOKENS_PER_SECOND * duration)
    if len(text) < longest:
        return False
    tail = [token for token in text if token < first_timestamp][-longest:]
    return len(tail) == longest and any(
        tail[period:] == tail[:-period] for period in range(1, longest // _LEAST_ROUNDS + 1)
    )


def without_excess(
    tokens: tuple[int, ...],
    alignment: Alignment | None,
    duration: float,
    first_timestamp: int,
    text_of: Callable[[Sequence[int]], str],
) -> tuple[tuple[int, ...], Alignment | None]:
    """The tokens of a row of `duration` seconds, without the rounds of a loop that do not fit into it.

    Args:
        tokens: text and timestamps.
        alignment: of the text tokens, if there is one; what is cut leaves it, too.
        first_timestamp: tokens from here on are timestamps.
        text_of: the text of tokens.
    """
    places = [index for index, token in enumerate(tokens) if token < first_timestamp]
    text = [tokens[index] for index in places]
    if not quality_check.too_fast(text_of(text), duration):
        return tokens, alignment
    begin, period, end = _longest_loop(text)
    rounds = (end - begin) // period if period else 0
    if rounds < _LEAST_ROUNDS:
        return tokens, alignment
    kept = rounds
    while kept > 1 and quality_check.too_fast(
        text_of([*text[: begin + kept * period], *text[end:]]), duration
    ):
        kept -= 1
    gone = range(begin + kept * period, end)
    dropped = {places[index] for index in gone}
    left = tuple(token for index, token in enumerate(tokens) if index not in dropped)
    return left, alignment and _without(alignment, gone)


def _longest_loop(text: Sequence[int]) -> tuple[int, int, int]:
    """Begin, period and end of the longest passage that repeats itself; a period of 0 if there is none."""
    best = (0, 0, 0)
    for period in range(1, len(text) // _LEAST_ROUNDS + 1):
        run = 0
        for index in range(period, len(text) + 1):
            if index < len(text) and text[index] == text[index - period]:
                run += 1
                continue
            if run >= period * (_LEAST_ROUNDS - 1) and run + period > best[2] - best[0]:
                best = (index - run - period, period, index)
            run = 0
    return best


def _without(alignment: Alignment, gone: range) -> Alignment:
    pairs = tuple(
        (token if token < gone.start else token - len(gone), place)
        for token, place in alignment.pairs
        if token not in gone
    )
    probabilities = tuple(
        probability for token, probability in enumerate(alignment.probabilities) if token not in gone
    )
    return replace(alignment, pairs=pairs, probabilities=probabilities)
