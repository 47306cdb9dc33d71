"""Roman numerals, only where they can be nothing else: `Chapter IV`, `Louis XIV`, `siglo XXI`, `VIII`."""

import re

from src.services.text.language import Count, Language

_ROMAN = r"(?=[IVXLCDM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
# with three letters or more of these nothing but a numeral is meant; two are said so only in context
_ALONE = re.compile(r"(?<![\w.&'/-])((?!XXX?\b)(?:X{0,3})(?:IX|IV|V?I{1,3}|V)?)(?![\w&/+#-])")


def value(numeral: str) -> int:
    """`XIV` -> 14."""
    total = 0
    for this, following in zip(numeral, [*numeral[1:], ""], strict=True):
        worth = _VALUES[this]
        total += -worth if following and worth < _VALUES[following] else worth
    return total


def expand_roman(text: str, language: Language) -> str:
    def cardinal(match: re.Match[str]) -> str:
        return match[1] + language.cardinal(value(match[2]), Count())

    def ruler(match: re.Match[str]) -> str:
        return f"{match[1]} {language.regnal(value(match[2]), match[1])}"

    def ordinal(match: re.Match[str]) -> str:
        return language.ordinal(value(match[1]), match[2].lower().endswith(("a", "as", "ión", "re", "ura")))

    def alone(match: re.Match[str]) -> str:
        return language.cardinal(value(match[1]), Count()) if len(match[1]) >= 3 else match[0]

    def joined(match: re.Match[str]) -> str:
        return match[1] + language.cardinal(value(match[2]), Count())

    text = re.sub(rf"\b({language.roman_names})\s({_ROMAN})(?![\w'.-]\w|\w)", ruler, text)
    text = re.sub(
        rf"(\b(?:{language.roman_after})\s[IVXLC]{{1,7}})[-–](?=[IVXLC]{{1,7}}\b)",
        rf"\1 {language.to} ",
        text,
    )
    text, found = re.subn(rf"\b((?:{language.roman_after})\s)({_ROMAN})(?![\w'-])", cardinal, text)
    if found:  # `siglos XV y XVI`, `Parts II and III`
        text = re.sub(
            rf"(\b(?:{language.ampersand}|{language.to}|al|-)\s)((?!I\b){_ROMAN})(?![\w'.-])", joined, text
        )
    if language.roman_before:
        text = re.sub(
            rf"(?<![\w.])([IVXL]{{1,6}})(?=\s({language.roman_before}))",
            lambda m: ordinal(m) if re.fullmatch(_ROMAN, m[1]) else m[0],
            text,
        )
    return _ALONE.sub(alone, text)
