"""Numbers: integers, decimals, thousands, ordinals, fractions, ranges, decades, long codes."""

import re
from dataclasses import dataclass
from functools import lru_cache

from src.services.text.language import Count, Language, Noun, alternatives

MAX_DIGITS = 15
"""Longer numbers are read digit by digit: nobody can follow `four hundred quadrillion`."""

NUMBER = r"\d+(?:[.,]\d+)*"
_NEXT_WORD = re.compile(r"[ -]([^\W\d_]+)")
_GROUPED = {",": re.compile(r"\d{1,3}(?:,\d{3})+"), ".": re.compile(r"\d{1,3}(?:\.\d{3})+")}


@dataclass(frozen=True, slots=True)
class Value:
    """A written number, taken apart."""

    whole: str
    mark: str
    fraction: str

    @property
    def is_one(self) -> bool:
        return self.whole.lstrip("0") == "1" and not self.fraction


def parse(written: str, language: Language, money: bool = False) -> Value | None:  # noqa: PLR0911 - cases
    """`1.234,5` -> (1234, `,`, 5) by the language's habit; None if it is not one number (`1,2,3`).

    With `money`, one group of three digits after either mark is thousands: nobody writes tenths of a cent.
    """
    if written.isdigit():
        return Value(written, "", "")
    last = max(written.rfind("."), written.rfind(","))
    mark = written[last]
    other = "," if mark == "." else "."
    if other in written:
        head = written[:last]
        if mark in head or not _GROUPED[other].fullmatch(head):
            return None
        return Value(head.replace(other, ""), mark, written[last + 1 :])
    grouped = _GROUPED[mark].fullmatch(written) and not written.startswith("0")
    if written.count(mark) > 1:
        return Value(written.replace(mark, ""), "", "") if grouped else None
    if grouped and (money or mark != language.decimal_mark):
        return Value(written.replace(mark, ""), "", "")
    if mark != language.decimal_mark and mark == ",":
        return None  # `1,5` in English is a list
    return Value(written[:last], mark, written[last + 1 :])


def digits(written: str, language: Language) -> str:
    """Digit by digit; other characters are passed over."""
    return " ".join(language.cardinal(int(c), Count()) for c in written if c.isdecimal())


def integer(written: str, language: Language, count: Count = Count()) -> str:  # noqa: B008 - frozen
    """A run of digits; digit by digit if it has a leading zero or is too long to follow."""
    if (len(written) > 1 and written[0] == "0") or len(written) > MAX_DIGITS:
        return digits(written, language)
    return language.cardinal(int(written), count)


def say(value: Value, language: Language, count: Count = Count()) -> str:  # noqa: B008 - frozen
    said = integer(value.whole, language, count if not value.fraction else Count())
    if not value.fraction:
        return said
    rest = value.fraction
    if language.decimals_as_number and len(rest) <= 2 and rest.strip("0"):
        zeros = len(rest) - len(rest.lstrip("0"))
        parts = [language.cardinal(0, Count())] * zeros + [language.cardinal(int(rest), Count())]
        tail = " ".join(parts)
    else:
        tail = digits(rest, language)
    return f"{said} {language.marks[value.mark]} {tail}"


def say_list(written: str, language: Language) -> str:
    """What is no single number: `1,2,3` with pauses, `3.11.2` and `192.168.1.1` with their points named."""
    if written.count(".") == 3 and "," not in written:  # an IP address
        return f" {language.dot} ".join(digits(part, language) for part in written.split("."))
    said: list[str] = []
    for part in re.split(r"([.,])", written):
        if part == ",":
            said[-1] += ","
        elif part == ".":
            said.append(
                language.dot
                if written.count(".") > 1 and "," not in written and language.decimal_mark == ","
                else language.marks["."]
            )
        else:
            said.append(integer(part, language))
    return " ".join(said)


def next_word(match: re.Match[str]) -> str:
    """The word after a match, looked for over at most 40 characters."""
    found = _NEXT_WORD.match(match.string[match.end() : match.end() + 40])
    return found[1] if found else ""


def counted(value: Value, noun: Noun, language: Language) -> str:
    """`1 kilometre`, `21 kilómetros`, `doscientas libras`, `mil`."""
    if noun.bare and value.is_one:
        return noun.one
    said = say(value, language, Count(feminine=noun.feminine, before_noun=True))
    joint = f" {language.scale_of}" if language.scale_of and said.endswith(("illón", "illones")) else ""
    return f"{said}{joint} {noun.one if value.is_one else noun.many}"


def is_year(written: str, before: str, language: Language) -> bool:
    """Whether four digits, after the text `before`, are a year and not an amount."""
    if len(written) != 4 or not written.isdigit():
        return False
    if 1900 <= int(written) <= 2099:
        return True
    return 1010 <= int(written) < 1900 and bool(_year_before(language.year_before).search(before[-20:]))


@lru_cache
def _year_before(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{words})\s$", re.IGNORECASE)


def number_or_year(written: str, before: str, language: Language, word: str = "") -> str:
    if is_year(written, before, language):
        return language.year(int(written))
    value = parse(written, language)
    return say_list(written, language) if value is None else say(value, language, language.noun_of(word))


def expand_ordinals(text: str, language: Language) -> str:
    def one(match: re.Match[str]) -> str:
        number = int(match[1].replace(",", ""))
        feminine = (
            match[2].lstrip(".").endswith(language.feminine_ordinals) if language.feminine_ordinals else False
        )
        said = language.ordinal(number, feminine)
        if match[2].lstrip(".") == "er":
            said = said.removesuffix("o")  # primer, tercer
        return said

    return re.sub(rf"(?<![\w.,/])(\d{{1,3}}(?:,\d{{3}})?){language.ordinal_after}", one, text)


def expand_decades(text: str, language: Language) -> str:
    decades = language.decades
    if decades is None:
        return text
    return re.sub(r"(?<![\w.,])'?((?:1\d|20)?[0-9]0)'?s\b", lambda m: decades(int(m[1])), text)


def expand_fractions(text: str, language: Language) -> str:
    def one(match: re.Match[str]) -> str:
        whole, top, bottom = match[1], int(match[2]), int(match[3])
        if not 0 < top < 100 or not 1 < bottom <= 100:
            ends = (integer(match[2], language), integer(match[3], language))
            return f"{whole or ''}{f' {language.slash} '.join(ends)}"
        said = language.fraction(top, bottom)
        if whole is None:
            return said
        if top == 1:  # `two and a half`, `dos y medio`
            alone, joined = language.one_part
            said = joined + said.removeprefix(alone)
        return f"{integer(whole.strip(), language)} {language.and_fraction} {said}"

    def mark(match: re.Match[str]) -> str:
        top, bottom = match[1], match[2]
        if top != bottom and top.isdigit():
            return match[0]
        return f"{number_or_year(top, '', language)} {language.out_of} {integer(bottom, language)}"

    text = re.sub(r"(?<![\w/.,])(\d{1,3}(?:[.,]\d)?)/(\d{1,3})(?![\w/]|[.,]\d)", mark, text)
    return re.sub(r"(?<![\w/.,])(\d{1,4}\s)?(\d{1,3})/(\d{1,3})(?!\w|\s?[/=]|[.,]\d)", one, text)


def expand_scales(text: str, language: Language) -> str:
    """`1.5M`, `20k`: a multiplier written as a letter right behind a number."""

    def one(match: re.Match[str]) -> str:
        value = parse(match[1], language)
        if value is None:
            return match[0]
        scale = language.scales[match[2]]
        return counted(value, scale, language)

    short = alternatives(tuple(name for name in language.scales if len(name) <= 3))
    return re.sub(rf"(?<![\w.,])({NUMBER})({short})(?!\w)", one, text)


def expand_ranges(text: str, language: Language) -> str:
    """`3-5`, `1939–1945`: not where it could be a subtraction (spaces around the sign, or a result)."""
    text = re.sub(r"(?<=\d)[-–](?=\d{1,15}\s?=)", f" {language.minus} ", text)

    def one(match: re.Match[str]) -> str:
        before = match.string[: match.start()]
        low = number_or_year(match[1], before, language)
        high = number_or_year(match[2], before, language, next_word(match))
        return f"{low} {language.to} {high}"

    return re.sub(rf"(?<![\w.,\-–])({NUMBER})\s?[–-]({NUMBER})(?![\w–-])", one, text)


def expand_numbers(text: str, language: Language) -> str:
    """Every digit that is still there."""

    def one(match: re.Match[str]) -> str:
        before = match.string[max(0, match.start() - 20) : match.start()]
        said = number_or_year(match[2], before, language, next_word(match))
        if match[1]:
            said = f"{language.minus} {said}"
        # a digit that touches a letter (`MP3`, `4K`) is a word of its own
        left = " " if before and before[-1].isalpha() else ""
        after = match.string[match.end() : match.end() + 1]
        return f"{left}{said}{' ' if after.isalpha() else ''}"

    return re.sub(rf"((?:(?<=^)|(?<=[\s(=]))[-−](?=\d))?({NUMBER})", one, text)


def expand_codes(text: str, language: Language) -> str:
    """A letter beside a digit is said by its name: `A4`, `5G`, `F-16`; `COVID-19` loses its hyphen."""
    text = re.sub(
        r"(?<![\w.,])([A-Z]?)-?(\d{5,})-?([A-Z]?)(?![\w.,-]\w|\w)",
        lambda m: (
            f"{language.spell(m[1])} {digits(m[2], language)} {language.spell(m[3])}"
            if m[1] or m[3]
            else m[0]
        ),
        text,
    )
    text = re.sub(r"(?<!\w)([^\W\d_])-?(?=\d)", lambda m: f"{language.spell(m[1])} ", text)
    text = re.sub(r"(?<=[^\W\d_])-(?=\d)", " ", text)
    return re.sub(r"(?<=\d)-?([^\W\d_])(?![^\W_])", lambda m: f" {language.spell(m[1])}", text)
