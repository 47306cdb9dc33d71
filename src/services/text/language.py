"""The table of a language that the rules beside it read: its words, units, signs and forms."""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from babel import Locale

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Noun:
    """A thing that is counted: `1 kilometre`, `2 kilometres`."""

    one: str
    many: str
    feminine: bool = False
    bare: bool = False
    """One of it has no number, and no `scale_of` follows: `mil euros`."""
    phrase: bool = False
    """It is no noun, so the number does not agree with it: `uno por ciento`."""


@dataclass(frozen=True, slots=True)
class Count:
    """What follows a number, as far as it changes how the number is said."""

    feminine: bool = False
    before_noun: bool = False


PLAIN = Count()
"""Nothing follows."""


@dataclass(frozen=True, slots=True)
class Abbreviations:
    """Written forms without their last dot, and what is said."""

    title_before: str
    """What follows a title."""
    titles_alone: frozenset[str]
    """Titles, in small letters, that are nothing else where no name follows."""
    titles: Mapping[str, str]
    """Before a name; never the end of a sentence: `Dr.`."""
    numbered: Mapping[str, str]
    """Before a number or a Roman numeral only: `fig. 3`."""
    plain: Mapping[str, str]
    """Anywhere; the dot may also end the sentence: `etc.`."""
    special: tuple[tuple[str, str], ...]
    """Patterns (case-sensitive) for what is written in another way: `w/o`, `EE. UU.`."""


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """Everything that differs between languages and their regions.

    To add a language, write one and list it in `tables.py`. Regular expressions are fragments, matched
    case-insensitively unless said otherwise; all words are as they are to be spoken.
    """

    code: str
    """ISO 639-1; also the name of the sentence splitter's and the emoji names' language."""
    accented: str
    """Lower-case letters beyond a-z that the voices know; others lose their accent."""
    sounds: Mapping[str, str]
    """Foreign letters that sound like another one than they look like."""
    spanish_marks: bool
    """Whether `¿` and `¡` are written."""

    # what a region decides
    decimal_mark: str
    """`.` or `,`; the other one groups thousands."""
    strict_marks: bool
    """Whether three digits after the decimal mark are decimals in money, too."""
    day_first: bool
    """Whether 3/4/2026 is in April."""
    dollar: str
    """ISO 4217 code of what `$` stands for."""
    phone_groups: Mapping[int, tuple[int, ...]]
    """How so many digits without gaps are grouped, by their count."""

    # numbers
    cardinal: Callable[[int, Count], str]
    ordinal_after: str
    """What marks a number as an ordinal (`st`, `.º`): one group."""
    say_ordinal: Callable[[int, str, str], str]
    """Ordinal of a number with its mark, and the word that follows."""
    year: Callable[[int], str]
    short_year: Callable[[int], str]
    """A year of which two digits are written: 3/4/98."""
    year_before: str
    """Words after which a four-digit number is a year."""
    decades: Callable[[int], str]
    """How `1990s` or `90s` is said."""
    noun_of: Callable[[str], Count]
    """How the word after a number agrees with it."""
    marks: Mapping[str, str]
    """`.` and `,` inside a number, as words."""
    decimals: Callable[[str, Count], str]
    """How the digits after the decimal mark are said, before what they count."""
    fraction: Callable[[int, int], str]
    """`3/4`; empty where nobody says it as one."""
    mixed: Callable[[str, int, int, str], str]
    """`2 1/2` and the word that follows, which is not said: whole number in words, top, bottom, word."""
    fraction_of: Callable[[int, int, Noun], str]
    """`3/4 mi`."""
    codes_as_numbers: bool
    """Whether a port is read as a number (`ocho mil ochenta`) and not digit by digit."""
    parted: frozenset[str]
    """Nouns that want `of` behind a fraction: `tres cuartos de hora`."""
    scales: Mapping[str, Noun]
    """`million`, `M`, `k`: multipliers behind a number, by their written form."""
    money_scales: Mapping[str, Noun]
    """Those that are multipliers only in an amount of money: `m`, `tn`."""

    pairs: bool
    """Whether numbers that are names are read in pairs: `1428 Elm Street`, `1920x1080`, `1080p`."""
    raised_ordinals: bool
    """Whether `º` and `ª` mark ordinals: `Piso 2ºC`."""
    decade_forms: tuple[str, ...]
    """Patterns (case-sensitive) for decades, with a group `number`."""
    fraction_suffix: str
    """What may stand behind a fraction: `3/4ths`."""
    half_behind: bool
    """Whether the half follows what is counted: `una hora y media`."""
    million_before: str
    """What makes a small `m` behind a number a million: `3.2m units`; empty for nothing."""
    race_before: str
    """Words before `5k` that make it a distance to run."""
    score_before: str
    """Words before 9/10 that make it a mark: `rated 9/10`."""
    factor: Noun
    """`3x`: three times."""

    # dates and times
    months: tuple[str, ...]
    month_names: Mapping[str, int]
    """Written forms, lower-case without the dot, to 1-12."""
    weekdays: Mapping[str, str]
    """Written forms, lower-case without the dot, to the word that is said."""
    ambiguous_days: frozenset[str]
    """Those of `weekdays` and `month_names` that are words, too: `sun`, `mar`."""
    say_days: Callable[[int, int, int, str, bool], str]
    """A day of a month, or from one to another: first and last day, month, the year in words (may be empty),
    whether the day is written first."""
    say_time: Callable[[int, int, int, str], str]
    """Hour, minute, second (0: not said) and `am`, `pm` or nothing."""
    quarters: str
    """Letters beside a digit that, with a year, mean a quarter: `Q3 2023`."""
    halves: str
    """Those that mean half a year: `H1 2024`."""
    part_of_year_after: str
    """Words before a part of a year that need an article between: `in Q3 2023`; empty where none is said."""
    part_of_year_never_after: str
    """Words before such a code that make it another: `la T4`, a terminal; empty for none."""
    models: str
    """Names before such a code that make it a model's: `Audi Q3 2019`."""
    hours_mark: str
    """What follows a time or a bare hour: `h`, `hrs`."""
    hour_before: str
    """Words before an hour written with a dot or alone: `a las 8.05`; empty for none."""
    date_before: str
    """Words before 22/11 that make it a date and not a fraction."""
    day_suffix: str
    """What may stand behind the number of a day: `th`."""
    day_link: str
    """Between a day and its month."""
    books: frozenset[str]
    """Books of the Bible, lower-case: `Genesis 1:1`."""

    # money and measures
    currency_names: Mapping[str, Noun]
    """Names that differ from CLDR's, by sign or ISO code."""
    cent_names: Mapping[str, Noun]
    """What a currency's hundredth is called, by ISO code; `` for all the others."""
    currency_signs: Mapping[str, str]
    """Signs that mean a currency in this language only, to ISO codes."""
    currency_words: str
    """Words behind an amount that name its currency: `$50 pesos`."""
    currency_head: int
    """Which word of a currency's name says what it is: the first (0) or the last (-1)."""
    cents_joint: str
    bases: Mapping[str, Noun]
    """Units that take prefixes, by their symbol."""
    prefix: Callable[[str, str], str]
    """Prefix and the name of a unit, in one word."""
    units: Mapping[str, Noun]
    """Other units, by their written form."""
    per_names: Mapping[str, str]
    """What follows a slash only: `/mo`."""
    powers: Callable[[Noun, int], Noun]
    """Square and cubic units."""
    adjective_before: str
    """Words before a measure that make it an adjective (`a 5 km run`); empty where it has no form of its own."""
    several: str
    """Number words that do the same where a plural follows: `ten $5 bills`; empty where there is no such form."""
    adjective_after: str
    """Words behind an amount that are worth it: `$5 bills`."""
    adjective_never: frozenset[str]
    """Words that never are the noun behind such a measure."""
    hectare_never_before: str
    """Words behind `ha` that make it a verb: `en 1990 ha sido`; empty where it is none."""
    points: Mapping[str, str]
    """Points of the compass behind degrees."""
    pressure_before: str
    """Words before a blood pressure: `BP 120/80`."""
    pages: str
    """Words before a number with a letter that name a place: `Apartment 4B`."""

    # words
    letters: Mapping[str, str]
    abbreviations: Abbreviations
    ambiguous_abbreviations: frozenset[str]
    """Those of the plain ones that are words, too: only in the middle of a sentence."""
    said_as_words: frozenset[str]
    """Acronyms pronounced as a word against the rules."""
    said_as_letters: frozenset[str]
    """Acronyms spelled against the rules."""
    syllables: str
    """Matches a word (lower-case) that can be pronounced."""
    shortest_word: int
    """Acronyms of at least this many letters are words if they can be pronounced."""
    letter_words: str
    """Words of one letter: behind a dash with spaces they are no variable."""
    everyday: frozenset[str]
    """Short words that people write in capitals for emphasis: never spelled."""
    starters: frozenset[str]
    """Words that open a sentence: a dot before them, capitalised, is a full stop."""
    either_or: frozenset[str]
    """Pairs with a slash that is said as `alternative`: `his/her`."""
    symbols: Mapping[str, str]
    """Single signs and how they are said anywhere."""
    host_words: frozenset[str]
    """Two-letter ends of addresses that are said as a word, not spelled: `punto es`."""
    words: Mapping[str, str]
    """Names of signs and small words, by their English name: `slash`, `to`, `minus`."""
    greek: Mapping[str, str]

    # Roman numerals (case-sensitive fragments)
    roman_after: str
    """Words before a Roman numeral read as a cardinal: `Chapter IV`."""
    clause_after: str
    """Words after `I` that make it a pronoun: `the plan I made`; empty where it is none."""
    verb_after: str
    """Those of them that may be the noun's verb: `phase I was over`."""
    numbered_nouns: str
    """Nouns that are numbered in Roman style in a sentence: before `verb_after`, `I` is seldom the pronoun."""
    ranked_nouns: str
    """Nouns whose numeral a participle and a noun may follow: `a level I certified center`."""
    known_before: str
    """Words before such a noun that make `I` the pronoun: `the class I attended`."""
    roman_never_before: str
    """Words behind a Roman numeral with which it stays a cardinal; empty for none."""
    roman_names: str
    """Names before a Roman numeral read as a ruler's ordinal: `Louis XIV`."""
    regnal: Callable[[int, str], str]
    """Numeral and name."""
    roman_before: str
    """Words after a Roman numeral read as an ordinal: `XXV aniversario`; empty for none."""

    # places
    streets: Mapping[str, str]
    """Short forms behind a street's name: `St`, `Ave`."""
    states: Mapping[str, str]
    """Two letters before a postcode."""

    # clauses
    conjunctions: frozenset[str]
    """Words before which a long clause may be cut."""
    phone_before: str
    """Words that announce a telephone number."""
    call_before: str
    """Words before a short number that one calls: `Call 911`."""
    code_before: str
    """Words that announce a number that is read digit by digit: `PIN`."""

    def spell(self, letters: str) -> str:
        """`FBI` -> the names of its letters; what has no name is left out."""
        return " ".join(self.letters[c] for c in letters.lower() if c in self.letters)

    def opening(self) -> str:
        """A regular expression for a word that opens a sentence, with its capital."""
        return rf"(?:{alternatives(word.capitalize() for word in self.starters)})(?![^\W\d_A-Z]|')"


def alternatives(words: Iterable[str]) -> str:
    """A regular expression for any of `words`, longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def words(text: str) -> frozenset[str]:
    """A set of words, written with spaces between them."""
    return frozenset(text.split())


def table(text: str) -> dict[str, str]:
    """Pairs written `forms: said`, one a line or with `;` between them; `_` is a space in a form, `*` no form."""
    pairs = (line.split(":", 1) for line in re.split(r"[\n;]", text) if ":" in line)
    return {
        form.replace("_", " ").replace("*", ""): said.strip()
        for forms, said in pairs
        for form in forms.split()
    }


def nouns(text: str) -> dict[str, Noun]:
    """Nouns written `symbols: one/many/kind`.

    The kind is `f`, `m`, `bare` or `phrase` (see `Noun`); without one, those in -a are feminine.
    """
    return {symbol: noun(names) for symbol, names in table(text).items()}


def noun(names: str) -> Noun:
    """`one/many/kind` as for `nouns`."""
    one, _, rest = names.partition("/")
    many, _, kind = rest.partition("/")
    feminine = kind == "f" or (not kind and one.split()[0].endswith("a"))
    return Noun(one, many or one, feminine, bare=kind == "bare", phrase=kind == "phrase")


_READERS: dict[Any, Callable[[Any], Any]] = {
    str: lambda text: text.strip("\n"),
    Noun: noun,
    frozenset[str]: words,
    Mapping[str, str]: table,
    Mapping[str, Noun]: nouns,
    Mapping[int, tuple[int, ...]]: lambda sizes: {int(size): tuple(groups) for size, groups in sizes.items()},
    tuple[str, ...]: tuple,
    tuple[tuple[str, str], ...]: lambda pairs: tuple(map(tuple, pairs)),
}
"""How an entry of a data file is read, by the type of its field."""


def written_data(code: str) -> dict[str, Any]:
    """The fields of `Language` that are data and not functions: `data/en.toml`, `data/es.toml`."""
    data = tomllib.loads((_DATA / f"{code}.toml").read_text(encoding="utf-8"))
    locale = Locale(code)
    months = tuple(locale.months["format"]["wide"].values())
    forms, days = data.pop("month_forms"), data.pop("weekday_forms")
    short = data.pop("abbreviations")
    short.setdefault("titles_alone", " ".join(table(short["titles"])).lower())
    found = _read(Language, data)
    names = {form.lower(): number for number, name in enumerate(months, 1) for form in (name, name[:3])}
    weekdays = {
        form.lower(): day for day in locale.days["format"]["wide"].values() for form in (day, day[:3])
    }
    return {
        **found,
        "code": code,
        "months": months,
        "month_names": names | {form: int(number) for form, number in table(forms).items()},
        "weekdays": weekdays | table(days),
        "abbreviations": Abbreviations(**_read(Abbreviations, short)),
    }


def _read(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    types = {field.name: field.type for field in fields(kind)}
    return {name: _READERS.get(types[name], lambda value: value)(value) for name, value in data.items()}
