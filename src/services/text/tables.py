"""The languages that can be spoken, and what their regions write in another way."""

from dataclasses import replace
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_symbol, get_territory_currencies

from src.services.text.english import ENGLISH, british_cardinal
from src.services.text.language import Language
from src.services.text.spanish import SPANISH, american_days

LANGUAGES = {language.code: language for language in (ENGLISH, SPANISH)}
"""As they are without a region: `en` is `en-US`."""

PESO = "MXN"
"""Stands for a peso whose country is not said."""


@lru_cache(maxsize=256)
def find(tag: str, dollar: str | None = None) -> Language | None:
    """The language of a tag (`en`, `es-MX`, `es_419`), with its region's habits as CLDR has them.

    `dollar` is the ISO code of `$` where the tag has no region. None for a language that cannot be spoken.
    """
    code, _, region = tag.replace("_", "-").partition("-")
    language = LANGUAGES.get(code.lower())
    if language is None or not region or (language is ENGLISH and region.upper() == "US"):
        return replace(language, dollar=dollar) if language is SPANISH and dollar else language
    try:
        locale = Locale.parse(f"{code.lower()}_{region.replace('-', '_')}")
    except (UnknownLocaleError, ValueError):
        return language
    short = locale.date_formats["short"].pattern
    territory = locale.territory or ""
    currencies = get_territory_currencies(territory) if territory.isalpha() else []
    return _regional(
        language,
        day_first=short.index("d") < short.index("M") or short.startswith("y"),
        decimal_mark=str(locale.number_symbols["latn"]["decimal"]),
        dollar=_dollar(currencies, locale) if language is SPANISH else "USD",
        letters=_letters(currencies, locale) if language is SPANISH else ("", ""),
        first=territory != "ES",
    )


@lru_cache(maxsize=64)
def _regional(
    language: Language,
    *,
    day_first: bool,
    decimal_mark: str,
    dollar: str,
    letters: tuple[str, str],
    first: bool,
) -> Language:
    """One object for all regions that write alike: the rules of each are compiled once.

    `letters`: a sign of letters and its ISO code, as `Bs` or `L`. `first`: whether Spanish says `primero de mayo`.
    """
    language = replace(
        language, day_first=day_first, decimal_mark=decimal_mark, strict_marks=True, dollar=dollar
    )
    sign, code = letters
    if sign:
        signs = {**language.currency_signs, sign: code, f"{sign}.": code}
        language = replace(language, currency_signs=signs)
    if language.code == "en":
        return replace(language, letters={**language.letters, "z": "zed"}, cardinal=british_cardinal)
    return replace(language, say_days=american_days) if first else language


def _dollar(currencies: list[str], locale: Locale) -> str:
    """`$` is a peso where there is one, else the dollar."""
    return PESO if any("peso" in str(locale.currencies.get(c, "")).lower() for c in currencies) else "USD"


def _letters(currencies: list[str], locale: Locale) -> tuple[str, str]:
    """The sign of the region's currency and its code, where it is written in letters: `Bs`, `L`."""
    for code in currencies[:1]:
        sign = str(get_currency_symbol(code, locale)).partition(".")[0]
        if sign.isalpha() and sign != code:
            return sign, code
    return "", ""
