"""From what people send to what a voice can say: clean, classify, put into words, alphabet, sentences."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from src.errors import InvalidInput
from src.services.text import (
    abbreviations,
    cardinals,
    dates,
    electronic,
    lexicon,
    measures,
    money,
    phones,
    places,
    roman,
    signs,
    times,
)
from src.services.text.clean import clean
from src.services.text.language import Language
from src.services.text.phonemes import DISGUISES, reveal
from src.services.text.pictures import name_emoji
from src.services.text.reading import Reading, Rule
from src.services.text.scripts import to_alphabet, transliterate
from src.services.text.sentences import Piece, split
from src.services.text.tables import LANGUAGES, PESO, find
from src.services.text.tidy import tidy
from src.services.text.written import Written, written_words

_log = logging.getLogger(__name__)

_JOINED = frozenset({"date", "weekday", "time", "money", "measure", "ordinal", "cardinal"})
"""Classes of which two with a dash between them are a range."""

_PESOS = re.compile(
    r"\b(?:pesos?|MXN|ARS|COP|CLP|UYU|DOP|m[eé]xic\w+|argentin\w+|chilen\w+|chile|colombia\w*|urugua\w+|cuba\w*|bogotá|cdmx)\b",
    re.IGNORECASE,
)
_DOLLARS = re.compile(
    r"\b(?:d[oó]lar(?:es)?|USD|EE\.?\s?UU|estados unidos|nueva york|estadounidens\w+|ecuador|panamá|puerto rico|el salvador)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=64)
def rules(language: Language) -> tuple[list[Rule], list[Rule]]:
    """All rules, the surest first: what one claims, a later one cannot misread.

    The first list has the classes of which two can be a range.
    """
    special, *words = abbreviations.rules(language)
    classes = [
        *electronic.rules(language),
        *cardinals.powers(language),
        *dates.rules(language),
        *times.rules(language),
        *places.rules(language),
        special,
        *cardinals.doors(language),
        *phones.rules(language),
        *money.rules(language),
        *cardinals.scales(language),
        *cardinals.ordinals(language),
        *measures.rules(language),
    ]
    rest = [
        *roman.rules(language),
        *words,
        *cardinals.fractions(language),
        *cardinals.ranges(language),
        *cardinals.serials(language),
        *cardinals.cardinals(language),
        *signs.rules(language),
        *abbreviations.acronyms(language),
    ]
    return classes, rest


def to_speech(text: str, language: str, dollar: str = "dollars", *, timed: bool = False) -> list[Piece]:
    """Cut `text` into pieces that a voice of `language` can say, in order.

    `language` is `en`, `es` or a tag with a region (`es-MX`), which decides the date order, the decimal mark and
    what `$` is. Without a region `$` in Spanish is read by the text's other evidence, else as `dollar` says
    (`dollars` or `pesos`).

    What cannot be said is dropped, and the log says so at DEBUG: see `scripts.py` for letters, `pictures.py`
    for emoji. Addresses lose `https://`, links in Markdown their address. With `timed`, each piece knows the
    words that it is said for, as they are written in `text`.

    Raises:
        InvalidInput: unknown language, or nothing is left to say; the message has the reason.
    """
    table = table_of(text, language, dollar)
    dropped: Counter[str] = Counter()
    reading = _read(text, table, dropped)
    pieces = _cut(reading, table, dropped)
    check_spoken(text, pieces, dropped)
    return with_written(pieces, text, reading) if timed else pieces


def pieces_with_ipa(
    text: str,
    written: str,
    table: Language,
    dropped: Counter[str],
    entries: Sequence[lexicon.Table],
    *,
    timed: bool,
) -> list[Piece]:
    """Cut a text in which words are said as IPA into pieces; none if nothing of it can be said.

    Args:
        text: these words stand in disguise (`phonemes.py`).
        written: the text with these words as they are written.
        dropped: is told what cannot be said.
        entries: of lexicons; the first that has a word says it.
        timed: whether each piece is to know its written words.

    Raises:
        TooLarge: the lexicons make the text many times longer.
    """
    reading = _read(text, table, dropped, entries)
    pieces = _cut(reading, table, dropped, DISGUISES)
    if timed:
        pieces = with_written(pieces, written, reading)
    return [replace(piece, text=reveal(piece.text)) for piece in pieces]


def _cut(reading: Reading, table: Language, dropped: Counter[str], besides: str = "") -> list[Piece]:
    spoken = signs.soften(reading.spoken())
    return split(tidy(to_alphabet(spoken, table, dropped, besides), table), table)


def check_spoken(text: str, pieces: Sequence[object], dropped: Counter[str]) -> None:
    """Say in the log what of a text is not spoken.

    Raises:
        InvalidInput: nothing is; the message has the reason.
    """
    if not text.strip():
        raise InvalidInput("the text is empty", "text")
    if dropped:
        _log.debug("not spoken: %s", _listed(dropped))
    if not pieces:
        only = _listed(dropped) if dropped else "punctuation"
        raise InvalidInput(f"the text holds nothing that a voice can speak: only {only}", "text")


def with_written(pieces: list[Piece], text: str, reading: Reading) -> list[Piece]:
    """The pieces with the words of `text` that each is said for; one that two share is of the first."""
    spoken = [piece.text.split() for piece in pieces]
    found = written_words(text, reading.text, reading.said(), [word for words in spoken for word in words])
    told: list[Piece] = []
    begin = 0
    for piece, words in zip(pieces, spoken, strict=True):
        end = begin + len(words)
        own = tuple(
            Written(word.text, word.start - begin, min(word.end, end) - begin)
            for word in found
            if begin <= word.start < end
        )
        told.append(replace(piece, written=own))
        begin = end
    return told


def read(text: str, language: str, dollar: str = "dollars") -> Reading:
    """What in `text` is taken for what: see `__main__.py`."""
    return _read(text, table_of(text, language, dollar), Counter())


def _read(
    text: str, table: Language, dropped: Counter[str], entries: Sequence[lexicon.Table] = ()
) -> Reading:
    reading = Reading(transliterate(clean(name_emoji(text, table, dropped)), table))
    lexicon.apply(reading, entries)
    classes, rest = rules(table)
    for rule in classes:
        reading.apply(rule)
    reading.join_ranges(_JOINED, table.words["to"])
    for rule in rest:
        reading.apply(rule)
    return reading


def table_of(text: str, language: str, dollar: str) -> Language:
    """The language of a tag, with what the text tells of its region.

    Raises:
        InvalidInput: no voice can speak it.
    """
    evidence = None
    if language.lower() == "es" and "$" in text:
        pesos, dollars = bool(_PESOS.search(text)), bool(_DOLLARS.search(text))
        evidence = PESO if (pesos and not dollars) or (dollar == "pesos" and not dollars) else None
    table = find(language, evidence)
    if table is None:
        raise InvalidInput(
            f"language {language!r} cannot be spoken: choose one of {', '.join(LANGUAGES)}", "language"
        )
    return table


def _listed(dropped: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in dropped.most_common())
