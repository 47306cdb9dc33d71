"""Amounts of money: `$3.50`, `1.500,50 €`, `MXN 200`, `£2 million`, `$1.5M`, `$80-$120`, `$950/mo`."""

import re

from src.services.text import currencies, units
from src.services.text.language import Count, Language, Noun, alternatives
from src.services.text.measures import adjective, per
from src.services.text.numbers import NUMBER, Value, counted, joint, minus, number, say
from src.services.text.reading import Rule, stop

_CENTS = 2
_YEAR = re.compile(r"(?:19|20)\d\d")
_CAPITALISED = re.compile(r"[A-ZÁÉÍÓÚÑ][\w-]+\s$")
_AUTHOR = re.compile(r"(?:[A-ZÁÉÍÓÚÑ][\w-]+,|\b[A-Z]\.)\s$")
"""What an initial may follow, before any number: `García,`, `R.`."""
_DASH = r"\s?[-–]\s?"


def rules(language: Language) -> list[Rule]:
    every = currencies.signs(language)
    # where it is no region's sign, `L.` behind a number is a liter
    behind = frozenset(every) - ({"L."} if "L" not in every else set())
    signs = alternatives(currencies.before(language))
    codes = rf"(?:{alternatives(currencies.touching(language) & behind)}|(?<=\s)(?:{alternatives(behind)}))"
    scales = alternatives({**language.scales, **language.money_scales})
    nouns = {**language.scales, **language.money_scales}

    def amount(written: str, scale: str | None, sign: str, *, one: bool = False) -> str:
        if language.decimal_mark == "." and re.fullmatch(r"\d{1,3},\d\d", written):  # `R$ 5,50` in English
            value = Value(written[:-3], ".", written[-2:])
        else:
            value = number(written, language, money=True)
        return (
            _scaled(value, nouns[scale], sign, language, one) if scale else _plain(value, sign, language, one)
        )

    def signed(match: re.Match[str]) -> str | None:
        if match["sign"] == "L." and _no_lempiras(match):
            return None
        groups = match.groupdict()
        sign = groups.get("after") or match["sign"]  # `$1,500 MXN`: the code behind says which dollar or peso
        said = amount(match["number"], match["scale"], sign, one=adjective(match, language))
        less = f"{language.words['minus']} " if match["minus"] or groups.get("inner") else ""
        return f"{less}{said}{per(match, language)}" + (stop(match) if sign.endswith(".") else "")

    def named(match: re.Match[str]) -> str:
        value = number(match["number"], language, money=True)
        said = (
            counted(value, nouns[match["scale"]], language)
            if match["scale"]
            else say(value, language, language.noun_of(match["word"].lower()))
        )
        of = joint(nouns[match["scale"]], language) if match["scale"] else ""
        return f"{minus(match, language)}{said}{of} {match['word']}"

    def span(match: re.Match[str]) -> str | None:
        low, high = (number(match[end], language, money=True) for end in ("low", "high"))
        sign, scale = match["sign"], match["scale"]
        if (low.fraction or high.fraction) and not scale:
            return None
        said = say(low, language, Count(feminine=currencies.noun(sign, language).feminine))
        return f"{said} {language.words['to']} {amount(match['high'], scale, sign)}{per(match, language)}"

    left = r"(?<![\w.,])(?P<minus>-)?"
    scale = rf"(?:\s?(?P<scale>{scales})\.?(?![\w/]))?"
    rate = units.rate(language)
    back = rf"(?P<sign>{codes})(?!\w)"
    patterns = [
        (rf"{left}(?P<sign>{signs})\s?(?P<number>{NUMBER}){scale}\s(?P<word>{language.currency_words})(?!\w)", named, "sign, amount and name"),
        (rf"(?<![\w.,])(?P<sign>{signs})\s?(?P<low>{NUMBER}){_DASH}(?:(?P=sign)\s?)?(?P<high>{NUMBER}){scale}{rate}(?!\w|[.,]\d)", span, "range behind a sign"),
        (rf"(?<![\w.,])(?P<low>{NUMBER})(?:\s?{back.replace('<sign>', '<sign1>')})?{_DASH}(?P<high>{NUMBER}){scale}\s?(?P<sign>{codes})(?!\w){rate}", span, "range before a sign"),
        (rf"{left}(?P<sign>{signs})\s?(?P<inner>-)?(?P<number>{NUMBER}){scale}(?:\s?(?P<after>{codes})(?![\w.]))?{rate}(?!\d)", signed, "amount behind a sign"),
        (rf"{left}(?P<number>{NUMBER}){scale}\s?(?:de\s)?{back}{rate}", signed, "amount before a sign"),
    ]  # fmt: skip
    # any three capitals stand for all the codes: an alternation of hundreds is slow to look for
    short = alternatives(sign for sign in every if sign.isalpha() and not re.fullmatch("[A-Z]{3}", sign))
    plain = alternatives(sign for sign in every if not sign.isalpha())
    near = rf"{plain}|(?<![^\W\d_])(?:[A-Z]{{3}}|{short})(?![^\W\d_])"
    return [Rule("money", re.compile(pattern), say_it, name, near) for pattern, say_it, name in patterns]


def _no_lempiras(match: re.Match[str]) -> bool:
    """Whether `L.` belongs to a name or a law: `García, L. 2019`, `L. 30/1992`."""
    before, after = match.string[max(0, match.start() - 30) : match.start()], match.string[match.end() :][:2]
    year = _YEAR.fullmatch(match["number"]) and _CAPITALISED.search(before)
    return bool(year or _AUTHOR.search(before) or re.match(r"/\d", after))


def _plain(value: Value, sign: str, language: Language, one: bool) -> str:
    unit, cent = currencies.noun(sign, language), currencies.cent(sign, language)
    rest = value.fraction.rstrip("0")
    if len(rest) > _CENTS or (rest and cent is None):
        return f"{say(Value(value.whole, value.mark, rest), language)} {unit.many}"
    whole = Value(value.whole or "0", "", "")
    cents = int(rest.ljust(_CENTS, "0")) if rest else 0
    if not cents or cent is None:
        said = counted(whole, unit, language)
        return said.removesuffix(unit.many) + unit.one if one and not whole.is_one else said
    small = counted(Value(str(cents), "", ""), cent, language)
    if not int(whole.whole):
        return small
    return f"{counted(whole, unit, language)} {language.cents_joint} {small}"


def _scaled(value: Value, scale: Noun, sign: str, language: Language, one: bool) -> str:
    unit = currencies.noun(sign, language)
    name = unit.one if one else unit.many
    return f"{counted(value, scale, language)}{joint(scale, language)} {name}"
