"""Telephone, card and account numbers, codes: digit by digit, with a short pause between groups."""

import re

from src.services.text.language import Language
from src.services.text.numbers import digits, integer, one_by_one
from src.services.text.reading import Rule, any_case

_GAP = r"[ .-]"
_COUNTRY = 2
"""Digits of a country's code that may be read as a number: `más treinta y cuatro`."""
_EXTENSION = r"(?:\s?(?:ext|x)\.?\s?(?P<ext>\d{1,6}))?"
_SHAPES = (
    r"(?<![\w.,/+-])(?P<number>"
    r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}"  # +34 612 345 678
    r"|\(\d{2,4}\)(?:[ .-]?\d{2,4}){2,4}"  # (91) 123 45 67
    r"|\d{1,5}(?:-\d{1,7}){3,5}"  # ISBN
    r"|(?:\d{1,2}[ .-])?\(\d{2,4}\)[ .-]?\d{3,4}[ .-]?\d{3,4}"  # (555) 123-4567
    r"|(?:1[ .-])?\d{3}([.-])\d{3}\2\d{4}"  # 555-123-4567
    r"|\d{3}-\d{2}-\d{4}"  # a Social Security number
    r"|\d{3}-\d{3}-\d{3}|\d{2,3}-\d{4}-\d{4}|\d{2}-\d{3}-\d{4}"
    r"|0\d{2,4}(?:[ -]\d{3,6}){1,3}"  # 0800 123 456
    r"|\d{3}[ -]\d{4}"  # 555-1234
    r"|\d{3} \d{3} \d{3,4}"  # 612 345 678
    r"|\d{2} \d{3} \d{2} \d{2}|\d{3} \d{2} \d{2} \d{2}|\d{2} \d{4} \d{4}"  # 91 234 56 78, 55 1234 5678
    r"|(?:[A-Z]{2}\d{2} ?)?\d{4}(?:[ -]\d{4}){2,4}(?:[ -]\d{1,4})?"  # cards, accounts
    r")" + _EXTENSION + r"(?![\w/]|[.,-]\d)"
)
_EIGHT = r"(?<![\w.,/+-])(?P<number>\d{4}-\d{4})" + _EXTENSION + r"(?![\w/]|[.,-]\d)"


def rules(language: Language) -> list[Rule]:
    plus = language.words["plus"]

    def said(written: str) -> str:
        groups = re.findall(r"[A-Z]+|\d+", written)
        if len(groups) == 1:
            groups = _grouped(groups[0], language)
        words = [language.spell(g) if g.isalpha() else digits(g, language) for g in groups]
        if written.startswith("+"):
            country = groups[0] if language.codes_as_numbers and len(groups[0]) == _COUNTRY else ""
            words[0] = f"{plus} {integer(country, language) if country else words[0]}"
        return ", ".join(words)

    def number(match: re.Match[str]) -> str:
        extension = match.groupdict().get("ext")
        tail = f", {language.words['extension']} {digits(extension, language)}" if extension else ""
        return said(match["number"]) + tail

    def eight(match: re.Match[str]) -> str | None:
        low, high = (int(part) for part in match["number"].split("-"))
        if 1000 <= low < high <= 2100:
            return None
        return number(match)

    def code(match: re.Match[str]) -> str:
        return said(match["number"]) if len(match["number"]) > 4 else digits(match["number"], language)

    def emergency(match: re.Match[str]) -> str:
        return re.sub(r"\d+", lambda one: digits(one[0], language), match["own"])

    either = f"{language.words['or']}|{language.words['and']}"
    joint = r"(?:[.:]?\s(?:is\s|es\s|al\s|el\s|no\.?\s|number\s|#)?|[.:#]\s?)"
    announced = rf"(?<!\w)(?:{language.phone_before})(?:\s[^\W\d_]{{1,4}})?\.?:?\s(?P<own>(?P<number>\+?\(?\d(?:{_GAP}?\(?\d\)?){{5,14}}){_EXTENSION})(?![\w/]|[.,]\d)"
    return [
        any_case("telephone", announced, number, "announced number"),
        any_case("telephone", _SHAPES, number, "shape of a number"),
        *([any_case("telephone", _EIGHT, eight, "eight digits")] if language.day_first else []),
        any_case("telephone", rf"(?<!\w)(?:{language.call_before})\s(?:al\s|a\s|el\s)?(?P<own>\d{{3}}(?:\s(?:{either})\s(?:al\s|el\s)?\d{{3}})?)(?!\w|[.,]\d|\s[a-z]*(?:s|people|times)\b)", emergency, "emergency number"),
        any_case("code", rf"(?<!\w)(?:{language.code_before}){joint}(?P<own>(?P<number>\d{{3,}}))(?!\w|[.,]\d)", code, "announced code"),
        any_case("code", rf"(?<!\w)(?:{language.code_before}){joint}(?P<own>(?P<number>(?=\w*[a-z])(?=\w*\d)\w{{4,12}}))(?!\w)", lambda m: one_by_one(m["number"], language), "announced code"),
    ]  # fmt: skip


def _grouped(number: str, language: Language) -> list[str]:
    """A number without gaps, cut as the region does it."""
    groups: list[str] = []
    for size in language.phone_groups.get(len(number), (len(number),)):
        groups.append(number[:size])
        number = number[size:]
    return groups
