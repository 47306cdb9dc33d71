"""Whether a decoded text is good enough, or the row must be decoded again.

The checks of compression and log-probability, and their bounds, are those of openai/whisper's
`decode_with_fallback` and of faster-whisper. The others find what these miss in short windows.
"""

import math
import re
import zlib
from collections.abc import Sequence
from enum import StrEnum

from src.engines.whisper.row import Decoded, Guess, Guesses

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Sampling temperatures at which a doubtful row is decoded in turn; those of faster-whisper."""
MAX_COMPRESSION_RATIO = 2.4
"""Text that compresses better than this repeats itself (faster-whisper's bound)."""
MIN_LOGPROB = -1.0
"""Mean log-probability per token below which the text is a guess (faster-whisper's bound)."""
MIN_LOGPROB_FITTED = -0.45
"""The same for a window fitted to the clip: below this, the full window reads better more often than not."""
_SURER_LANGUAGES = {"es": -0.7}
"""Languages with a lower bound: there the fitted window reads as well as the full one, with noise too."""
_SURE_LOGPROB = -0.4
"""Mean log-probability above which a text is right even if no timestamp closes it."""
SURE_GREEDY = -0.5
"""Mean log-probability from which on a text that was decoded greedily is as good as a beam search's."""
MAX_NO_SPEECH = 0.6
"""Probability of no speech above which a row may be silence (faster-whisper's bound)."""
MAX_WORDS_PER_SECOND = 8.0
"""Words per second that nobody exceeds for long; short rows get `_FREE_WORDS` on top."""
_FREE_WORDS = 4
MAX_CHARS_PER_SECOND = 30.0
"""The same for characters, for languages with long words, and those without spaces; `_FREE_CHARS` on top."""
_FREE_CHARS = 20
_SYLLABIC = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Kana, Han and Hangul: each is a syllable or more."""
_SYLLABLE = 2.5
"""Letters in a syllable."""
_OVERSHOOT = 1.0
"""Seconds by which the last timestamp may be past the end: timestamps are often rounded up."""
_REPEATS = 4
_LONGEST_PHRASE = 4
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
"""Words without punctuation: a repeated text often lacks its full stop the second time."""


UNSURE_LANGUAGE = 0.8
"""Probability below which the likeliest language may be the wrong one."""
_UNSURE_TEXT = -0.45
"""Mean log-probability below which a text does not confirm an unsure language."""
_POSSIBLE = 0.09
"""Least probability of a language in which the row is decoded as well."""
_MOST_LANGUAGES = 2
"""Languages that are tried. A third one corrects 4 words of 1700 more, and costs half as much again."""
_WEIGHT = 0.1
"""Weight of a language's log-probability beside that of the text, which is a mean per token."""


class QualityIssue(StrEnum):
    """Why a row is decoded again."""

    COMPRESSION = "compression"
    LOGPROB = "logprob"
    REPETITION = "repetition"
    TOO_FAST = "too_fast"
    RUN_ON = "run_on"
    """Timestamps go on after the audio has ended: the text was written twice."""
    LANGUAGE = "language"
    """Neither the language nor the text is sure."""
    UNFINISHED = "unfinished"
    """No timestamp closes the text. In a fitted window, its end may be missing."""
    UNSURE = "unsure"
    """The text was decoded greedily, and a beam search may find a likelier one."""


def is_silence(decoded: Decoded) -> bool:
    """Whether the row holds no speech: its probability is high, and the text is improbable."""
    return decoded.no_speech_prob > MAX_NO_SPEECH and decoded.avg_logprob < MIN_LOGPROB


def find_issue(
    decoded: Decoded,
    duration: float,
    fitted: bool,
    language: str | None,
    copies: int = 1,
    *,
    timed: bool = True,
) -> QualityIssue | None:
    """The first issue with the text of a row of `duration` seconds, or None.

    Args:
        decoded: the text.
        duration: of the row.
        fitted: whether the encoder was given a window fitted to the clip. The check is then stricter, since
            a wider window is left to try.
        language: of the text; None if its detection was unsure. Then the bound of the log-probability is that
            of the full window: detection is no surer there, and the text is often one of a third language.
        copies: how often the sound of the row repeats itself. A text that does so as often is right.
        timed: whether the decoder writes timestamps.
    """
    if is_silence(decoded):
        return None
    words = _WORD.findall(decoded.text.lower())
    said_again = copies > 1 and says_each(decoded.text, copies)
    floor = MIN_LOGPROB
    if fitted and language is not None:
        floor = _SURER_LANGUAGES.get(language, MIN_LOGPROB_FITTED)
    checks = {
        QualityIssue.COMPRESSION: compression_ratio(decoded.text) > MAX_COMPRESSION_RATIO and not said_again,
        QualityIssue.LOGPROB: decoded.avg_logprob < floor,
        QualityIssue.REPETITION: repeats(words) and not said_again,
        QualityIssue.TOO_FAST: too_fast(decoded.text, duration),
        QualityIssue.RUN_ON: decoded.last_timestamp > duration + _OVERSHOOT,
        QualityIssue.UNFINISHED: (
            timed
            and fitted
            and decoded.last_timestamp == 0
            and bool(words)
            and decoded.avg_logprob < _SURE_LOGPROB
        ),
    }
    return next((issue for issue, found in checks.items() if found), None)


def other_language(guesses: Guesses, versions: Sequence[tuple[Guess, Decoded]]) -> Guess | None:
    """The language in which a row should be decoded as well; None: the versions there are suffice.

    Args:
        guesses: all languages, likeliest first.
        versions: the texts so far with their languages; that of the likeliest language comes first.
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

    Text in the wrong language is less likely, and that says more than detection does. Spanish clips that
    detection alone takes for Italian, Latin or Hebrew mostly get their right language from this.
    """
    return max(versions, key=lambda one: one[1].avg_logprob + _share(one[0]))


def least_logprob(versions: Sequence[tuple[Guess, Decoded]], other: Guess) -> float:
    """The mean log-probability from which on a text in the language `other` is the right version."""
    return max(decoded.avg_logprob + _share(guess) for guess, decoded in versions) - _share(other)


def _share(guess: Guess) -> float:
    """What a language's probability adds to the log-probability of a text in it."""
    return _WEIGHT * math.log(max(guess[1], 1e-9))


def too_fast(text: str, duration: float) -> bool:
    """Whether a text cannot have been said in so many seconds."""
    words = len(_WORD.findall(text.lower()))
    characters = len(text.strip()) + (_SYLLABLE - 1) * len(_SYLLABIC.findall(text))
    return (
        words > duration * MAX_WORDS_PER_SECOND + _FREE_WORDS
        or characters > duration * MAX_CHARS_PER_SECOND + _FREE_CHARS
    )


def same_words(one: Decoded, other: Decoded) -> bool:
    """Whether two texts have the same words; case and punctuation do not count."""
    first, second = (_WORD.findall(decoded.text.lower()) for decoded in (one, other))
    return first == second


def goes_round(decoded: Decoded, duration: float) -> bool:
    """Whether the text repeats itself more than people do. That a phrase is said twice does not count."""
    return compression_ratio(decoded.text) > MAX_COMPRESSION_RATIO or too_fast(decoded.text, duration)


def compression_ratio(text: str) -> float:
    """Bytes of the text divided by its bytes after zlib's compression."""
    data = text.strip().encode()
    return len(data) / len(zlib.compress(data))


def repeats(words: Sequence[str]) -> bool:
    """Whether a phrase of up to four words occurs four times in a row, or a longer one twice."""
    for size in range(1, len(words) // 2 + 1):
        times = _REPEATS if size <= _LONGEST_PHRASE else 2
        run = 0
        for index in range(size, len(words)):
            run = run + 1 if words[index] == words[index - size] else 0
            if run >= size * (times - 1):
                return True
    return False


def says_each(text: str, copies: int) -> bool:
    """Whether a text says the same words so many times and nothing else. A text without words does."""
    words = _WORD.findall(text.lower())
    size, rest = divmod(len(words), copies)
    return not rest and words[size:] == words[: len(words) - size]


def likeliest(texts: Sequence[Decoded], duration: float) -> Decoded:
    """The likeliest of several bad texts of a row of `duration` seconds.

    Preferred are those that do not repeat themselves, then those that can have been said in the time: a text
    that goes round in a loop is very likely to the model.
    """
    possible = [one for one in texts if not too_fast(one.text, duration)]
    plain = [one for one in possible if compression_ratio(one.text) <= MAX_COMPRESSION_RATIO]
    return max(plain or possible or texts, key=lambda one: one.avg_logprob)
