"""English as in America: `zee`, month before day, no `and` inside numbers."""

from functools import lru_cache

from num2words import num2words

from src.services.text.language import PLAIN, Count, Language, Noun, written_data

_DATA = written_data("en")
_MONTHS = _DATA["months"]


@lru_cache(maxsize=4096)
def _cardinal(number: int, _count: Count = PLAIN) -> str:
    return str(num2words(number, lang="en")).replace(",", "").replace(" and ", " ")


def british_cardinal(number: int, _count: Count) -> str:
    """A cardinal with `and`: `one hundred and five`."""
    return str(num2words(number, lang="en")).replace(",", "")


def _ordinal(number: int) -> str:
    if number == 0:
        return "zeroth"
    return str(num2words(number, lang="en", to="ordinal")).replace(",", "").replace(" and ", " ")


def _year(number: int) -> str:
    century, rest = divmod(number, 100)
    if not 1000 <= number < 10_000 or number % 1000 < 10:
        return _cardinal(number)
    if rest == 0:
        return f"{_cardinal(century)} hundred"
    return f"{_cardinal(century)} {'oh ' if rest < 10 else ''}{_cardinal(rest)}"


def _short_year(number: int) -> str:
    if number == 0:
        return _year(2000)
    return f"{'oh ' if number < 10 else ''}{_cardinal(number)}"


def _decade(number: int) -> str:
    plural = {0: "hundreds", 10: "tens", 20: "twenties", 30: "thirties", 40: "forties", 50: "fifties",
              60: "sixties", 70: "seventies", 80: "eighties", 90: "nineties"}[number % 100]  # fmt: skip
    if number < 100:
        return plural
    if number % 1000 == 0:
        return f"{_cardinal(number)}s"
    return f"{_cardinal(number // 100)} {plural}"


def _fraction(top: int, bottom: int) -> str:
    names = {2: ("half", "halves"), 4: ("quarter", "quarters")}
    if top >= 100 or (bottom > 100 and bottom != 1000):
        return ""
    if bottom in names:
        name = names[bottom][top != 1]
    elif bottom <= 10 or bottom in (16, 20, 32, 64, 100, 1000):
        name = _ordinal(bottom) + ("s" if top != 1 else "")
    else:
        return f"{_cardinal(top)} over {_cardinal(bottom)}"
    return f"{_cardinal(top)} {name}"


def _mixed(whole: str, top: int, bottom: int, noun: str) -> str:
    part = _fraction(top, bottom) or f"{_cardinal(top)} over {_cardinal(bottom)}"
    if top == 1 and bottom > 1:  # `two and a half`
        part = f"a{'n' if bottom == 8 else ''} {part.removeprefix('one ')}"
    return f"{whole} and {part} {noun}".rstrip()


def _fraction_of(top: int, bottom: int, noun: Noun) -> str:
    said = _fraction(top, bottom)
    if " over " in said:  # `24/12 V`
        return f"{said} {noun.many}"
    article = "an" if noun.one.startswith((*"aeio", "hour")) else "a"
    return f"{said} {noun.one}" if (top, bottom) == (1, 2) else f"{said} of {article} {noun.one}"


def _days(first: int, last: int, month: int, year: str, day_first: bool) -> str:
    article = "the " if day_first else ""
    days = f" to {article}".join(_ordinal(day) for day in dict.fromkeys((first, last)))
    if day_first:
        return f"the {days} of {_MONTHS[month - 1]} {year}".rstrip()
    return f"{_MONTHS[month - 1]} {days}" + (f", {year}" if year else "")


def _time(hour: int, minute: int, second: int, half: str) -> str:
    said = _cardinal(hour)
    if minute:
        said += f" {'oh ' if minute < 10 else ''}{_cardinal(minute)}"
    elif not half:
        said += " hundred" if hour > 12 else " o'clock" if hour else " hundred"
    if second:
        said += f" and {_cardinal(second)} second{'s' if second != 1 else ''}"
    return said + {"am": " eigh em", "pm": " pee em"}.get(half, "")


def _regnal(number: int, _name: str) -> str:
    return f"the {_ordinal(number)}"


def _say_ordinal(number: int, _mark: str, _word: str) -> str:
    return _ordinal(number)


def _prefix(prefix: str, unit: str) -> str:
    return prefix + unit


def _powers(noun: Noun, power: int) -> Noun:
    name = {2: "square", 3: "cubic"}[power]
    return Noun(f"{name} {noun.one}", f"{name} {noun.many}")


def _digits(rest: str, _count: Count) -> str:
    return " ".join(_cardinal(int(c)) for c in rest)


# one syllable after another: at most one consonant, or an easy pair, before the vowel and after it
_ONSET = r"(?:[bcdfghjklmnpqrstvwxyz]|[bcfgp][lr]|[dt]r|s[chklmnpqtw]|ch|sh|th|wh|ph|qu|kn|str|spr|ll|rr)"
_CODA = r"(?:[bcdfgklmnprstxz]|n[dstck]|r[dkmnst]|l[dkmpst]|[ckpf]t|s[kt]|ng|ck|ll|ss|mp|ph|th|sh|ch|(?:r[dkmt]|n[dkt]|s[kt]|[cf]t|lt|mp)s)"


ENGLISH = Language(
    **_DATA,
    cardinal=_cardinal,
    say_ordinal=_say_ordinal,
    year=_year,
    short_year=_short_year,
    decades=_decade,
    noun_of=lambda _word: Count(),
    decimals=_digits,
    fraction=_fraction,
    mixed=_mixed,
    fraction_of=_fraction_of,
    say_days=_days,
    say_time=_time,
    prefix=_prefix,
    powers=_powers,
    syllables=rf"{_ONSET}?(?:[aeiouy]{{1,2}}{_CODA}?{_ONSET})*?[aeiouy]{{1,2}}{_CODA}?",
    regnal=_regnal,
)
