"""What a language has to say for itself: one table a language, read by the shared rules beside it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noun:
    """A thing that is counted: `1 kilometre`, `2 kilometres`."""

    one: str
    many: str
    feminine: bool = False
    bare: bool = False
    """One of it has no number, and no `scale_of` follows: `mil euros`."""


@dataclass(frozen=True, slots=True)
class Currency:
    unit: Noun
    cent: Noun | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """What follows a number, as far as it changes how the number is said."""

    feminine: bool = False
    before_noun: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """Everything that differs between languages. To add a language, write one and list it in `tables.py`.

    Regular expressions are fragments, matched case-insensitively unless said otherwise; all words are as
    they are to be heard.
    """

    code: str
    """ISO 639-1; also the name of the sentence splitter's and the emoji names' language."""
    accented: str
    """Lower-case letters beyond a-z that the voices know; others lose their accent."""
    spanish_marks: bool
    """Whether `¿` and `¡` are written."""

    # numbers
    decimal_mark: str
    """`.` or `,`; the other one groups thousands."""
    cardinal: Callable[[int, Count], str]
    ordinal: Callable[[int, bool], str]
    """Ordinal of a number from 1, feminine if the flag is set; a cardinal where nobody says the ordinal."""
    ordinal_after: str
    """What marks a number as an ordinal (`st`, `.º`): one group, which may name the feminine forms."""
    feminine_ordinals: tuple[str, ...]
    year: Callable[[int], str]
    year_before: str
    """Words after which a four-digit number is a year."""
    decades: Callable[[int], str] | None
    """How `1990s` or `90s` is said."""
    noun_of: Callable[[str], Count]
    """How the word after a number agrees with it."""
    marks: Mapping[str, str]
    """`.` and `,` inside a number, as words."""
    decimals_as_number: bool
    """Whether 3,14 is read `coma catorce` and not digit by digit."""
    minus: str
    to: str
    """Between the ends of a range."""
    out_of: str
    """In a mark: `10 out of 10`."""
    fraction: Callable[[int, int], str]
    and_fraction: str
    """Between `2` and `1/2`."""
    one_part: tuple[str, str]
    """How `one half` begins, and how it does behind `two and`."""
    scales: Mapping[str, Noun]
    """`million`, `M`, `k`: multipliers behind a number, by their written form."""
    scale_of: str
    """Between a multiplier and a noun: `millones de euros`."""
    part_of: str
    """Between a fraction and a unit: `three quarters of a mile`."""
    number_sign: str
    per: str

    # dates and times
    months: tuple[str, ...]
    month_names: Mapping[str, int]
    """Written forms, lower-case without the dot, to 1-12."""
    day_first: bool
    """Whether 3/4/2026 is in April."""
    say_date: Callable[[int, int, str], str]
    """Day, month and the year in words (may be empty)."""
    say_time: Callable[[int, int, int | None, str], str]
    """Hour, minute, second and `am`, `pm` or nothing."""
    hours_mark: str
    """What follows a time or a bare hour: `h`, `hrs`."""
    date_before: str
    """Words before 22/11 that make it a date and not a fraction."""

    # money and measures
    currencies: Mapping[str, Currency]
    cents_joint: str
    units: Mapping[str, Noun]

    # words
    letters: Mapping[str, str]
    abbreviations: tuple[tuple[str, str], ...]
    """Pattern (case-sensitive) and what is said; `.` at its end is eaten unless it also ends the sentence."""
    said_as_words: frozenset[str]
    """Acronyms pronounced as a word against the rules."""
    said_as_letters: frozenset[str]
    """Acronyms spelled against the rules."""
    syllables: str
    """Matches a word (lower-case) that can be pronounced."""
    shortest_word: int
    """Acronyms of at least this many letters are words if they can be pronounced."""
    everyday: frozenset[str]
    """Short words that people write in capitals for emphasis: never spelled."""
    starters: frozenset[str]
    """Words that open a sentence: a dot before them, capitalised, is a full stop."""
    symbols: Mapping[str, str]
    """Single signs and how they are said anywhere."""
    host_words: frozenset[str]
    """Two-letter ends of addresses that are said as a word, not spelled: `punto es`."""
    at: str
    dot: str
    slash: str
    backslash: str
    dash: str
    underscore: str
    hashtag: str
    sharp: str
    plus: str
    times: str
    divided: str
    equals: str
    colon: str
    ampersand: str
    question_mark: str
    percent_sign: str
    tilde: str
    roughly: str
    power: str
    squared: str
    cubed: str
    less: str
    greater: str
    greek: Mapping[str, str]

    # Roman numerals (case-sensitive fragments)
    roman_after: str
    """Words before a Roman numeral read as a cardinal: `Chapter IV`."""
    roman_names: str
    """Names before a Roman numeral read as a ruler's ordinal: `Louis XIV`."""
    regnal: Callable[[int, str], str]
    """Numeral and name."""
    roman_before: str
    """Words after a Roman numeral read as an ordinal: `XXV aniversario`; empty for none."""

    # clauses
    conjunctions: tuple[str, ...]
    """Words before which a long clause may be cut."""
    phone_before: str
    """Words that announce a telephone number."""

    def spell(self, letters: str) -> str:
        """`FBI` -> the names of its letters; what has no name is left out."""
        return " ".join(self.letters[c] for c in letters.lower() if c in self.letters)


def alternatives(words: Mapping[str, object] | frozenset[str] | tuple[str, ...]) -> str:
    """A regular expression for any of `words`, longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def words(text: str) -> frozenset[str]:
    """A set of words, written with spaces between them."""
    return frozenset(text.split())
