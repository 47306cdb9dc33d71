"""Telephone, card and account numbers: digit by digit, with a short pause between groups."""

import re

from src.services.text.language import Language
from src.services.text.numbers import digits

_GAP = r"[ .-]"
_SHAPES = re.compile(
    r"(?<![\w.,/+-])(?:"
    r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}"  # +34 612 345 678
    r"|\(\d{2,4}\)(?:[ .-]?\d{2,4}){2,4}"  # (91) 123 45 67
    r"|\d{1,5}(?:-\d{1,7}){3,5}"  # ISBN
    r"|(?:\d{1,2}[ .-])?\(\d{2,4}\)[ .-]?\d{3,4}[ .-]?\d{3,4}"  # (555) 123-4567
    r"|(?:1[ .-])?\d{3}([.-])\d{3}\1\d{4}"  # 555-123-4567
    r"|\d{3}[ -]\d{4}"  # 555-1234
    r"|\d{3} \d{3} \d{3,4}"  # 612 345 678
    r"|\d{2} \d{3} \d{2} \d{2}|\d{3} \d{2} \d{2} \d{2}|\d{2} \d{4} \d{4}"  # 91 234 56 78, 55 1234 5678
    r"|(?:[A-Z]{2}\d{2} ?)?\d{4}(?:[ -]\d{4}){2,4}(?:[ -]\d{1,4})?"  # cards, accounts
    r")(?![\w/]|[.,-]\d)"
)


def expand_phones(text: str, language: Language) -> str:
    def one(match: re.Match[str]) -> str:
        groups = re.findall(r"[A-Z]+|\d+", match[0])
        said = ", ".join(language.spell(g) if g.isalpha() else digits(g, language) for g in groups)
        return f"{language.plus} {said}" if match[0].startswith("+") else said

    def announced(match: re.Match[str]) -> str:
        groups = re.findall(r"\d+", match[2])
        plus = f"{language.plus} " if "+" in match[2] else ""
        return f"{match[1]}{plus}{', '.join(digits(group, language) for group in groups)}"

    text = re.sub(
        rf"(?<!\w)((?:{language.phone_before})(?:\s\w{{1,4}})?[.:]?\s)(\+?\d(?:{_GAP}?\d){{5,14}})(?![\w/]|[.,]\d)",
        announced,
        text,
        flags=re.IGNORECASE,
    )
    return _SHAPES.sub(one, text)
