"""IPA in a text: checked against what a voice can say, and carried through the steps that look at letters.

Between markup and engine a text passes rules and filters that know letters, spaces and punctuation. A word of IPA
passes them in disguise: each symbol becomes a rare Chinese character, which all of them take for a letter of a
word that they do not know. At the end the word stands in slashes, as engines take it (`engines/marked_text.py`).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Set

MAX_IPA = 100
"""Symbols of one word or phrase."""
DISGUISES = "\U00020000-\U0002ffff"
"""Characters that a text of ours has for IPA only, as a range of a regular expression."""

_OFFSET = 0x20000
_LAST = 0xABFF
"""The last symbol that has a disguise; the phonetic alphabet ends before it."""
_WORD = re.compile(f"[{DISGUISES}]+")
_SILENT = re.compile("[\u0361\u035c\u203f.\u200d]")
"""Ties between the letters of one sound, and ends of syllables: voices were not taught them."""
_ALIKE = {"g": "ɡ", ":": "ː", "'": "ˈ", "ˑ": "ː"}
"""Signs in the place of those of the phonetic alphabet."""


class UnknownPhonemes(ValueError):
    """IPA that a voice cannot say. The message tells why."""


def fitted(ipa: str, known: Set[str]) -> str:
    """The same sounds in the symbols that a voice knows.

    Raises:
        UnknownPhonemes: it does not know all of them, or nothing is left.
    """
    if not known:
        raise UnknownPhonemes("the voice reads letters and takes no phonemes")
    said, unknown = [], []
    for symbol in unicodedata.normalize("NFC", _SILENT.sub("", ipa)):
        apart = unicodedata.normalize("NFD", symbol)
        if _ALIKE.get(symbol) in known:
            said.append(_ALIKE[symbol])
        elif symbol.isspace():
            said.append(" ")
        elif symbol in known and ord(symbol) <= _LAST:
            said.append(symbol)
        elif all(part in known for part in apart):
            said.append(apart)
        else:
            unknown.append(symbol)
    words = " ".join("".join(said).split())
    if unknown:
        raise UnknownPhonemes(f"the voice has no phoneme {', '.join(map(repr, dict.fromkeys(unknown)))}")
    if not words:
        raise UnknownPhonemes("there is no phoneme in it")
    return words


def disguise(ipa: str) -> str:
    """IPA as words of letters that the steps between markup and engine let pass."""
    return "".join(c if c == " " else chr(ord(c) + _OFFSET) for c in ipa)


def reveal(text: str) -> str:
    """A text with its IPA in slashes."""
    return _WORD.sub(lambda word: f"/{''.join(chr(ord(c) - _OFFSET) for c in word[0])}/", text)


def without_disguises(text: str, dropped: Counter[str]) -> str:
    """A text from outside. These characters are never spoken: they are counted here."""

    def one(match: re.Match[str]) -> str:
        dropped["Chinese characters"] += len(match[0])
        return " "

    return _WORD.sub(one, text)
