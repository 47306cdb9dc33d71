"""Letters that the voices were not taught.

Latin letters with foreign accents lose them (`café` in English, `façade` in Spanish). Scripts whose letters
stand for sounds (Greek, Cyrillic, Armenian, Georgian, Hangul, kana) are written in Latin letters by
`anyascii`, which a reader of these voices' languages would say about right. Scripts that leave out vowels,
or whose signs stand for words (Chinese, Arabic, Hebrew, the Indic ones and Thai), would come out as noise:
they are dropped and counted.
"""

import unicodedata
from collections import Counter

from anyascii import anyascii

from src.services.text.language import Language

_SOUNDED = frozenset(
    {
        "LATIN",
        "GREEK",
        "CYRILLIC",
        "ARMENIAN",
        "GEORGIAN",
        "HANGUL",
        "HIRAGANA",
        "KATAKANA",
        "FULLWIDTH",
        "HALFWIDTH",
    }
)
_NAMES = {"CJK": "Chinese characters"}


def to_alphabet(text: str, language: Language, dropped: Counter[str]) -> str:
    """Letters of the voice's alphabet, spaces, newlines and `.,;:?!¿¡'-` only; `dropped` counts the rest."""
    known = frozenset(
        "abcdefghijklmnopqrstuvwxyz"
        + language.accented
        + " \n.,;:?!'-"
        + ("¿¡" if language.spanish_marks else "")
    )
    out: list[str] = []
    for i, c in enumerate(text):
        if c.lower() in known and len(c.lower()) == 1:
            out.append(c)
        elif c.lower() in language.greek and not _beside_greek(text, i):
            out.append(f" {language.greek[c.lower()]} ")
        elif c.isalpha():
            out.append(_letter(c, known, dropped))
        elif unicodedata.category(c).startswith("M"):
            dropped["accents without a letter"] += 1
        else:
            if c not in '"¿¡\n ':
                dropped["signs"] += 1
            out.append(" ")
    return "".join(out)


def _letter(c: str, known: frozenset[str], dropped: Counter[str]) -> str:
    script = unicodedata.name(c, "UNKNOWN").split()[0].split("-")[0]
    latin = anyascii(c) if script in _SOUNDED else ""
    latin = "".join(x for x in latin if x.lower() in known)
    if latin:
        return latin
    if script not in _SOUNDED:
        dropped[_NAMES.get(script, f"{script.capitalize()} letters")] += 1
        return " "
    return ""


def _beside_greek(text: str, i: int) -> bool:
    """Whether a letter is part of a word and not a sign on its own (`π`)."""
    return text[max(0, i - 1) : i].isalpha() or text[i + 1 : i + 2].isalpha()
