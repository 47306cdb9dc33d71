"""Rows of text in which some words are IPA, in slashes: `The /wˈʊstɚ/ sauce.`

A voice of phonemes says these words as they stand, and those around them as its phonemizer has them in this
sentence: `a` before a word is said otherwise than `a` alone. So the phonemizer is given a made-up word in the
place of each, whose phonemes are then looked for in what it returns. Where they are not found, the text
between the words is phonemised by itself.
"""

import re
from collections.abc import Callable, Sequence

IPA_WORD = re.compile(r"/([^/\s]+)/")
"""Group 1 is the IPA. Normalised text has no other slashes."""

_VOWELS = frozenset("aeiouyAIOQWYæɐɑɒɔəɘɚɛɜɝɞɤɨɪøœɵɶʉʊʌʏɯᵻᵊ")
_MARKS = "ˈˌ"
_BEFORE_CONSONANT, _BEFORE_VOWEL = "zozo", "obado"
"""Words that espeak says alike in every sentence, in English and Spanish. `the` is said otherwise before a
vowel."""


def phonemise(text: str, phonemes_of: Callable[[str], str]) -> str:
    """Phonemes of a row whose words in slashes are IPA.

    Args:
        text: the row.
        phonemes_of: a phonemizer, for text without slashes.
    """
    between = IPA_WORD.split(text)
    spoken, ipa = between[::2], between[1::2]
    if not ipa:
        return phonemes_of(text)
    stand_ins = [_BEFORE_VOWEL if word.lstrip(_MARKS)[:1] in _VOWELS else _BEFORE_CONSONANT for word in ipa]
    found = None
    if not any(word in text.lower() for word in stand_ins):
        whole = phonemes_of("".join(map("".join, zip(spoken, [*stand_ins, ""], strict=True))))
        found = _parted(whole, [phonemes_of(word) for word in stand_ins])
    if found is None:
        found = [_outside_of_words(part, phonemes_of) for part in spoken]
    return "".join(map("".join, zip(found, [*ipa, ""], strict=True)))


def around_ipa(text: str, change: Callable[[str], str]) -> str:
    """The row with the text between its IPA changed; the IPA, in its slashes, and spaces beside it stay."""
    between = IPA_WORD.split(text)
    if len(between) == 1:
        return change(text)
    return "".join(
        f"/{part}/" if at % 2 else _outside_of_words(part, change) for at, part in enumerate(between)
    )


def _parted(whole: str, words: Sequence[str]) -> list[str] | None:
    """What is between the words in `whole`; None unless they are there in this order, and no more often."""
    marks = re.compile("|".join(re.escape(word) for word in dict.fromkeys(words) if word) or r"(?!)")
    return marks.split(whole) if marks.findall(whole) == list(words) else None


def _outside_of_words(part: str, change: Callable[[str], str]) -> str:
    """A part of a row with the spaces at its ends as they were. Punctuation alone has no phonemes."""
    core = part.strip()
    if not any(map(str.isalnum, core)):
        return part
    lead = part[: len(part) - len(part.lstrip())]
    return lead + change(core) + part[len(part.rstrip()) :]
