"""Letters that the voices were not taught.

Latin letters with foreign accents lose them (`café` in English, `façade` in Spanish). Scripts whose letters
stand for sounds (Greek, Cyrillic, Armenian, Georgian, Hangul, kana) are written in Latin letters by
`anyascii`, which a reader of these voices' languages would say about right. Scripts that leave out vowels,
or whose signs stand for words (Chinese, Arabic, Hebrew, the Indic ones and Thai), would come out as noise:
they are dropped and counted.
"""

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from anyascii import anyascii

from src.services.text.language import Language, words

_SOUNDED = words(
    "LATIN GREEK CYRILLIC ARMENIAN GEORGIAN HANGUL HIRAGANA KATAKANA FULLWIDTH HALFWIDTH MODIFIER"
)
_NAMES = {"CJK": "Chinese characters"}
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def transliterate(text: str, language: Language) -> str:
    """Write other alphabets, and accents that the language does not have, in the letters of the voice."""
    known = _letters(language)

    def one(match: re.Match[str]) -> str:
        c = match[0]
        if not c.isalpha() or c.lower() in known or c in "ªºµ":
            return c
        if c in language.sounds:
            return language.sounds[c]
        script = _script(c)
        if script not in _SOUNDED or (script == "GREEK" and not _in_greek_word(text, match.start())):
            return c
        latin = "".join(x for x in anyascii(c) if x.lower() in known)
        if c.upper() == c.lower():  # no capitals there: `HanGug` is anyascii's way to mark syllables
            latin = latin.lower()
        return latin or c

    return _BEYOND_ASCII.sub(one, text)


def to_alphabet(text: str, language: Language, dropped: Counter[str], besides: str = "") -> str:
    """Letters of the voice's alphabet, spaces, newlines and `.,;:?!¿¡'-` only; `dropped` counts the rest.

    Args:
        besides: further characters that stay, as a range of a regular expression.
    """

    def one(match: re.Match[str]) -> str:
        c = match[0]
        if c.lower() in language.greek:
            return f" {language.greek[c.lower()]} "
        if c.isalpha():
            script = _script(c)
            dropped[_NAMES.get(script, f"{script.capitalize()} letters")] += 1
        elif unicodedata.category(c).startswith("M"):
            dropped["accents without a letter"] += 1
        elif c not in '"¿¡' and not c.isspace():
            dropped["signs"] += 1
        return " "

    return _unknown(language, besides).sub(one, text)


@lru_cache
def _unknown(language: Language, besides: str) -> re.Pattern[str]:
    letters = "".join(_letters(language))
    marks = "¿¡" if language.spanish_marks else ""
    return re.compile(rf"[^{letters}{letters.upper()}{besides} \n.,;:?!'{marks}-]")


@lru_cache
def _letters(language: Language) -> frozenset[str]:
    return frozenset("abcdefghijklmnopqrstuvwxyz" + language.accented)


def _script(c: str) -> str:
    return unicodedata.name(c, "UNKNOWN").split()[0].split("-")[0]


def _in_greek_word(text: str, i: int) -> bool:
    """Whether a letter is part of a word and not a sign on its own (`π`, `μg`)."""
    return any(c.isalpha() and _script(c) == "GREEK" for c in text[max(0, i - 1) : i] + text[i + 1 : i + 2])
