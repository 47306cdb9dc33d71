"""A written number taken apart, and said: integers, decimals, thousands, years, lists, digit by digit."""

import re
from dataclasses import dataclass
from functools import lru_cache

from src.services.text.language import PLAIN, Count, Language, Noun
from src.services.text.reading import Misread

MAX_DIGITS = 15
"""Longer numbers are read digit by digit: nobody can follow `four hundred quadrillion`."""
MAX_GROUPED = 24
"""Digits of the longest number that is read as one where its thousands are written apart."""

NUMBER = r"(?:(?<![\w.?!)])\.)?\d+(?:[.,]\d+)*"
"""What a number looks like; `parse` decides whether it is one."""
_NEXT_WORD = re.compile(r"[ -]([^\W\d_]+)")
_INDIAN = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}")
_GROUPED = {",": re.compile(r"\d{1,3}(?:,\d{3})+"), ".": re.compile(r"\d{1,3}(?:\.\d{3})+")}


@dataclass(frozen=True, slots=True)
class Value:
    """A written number, taken apart."""

    whole: str
    mark: str
    fraction: str
    grouped: bool = False
    """Whether it was written with thousands apart, so that even a long one can be read."""

    @property
    def is_one(self) -> bool:
        return self.whole.lstrip("0") == "1" and not self.fraction


def parse(written: str, language: Language, money: bool = False) -> Value | None:  # noqa: PLR0911 - cases
    """`1.234,5` -> (1234, `,`, 5) by the language's habit; None if it is not one number (`1,2,3`).

    With `money`, one group of three digits after either mark is thousands, unless the language's region writes
    it otherwise: in `$4.289 per gallon` they are decimals.
    """
    if not written:
        return None
    if written.isdigit():
        return Value(written, "", "")
    last = max(written.rfind("."), written.rfind(","))
    mark = written[last]
    other = "," if mark == "." else "."
    if other in written:
        head = written[:last]
        if mark in head or not _GROUPED[other].fullmatch(head):
            return None
        return Value(head.replace(other, ""), mark, written[last + 1 :], grouped=True)
    grouped = (_GROUPED[mark].fullmatch(written) or _INDIAN.fullmatch(written)) and not written.startswith(
        "0"
    )
    if written.count(mark) > 1:
        return Value(written.replace(mark, ""), "", "", grouped=True) if grouped else None
    if grouped and ((money and not language.strict_marks) or mark != language.decimal_mark):
        return Value(written.replace(mark, ""), "", "")
    if mark != language.decimal_mark and mark == ",":
        return None  # `1,5` in English is a list
    return Value(written[:last], mark, written[last + 1 :])


def number(written: str, language: Language, *, money: bool = False) -> Value:
    """As `parse`.

    Raises:
        Misread: it is not one number.
    """
    value = parse(written, language, money)
    if value is None:
        raise Misread
    return value


def minus(match: re.Match[str], language: Language) -> str:
    """What is said for a group `minus`, or nothing."""
    return f"{language.words['minus']} " if match["minus"] else ""


def spoken(written: str, language: Language, count: Count = PLAIN) -> str:
    """One number or, where it is none, a list."""
    value = parse(written, language)
    return say_list(written, language) if value is None else say(value, language, count)


def digits(written: str, language: Language) -> str:
    """Digit by digit; other characters are passed over."""
    return " ".join(language.cardinal(int(c), PLAIN) for c in written if c.isdecimal())


def one_by_one(written: str, language: Language) -> str:
    """Each letter and each digit by its name."""
    return " ".join(digits(c, language) if c.isdecimal() else language.spell(c) for c in written)


def integer(written: str, language: Language, count: Count = PLAIN) -> str:
    """A run of digits; digit by digit if it has a leading zero or is too long to follow."""
    if (len(written) > 1 and written[0] == "0") or len(written) > MAX_DIGITS:
        return digits(written, language)
    return language.cardinal(int(written), count)


def say(value: Value, language: Language, count: Count = PLAIN) -> str:
    if not value.whole:  # `.5`
        said = language.words["before point"]
    elif value.grouped and len(value.whole) <= MAX_GROUPED:
        said = language.cardinal(int(value.whole), PLAIN if value.fraction else count)
    else:
        said = integer(value.whole, language, PLAIN if value.fraction else count)
    if not value.fraction:
        return said
    return f"{said} {language.marks[value.mark]} {language.decimals(value.fraction, count)}".lstrip()


def say_list(written: str, language: Language) -> str:
    """What is no single number: `1,2,3` with pauses, `3.11.2` and `192.168.1.1` with their points named."""
    if written.count(".") == 3 and "," not in written:  # an IP address
        return f" {language.words['dot']} ".join(digits(part, language) for part in written.split("."))
    said: list[str] = []
    for part in re.split(r"([.,])", written):
        if part == ",":
            said[-1] += ","
        elif part == ".":
            said.append(language.marks["."])
        elif part:  # none stands before the first mark of `.5.1`
            said.append(integer(part, language))
    return " ".join(said)


def next_word(match: re.Match[str]) -> str:
    """The word after a match, looked for over at most 40 characters."""
    found = _NEXT_WORD.match(match.string[match.end() : match.end() + 40])
    return found[1] if found else ""


def joint(scale: Noun, language: Language) -> str:
    """What stands between a scale and what it counts: `dos millones de euros`, but `dos mil euros`."""
    of = language.words["scale of"]
    return f" {of}" if of and not scale.bare else ""


def counted(value: Value, noun: Noun, language: Language) -> str:
    """`1 kilometre`, `21 kilómetros`, `doscientas libras`, `mil`."""
    if noun.bare and value.is_one:
        return noun.one
    said = say(value, language, Count(feminine=noun.feminine, before_noun=not noun.phrase))
    of = language.words["scale of"]
    joint = f" {of}" if of and said.endswith(("illón", "illones")) else ""
    return f"{said}{joint} {noun.one if value.is_one else noun.many}"


def is_year(written: str, before: str, language: Language, after: str = "") -> bool:
    """Whether four digits, between the texts `before` and `after`, are a year and not an amount."""
    if len(written) != 4 or not written.isdigit():
        return False
    number = int(written)
    if 1900 <= number <= 2099:
        return True
    if not 1010 <= number < 2200:
        return False
    if number < 1900 and _year_before(language.year_before).search(before[-20:]):
        return True
    return bool(_YEAR_AFTER.match(after) or _YEAR_BEFORE.search(before))


# beside a year in a list: `1800, 1900 and 2100`
_YEAR_AFTER = re.compile(r"(?:, \d{4}){0,4},? (?:(?:and|or|to|y|o|a) )?(?:19|20)\d\d(?![\w,.]\d|\w)")
_YEAR_BEFORE = re.compile(r"(?<![\d.,$€£])(?:19|20)\d\d(?:, \d{4}){0,4},? (?:(?:and|or|to|y|o|a) )?$")


@lru_cache
def _year_before(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{words})\s$", re.IGNORECASE)


def number_or_year(written: str, before: str, language: Language, word: str = "", after: str = "") -> str:
    """A year where it can be one, else the number, agreeing with the `word` that follows."""
    things = language.noun_of(word).feminine and word.endswith("s")  # `2021 páginas`, but `en 1990 muchas`
    dated = not things or _year_before(language.year_before).search(before[-20:])
    if dated and is_year(written, before, language, after):
        return language.year(int(written))
    value = parse(written, language)
    noun = not (value and value.fraction) or word.endswith("s")  # `2,1 horas`, but not `2,1 hacia`
    return spoken(written, language, language.noun_of(word) if noun else PLAIN)
