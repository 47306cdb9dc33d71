"""Amounts of money: `$3.50`, `1.500,50 €`, `MXN 200`, `£2 million`, `$1.5M`."""

import re

from src.services.text.language import Currency, Language, alternatives
from src.services.text.numbers import NUMBER, Value, counted, parse, say


def expand_money(text: str, language: Language) -> str:
    codes = alternatives(tuple(language.currencies))
    scales = alternatives(tuple(language.scales))

    def amount(written: str, scale: str | None, currency: Currency, minus: str | None) -> str | None:
        value = parse(written, language, money=True)
        if value is None:
            return None
        said = _scaled(value, scale, currency, language) if scale else _plain(value, currency, language)
        return f"{language.minus} {said}" if minus else said

    def before(match: re.Match[str]) -> str:
        # `$1,500 MXN`: the code behind says which dollar or peso
        currency = language.currencies[match[5] or match[2]]
        said = amount(match[3], match[4], currency, match[1])
        return match[0] if said is None else said + _per(match[6], language)

    def after(match: re.Match[str]) -> str:
        said = amount(match[2], match[3], language.currencies[match[4]], match[1])
        return match[0] if said is None else said + _per(match[5], language)

    units = alternatives(tuple(language.units))
    sign = r"(?<![\w.,])([-−])?"
    per = rf"(/(?:{units})(?!\w)|/(?=[^\W\d_]{{3}}))?"
    text = re.sub(
        rf"{sign}({codes})\s?({NUMBER})(?:\s?({scales})(?!\w))?(?:\s?({codes})(?!\w))?{per}(?![\d])",
        before,
        text,
    )
    return re.sub(rf"{sign}({NUMBER})(?:\s?({scales}))?\s?(?:de\s)?({codes})(?!\w){per}", after, text)


def _plain(value: Value, currency: Currency, language: Language) -> str:
    if len(value.fraction) > 2 or (value.fraction and currency.cent is None):
        return f"{say(value, language)} {currency.unit.many}"
    whole = Value(value.whole, "", "")
    cents = int(value.fraction.ljust(2, "0")) if value.fraction else 0
    if not cents or currency.cent is None:
        return counted(whole, currency.unit, language)
    small = counted(Value(str(cents), "", ""), currency.cent, language)
    if not int(value.whole):
        return small
    return f"{counted(whole, currency.unit, language)} {language.cents_joint} {small}"


def _scaled(value: Value, scale: str, currency: Currency, language: Language) -> str:
    noun = language.scales[scale]
    joint = f" {language.scale_of}" if language.scale_of and not noun.bare else ""
    return f"{counted(value, noun, language)}{joint} {currency.unit.many}"


def _per(unit: str | None, language: Language) -> str:
    """`€3/kg` by the unit's name; any other word (`/month`) follows by itself."""
    if not unit:
        return ""
    return f" {language.per} {language.units[unit[1:]].one if unit[1:] else ''}"
