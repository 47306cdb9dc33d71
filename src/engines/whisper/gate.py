"""Is what the decoder wrote good enough, or should the row be decoded again?"""

import math
import re
import zlib
from collections.abc import Sequence
from enum import StrEnum

from src.engines.whisper.row import Decoded, Guess, Guesses

LADDER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Temperatures that a doubtful row is decoded at, in turn, with the full window; faster-whisper's own."""
MAX_COMPRESSION = 2.4
"""Text that packs better than this repeats itself (faster-whisper's own bound)."""
MIN_LOGPROB = -1.0
"""Mean log-probability of a token below which the text is a guess (faster-whisper's own bound)."""
MIN_LOGPROB_FITTED = -0.7
"""The same for a window fitted to the clip: below this, the full one reads better more often than not."""
_SURE_LOGPROB = -0.4
"""Text that is likelier than this is right even if no timestamp closes it."""
MAX_NO_SPEECH = 0.6
MAX_WORDS_PER_SECOND = 8.0
"""Faster than anyone speaks for long; short rows get `_FREE_WORDS` on top."""
_FREE_WORDS = 4
_OVERSHOOT = 1.0
"""Seconds: timestamps are often rounded up, and the last word is given some room."""
_REPEATS = 4
_LONGEST_PHRASE = 4
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
"""Without punctuation: a text that is said twice often lacks its full stop the second time."""


UNSURE_LANGUAGE = 0.7
"""Probability below which the likeliest language may be the wrong one..."""
_UNSURE_TEXT = -0.45
"""... and mean log-probability below which its text does not say otherwise: it is read in others, too."""
_POSSIBLE = 0.09
"""Probability of a language that is tried."""
_MOST_LANGUAGES = 2
"""A third would mend four words of 1700 more, and cost half as much again."""
_WEIGHT = 0.1
"""Of a language's log-probability beside the text's: as if it were told by one token in ten."""


class Fault(StrEnum):
    """Why a row is decoded again."""

    COMPRESSION = "compression"
    LOGPROB = "logprob"
    REPETITION = "repetition"
    TOO_FAST = "too_fast"
    RUN_ON = "run_on"
    """Timestamps go on after the audio has ended: the text was said twice."""
    LANGUAGE = "language"
    """Neither the language nor the text is sure."""
    UNFINISHED = "unfinished"
    """No timestamp closes the text: in a fitted window, its end may be missing."""


def is_silence(decoded: Decoded) -> bool:
    """No speech: the model says so *and* does not believe what it wrote."""
    return decoded.no_speech_prob > MAX_NO_SPEECH and decoded.avg_logprob < MIN_LOGPROB


def fault(decoded: Decoded, duration: float, fitted: bool) -> Fault | None:
    """The first thing that is wrong with the text of a row of `duration` seconds, or None.

    Args:
        fitted: the encoder was not given the full window, so there is something better to try.
    """
    if is_silence(decoded):
        return None
    words = _WORD.findall(decoded.text.lower())
    signs = {
        Fault.COMPRESSION: compression_ratio(decoded.text) > MAX_COMPRESSION,
        Fault.LOGPROB: decoded.avg_logprob < (MIN_LOGPROB_FITTED if fitted else MIN_LOGPROB),
        Fault.REPETITION: repeats(words),
        Fault.TOO_FAST: len(words) > duration * MAX_WORDS_PER_SECOND + _FREE_WORDS,
        Fault.RUN_ON: decoded.last_timestamp > duration + _OVERSHOOT,
        Fault.UNFINISHED: (
            fitted and decoded.last_timestamp == 0 and bool(words) and decoded.avg_logprob < _SURE_LOGPROB
        ),
    }
    return next((fault for fault, there in signs.items() if there), None)


def other_language(guesses: Guesses, versions: Sequence[tuple[Guess, Decoded]]) -> Guess | None:
    """The language that a row should be read in as well; None: those that it was read in are enough.

    Args:
        guesses: all languages, likeliest first.
        versions: what was read so far, that in the likeliest language first.
    """
    first = versions[0][1]
    if guesses[0][1] >= UNSURE_LANGUAGE or first.avg_logprob >= _UNSURE_TEXT or is_silence(first):
        return None
    known = {language for (language, _), _ in versions}
    return next(
        (one for one in guesses[:_MOST_LANGUAGES] if one[0] not in known and one[1] >= _POSSIBLE), None
    )


def right_language(versions: Sequence[tuple[Guess, Decoded]]) -> tuple[Guess, Decoded]:
    """The version whose language and text together are the likeliest.

    Text that is read in the wrong language is less likely, and that says more than detection does: Spanish
    clips that detection alone takes for Italian, Latin or Hebrew are mostly told right like this.
    """
    return max(versions, key=lambda one: one[1].avg_logprob + _WEIGHT * math.log(max(one[0][1], 1e-9)))


def compression_ratio(text: str) -> float:
    """Bytes of the text over bytes of it packed."""
    data = text.strip().encode()
    return len(data) / len(zlib.compress(data))


def repeats(words: Sequence[str]) -> bool:
    """Is a phrase of up to four words said four times in a row, or a longer one twice?"""
    for size in range(1, len(words) // 2 + 1):
        times = _REPEATS if size <= _LONGEST_PHRASE else 2
        run = 0
        for index in range(size, len(words)):
            run = run + 1 if words[index] == words[index - size] else 0
            if run >= size * (times - 1):
                return True
    return False


def likeliest(tried: Sequence[Decoded]) -> Decoded:
    """The best of several bad texts: one that does not repeat itself, if there is one."""
    plain = [one for one in tried if compression_ratio(one.text) <= MAX_COMPRESSION]
    return max(plain or tried, key=lambda one: one.avg_logprob)
