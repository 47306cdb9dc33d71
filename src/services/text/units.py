"""Measures: a number and a unit, `5 km`, `21 °C`, `100 km/h`, `16GB`, `50%`."""

import re

from src.services.text.language import Language, alternatives
from src.services.text.numbers import NUMBER, counted, next_word, number_or_year, parse

# written with an exponent or another letter for the same unit
_SPELLINGS = str.maketrans({"μ": "µ"})
_SQUARED = re.compile(r"(?<=\d)(\s?(?:[kcm]?m|ft))(?:\^([23])|([23])(?=[\s.,;:)!?]|$))")


def expand_units(text: str, language: Language) -> str:
    text = _SQUARED.sub(lambda m: m[1] + ("²" if "2" in (m[2], m[3]) else "³"), text.translate(_SPELLINGS))
    units = alternatives(tuple(language.units))

    def one(match: re.Match[str]) -> str:
        value = parse(match[4], language)
        # `2000 m` is a length, `3 A` may be a room, and `1990 s` is nobody's second
        if value is None:
            return match[0]
        noun = language.units[match[5]]
        said = counted(value, noun, language)
        if match[2]:  # a range: 3-5 km
            low = number_or_year(match[2], "", language)
            said = f"{low} {language.to} {said}"
        if match[1]:
            said = f"{language.minus} {said}"
        if match[6]:
            said += f" {language.per} {language.units[match[6][1:]].one}"
        word = next_word(match)
        return said + (" " if word and not match.string[match.end()].isspace() else "")

    return re.sub(
        rf"(?<![\w.,])([-−])?(?:({NUMBER})\s?(%|°)?\s?[–-]\s?)?({NUMBER})\s?({units})(/(?:{units}))?(?![\w/²³])",
        one,
        text,
    )
