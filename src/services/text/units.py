"""Measures: a number and a unit, `5 km`, `21 °C`, `100 km/h`, `16GB`, `50%`."""

import re

from src.services.text.language import Language, alternatives
from src.services.text.numbers import NUMBER, counted, next_word, number_or_year, parse

# means nothing else when no number is before it
_PLAIN_UNIT = re.compile(r"k[mg]|[cm]m|m[gl]|[GMT]B|kWh|[kMG]Hz|\w+/\w+|\w+[²³]|°[CF]")
# written with an exponent or another letter for the same unit
_SPELLINGS = str.maketrans({"μ": "µ"})
_SQUARED = re.compile(r"(?<=\d)(\s?(?:[kcm]?m|ft))(?:\^([23])|([23])(?=[\s.,;:)!?]|$))")


def expand_units(text: str, language: Language) -> str:
    text = _SQUARED.sub(lambda m: m[1] + ("²" if "2" in (m[2], m[3]) else "³"), text.translate(_SPELLINGS))
    text = re.sub(r"(?<=[2-9]\d)º(?=\s?(?:[.,;:)!?]|$))", "°", text)  # `35º` at an end is no ordinal
    units = alternatives(tuple(language.units))

    def part(match: re.Match[str]) -> str:
        top, bottom = int(match[1]), int(match[2])
        if not 0 < top < bottom:
            return match[0]
        joint = "" if bottom == 2 else f"{language.part_of} "
        return f"{language.fraction(top, bottom)} {joint}{language.units[match[3]].one}"

    def one(match: re.Match[str]) -> str:
        value = parse(match[4], language)
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

    text = re.sub(rf"(?<![\w.,/] )(?<![\w.,/])(\d{{1,3}})/(\d{{1,3}})\s?({units})(?![\w/])", part, text)
    text = re.sub(
        rf"(?<![\w.,/])([-−])?(?:({NUMBER})\s?(%|°)?\s?[–-]\s?)?({NUMBER})\s?({units})(/(?:{units}))?(?![\w/²³])",
        one,
        text,
    )
    alone = alternatives(tuple(name for name in language.units if _PLAIN_UNIT.fullmatch(name)))
    return re.sub(rf"(?<![\w/])({alone})(?![\w/²³])", lambda m: language.units[m[1]].many, text)
