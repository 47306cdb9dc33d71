"""From what people send to what a voice can say: clean, expand, alphabet, sentences, clauses."""

import logging
from collections import Counter

from src.core.errors import InvalidInput
from src.services.text.abbreviations import expand_abbreviations, expand_acronyms
from src.services.text.clean import clean
from src.services.text.dates import expand_dates, expand_ratios, expand_times
from src.services.text.money import expand_money
from src.services.text.numbers import (
    expand_codes,
    expand_decades,
    expand_fractions,
    expand_numbers,
    expand_ordinals,
    expand_ranges,
    expand_scales,
)
from src.services.text.phones import expand_phones
from src.services.text.pictures import name_emoji
from src.services.text.roman import expand_roman
from src.services.text.scripts import to_alphabet, transliterate
from src.services.text.sentences import Piece, split
from src.services.text.symbols import expand_symbols, name_signs
from src.services.text.tables import LANGUAGES
from src.services.text.tidy import tidy
from src.services.text.units import expand_units
from src.services.text.web import expand_web

_log = logging.getLogger(__name__)

# The order matters: each rule leaves words, and takes what a later one would misread.
_RULES = (
    expand_web,
    expand_dates,
    expand_times,
    expand_abbreviations,
    expand_phones,
    expand_money,
    expand_decades,
    expand_units,
    expand_ordinals,
    expand_roman,
    expand_fractions,
    expand_ranges,
    expand_scales,
    expand_symbols,
    expand_ratios,
    expand_codes,
    expand_numbers,
    expand_acronyms,
    name_signs,
)


def to_speech(text: str, language: str) -> list[Piece]:
    """Cut `text` into pieces that a voice of `language` ("en", "es") can say, in order.

    What cannot be said is dropped, and the log says so at DEBUG: see `scripts.py` for letters, `pictures.py`
    for emoji. Addresses lose `https://`, links in Markdown their address.

    Raises:
        InvalidInput: unknown language, or nothing is left to say; the message has the reason.
    """
    table = LANGUAGES.get(language)
    if table is None:
        raise InvalidInput(f"language {language!r} cannot be spoken: choose one of {', '.join(LANGUAGES)}")
    if not text.strip():
        raise InvalidInput("the text is empty")
    dropped: Counter[str] = Counter()
    spoken = transliterate(clean(name_emoji(text, table, dropped)), table)
    for rule in _RULES:
        spoken = rule(spoken, table)
    pieces = split(tidy(to_alphabet(spoken, table, dropped), table), table)
    if dropped:
        _log.debug("not spoken: %s", _listed(dropped))
    if not pieces:
        only = _listed(dropped) if dropped else "punctuation"
        raise InvalidInput(f"the text holds nothing that a voice can speak: only {only}")
    return pieces


def _listed(dropped: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in dropped.most_common())
