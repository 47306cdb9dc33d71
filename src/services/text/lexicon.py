"""How single words are said: a respelling or IPA in the place of words and phrases, by language.

    {"Voz": "boss", "en": {"SQL": "sequel", "nginx": "engine ex"}, "en-GB": {"schedule": "/ˈʃɛdjuːl/"}}

An entry outside of a language holds for all; one of a region comes before one of its language. An entry in lower
case stands for the word in any case, another one for exactly this. What is said in its place is not read again:
neither by another entry, nor by the rules for numbers and abbreviations.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from src.errors import ConfigurationError, InvalidInput, TooLarge
from src.services.text.clean import clean
from src.services.text.phonemes import MAX_IPA, UnknownPhonemes, disguise, fitted
from src.services.text.reading import Reading, Token
from src.services.text.scripts import to_alphabet, transliterate
from src.services.text.tables import LANGUAGES

MAX_ENTRIES = 100
"""Entries of a request's lexicon."""
_MAX_FILE_ENTRIES = 20_000
_MAX_WRITTEN, _MAX_SAID = 60, 120
_SHOWN = 10
"""Wrong entries that are listed; the others are counted."""
_LONGER = 4
"""How many times longer a text may become by its entries, apart from the first thousand letters."""

_TAG = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{2}|\d{3}))?", re.IGNORECASE)
_TOKEN = re.compile(r"'s\b|\w+(?:'(?!s\b)\w+)*|[^\w\s]", re.IGNORECASE)
"""A word, with the apostrophes in it but an English genitive's, or a sign."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    language: str
    """Tag in small letters; empty for every language."""
    written: str
    said: str
    """Respelling, or IPA without its slashes."""
    is_ipa: bool


@dataclass(frozen=True, slots=True)
class _Pattern:
    """The tokens of an entry."""

    tokens: tuple[str, ...]
    spaced: tuple[bool, ...]
    """Whether white space is before each, but the first."""
    any_case: bool
    said: str
    """As the rest of the way takes it: IPA in disguise."""


Table = Mapping[str, Sequence[_Pattern]]
"""Patterns by their first token in small letters, the longest first."""


class Lexicon:
    """Entries that are right in form; which of them a voice can say is known when it is chosen."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = tuple(sorted(entries))
        self.fingerprint = hashlib.sha256(repr(self.entries).encode()).hexdigest() if self.entries else ""
        """Hash of the content; empty if there is none."""

    def problems(self, language: str, known: frozenset[str]) -> list[str]:
        """Entries for a language whose IPA a voice with these phonemes cannot say."""
        return [problem for entry in self._of(language) if (problem := _problem(entry, known))]

    def unsayable(self, voices: Iterable[tuple[str, frozenset[str]]]) -> str:
        """The entries whose IPA no voice can say, and why; empty if there is none.

        Args:
            voices: language and phonemes of each.
        """
        known = tuple(dict.fromkeys(voices))
        wrong = []
        for entry in self.entries:
            code = entry.language.partition("-")[0]
            problems = [_problem(entry, phonemes) for language, phonemes in known if code in ("", language)]
            if problems and all(problems):
                wrong.append(max(problems, key=len))
        return _listed(wrong)

    def table(self, language: str, known: frozenset[str]) -> Table:
        """The entries for a tag. IPA that a voice with these phonemes cannot say is left out."""
        chosen: dict[str, Entry] = {}
        for entry in self._of(language):
            if not _problem(entry, known):
                chosen[entry.written] = entry
        table: dict[str, list[_Pattern]] = {}
        for entry in chosen.values():
            pattern = _pattern(entry, language[:2].lower(), known)
            table.setdefault(pattern.tokens[0].lower(), []).append(pattern)
        for patterns in table.values():
            patterns.sort(key=lambda one: (-len(one.tokens), one.any_case))
        return table

    def tag(self, language: str) -> str:
        """The tag, without a region that no entry is for."""
        tag = language.lower().replace("_", "-")
        return tag if any(entry.language == tag for entry in self.entries) else tag.partition("-")[0]

    def _of(self, language: str) -> Iterator[Entry]:
        """Entries for a tag, those of a region last."""
        tag = language.lower().replace("_", "-")
        wanted = ("", tag.partition("-")[0], tag)
        return (entry for entry in self.entries if entry.language in wanted)


EMPTY = Lexicon()


@lru_cache(maxsize=256)
def cached_table(lexicon: Lexicon, language: str, known: frozenset[str]) -> Table:
    """`lexicon.table`, for a lexicon that lives as long as the server."""
    return lexicon.table(language, known)


def apply(reading: Reading, tables: Sequence[Table]) -> None:
    """Let a reading's text be said by the entries: from the left, the longest, of the first table that has one.

    Raises:
        TooLarge: they make the text many times longer.
    """
    if not any(tables):
        return
    tokens = list(_TOKEN.finditer(reading.text))
    room = 1000 + _LONGER * len(reading.text)
    at = 0
    while at < len(tokens):
        pattern = _longest(reading.text, tokens, at, tables)
        if pattern is None:
            at += 1
            continue
        first, last = tokens[at], tokens[at + len(pattern.tokens) - 1]
        room -= len(pattern.said)
        if room < 0:
            raise TooLarge("the lexicon makes the text many times longer")
        reading.claim(Token(first.start(), last.end(), "lexicon", pattern.said, "lexicon"))
        at += len(pattern.tokens)


def _longest(text: str, tokens: Sequence[re.Match[str]], at: int, tables: Sequence[Table]) -> _Pattern | None:
    found: _Pattern | None = None
    for table in tables:
        for pattern in table.get(tokens[at][0].lower(), ()):
            if found is not None and len(pattern.tokens) <= len(found.tokens):
                break
            if _stands_at(pattern, text, tokens[at : at + len(pattern.tokens)]):
                found = pattern
                break
    return found


def _stands_at(pattern: _Pattern, text: str, tokens: Sequence[re.Match[str]]) -> bool:
    if len(tokens) < len(pattern.tokens):
        return False
    for number, (token, wanted) in enumerate(zip(tokens, pattern.tokens, strict=True)):
        if (token[0].lower() if pattern.any_case else token[0]) != wanted:
            return False
        if number and (tokens[number - 1].end() < token.start()) != pattern.spaced[number]:
            return False
    # `C++` is no word of `C++11`
    end = tokens[-1].end()
    return text[end - 1 : end].isalnum() or not text[end : end + 1].isalnum()


def _problem(entry: Entry, known: frozenset[str]) -> str:
    """Why a voice with these phonemes cannot say an entry; empty if it can."""
    try:
        if entry.is_ipa:
            fitted(entry.said, known)
    except UnknownPhonemes as error:
        return f"{entry.written!r}: /{entry.said}/: {error}"
    return ""


def _pattern(entry: Entry, code: str, known: frozenset[str]) -> _Pattern:
    any_case = entry.written == entry.written.lower()
    # as a reading has the text
    matches = list(_TOKEN.finditer(transliterate(entry.written, LANGUAGES[code])))
    spaced = [one.end() < other.start() for one, other in pairwise(matches)]
    tokens = (one[0].lower() if any_case else one[0] for one in matches)
    return _Pattern(tuple(tokens), (False, *spaced), any_case, _as_read(entry, code, known))


def _as_read(entry: Entry, code: str, known: frozenset[str]) -> str:
    if entry.is_ipa:
        return disguise(fitted(entry.said, known))
    return transliterate(entry.said, LANGUAGES[code])


def parse(content: Mapping[str, Any], most: int = MAX_ENTRIES) -> Lexicon:
    """A lexicon from JSON's objects.

    Raises:
        ValueError: entries are wrong; each is named with what is wrong.
    """
    entries: list[Entry] = []
    wrong: list[str] = []
    seen: set[tuple[str, str]] = set()
    for place, language, written, said in _flat(content):
        try:
            entry = _entry(language, written, said)
        except ValueError as error:
            wrong.append(f"{place}: {error}")
            continue
        if (entry.language, entry.written) in seen:
            wrong.append(f"{place}: it is there twice")
        seen.add((entry.language, entry.written))
        entries.append(entry)
        if len(entries) > most:
            raise ValueError(f"it has more than {most} entries")
    if wrong:
        raise ValueError(_listed(wrong))
    return Lexicon(entries)


def from_request(content: Mapping[str, Any]) -> Lexicon:
    """The lexicon of a request.

    Raises:
        InvalidInput: entries are wrong; the message names them.
    """
    try:
        return parse(content)
    except ValueError as error:
        raise InvalidInput(f"the lexicon has wrong entries: {error}", "lexicon") from None


def from_file(path: Path) -> Lexicon:
    """The lexicon of a server (TTS_LEXICON): JSON in UTF-8.

    Raises:
        ConfigurationError: it cannot be read, or entries are wrong; the message names them.
    """
    twice: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in found)
        twice.extend(f"{key!r}: it is there twice" for key, count in counts.items() if count > 1)
        return dict(found)

    try:
        content = json.loads(path.read_text("utf-8-sig"), object_pairs_hook=pairs)
        if not isinstance(content, dict):
            raise ValueError("it must be an object of words and how they are said")
        if twice:
            raise ValueError(_listed(twice))
        return parse(content, _MAX_FILE_ENTRIES)
    except OSError as error:
        raise ConfigurationError(f"TTS_LEXICON: {path}: {error.strerror}") from None
    except ValueError as error:  # of JSON and UTF-8, too
        raise ConfigurationError(f"TTS_LEXICON: {path}: {error}") from None


def _flat(content: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    """Place for an error, language, word, what is said."""
    for word, said in content.items():
        if isinstance(said, Mapping):
            for inner, inner_said in said.items():
                yield f"{word[:20]}: {inner[:_MAX_WRITTEN]!r}", word, inner, inner_said
        else:
            yield repr(word[:_MAX_WRITTEN]), "", word, said


def _entry(language: str, written: str, said: Any) -> Entry:
    if language:
        tag = _TAG.fullmatch(language)
        if tag is None or tag[1].lower() not in LANGUAGES:
            raise ValueError(f"no language {language[:20]!r}; there are {', '.join(LANGUAGES)}")
        language = language.lower().replace("_", "-")
    if not isinstance(said, str):
        raise ValueError("what is said must be a string: a respelling, or IPA in slashes")
    word = clean(written[: _MAX_WRITTEN + 1]).strip()
    if not any(map(str.isalnum, word)) or len(word) > _MAX_WRITTEN:
        raise ValueError(f"a word or phrase of 1 to {_MAX_WRITTEN} characters is wanted")
    said = said.strip()
    if len(said) > 1 and said.startswith("/") and said.endswith("/"):
        ipa = said[1:-1].strip()
        if not ipa or "/" in ipa or len(ipa) > MAX_IPA:
            raise ValueError(f"IPA of 1 to {MAX_IPA} symbols is wanted between the slashes")
        return Entry(language, word, ipa, is_ipa=True)
    return Entry(language, word, _respelling(said, language), is_ipa=False)


def _respelling(said: str, language: str) -> str:
    if len(said) > _MAX_SAID:
        raise ValueError(f"a respelling has at most {_MAX_SAID} characters")
    spoken = " ".join(clean(said).split())
    codes = (language.partition("-")[0],) if language else tuple(LANGUAGES)
    for code in codes:
        dropped: Counter[str] = Counter()
        letters = to_alphabet(transliterate(spoken, LANGUAGES[code]), LANGUAGES[code], dropped)
        if dropped or not any(map(str.isalpha, letters)) or re.search(r"[.;:?!,\d]", spoken):
            raise ValueError(
                f"{said[:_MAX_WRITTEN]!r} is no respelling: it has letters, spaces, ' and - only; IPA stands "
                "in slashes"
            )
    return spoken


def _listed(wrong: Sequence[str]) -> str:
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return "; ".join(wrong[:_SHOWN]) + more
