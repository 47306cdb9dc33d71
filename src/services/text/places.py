"""Addresses of houses: numbers of streets, `St`, `Ave`, directions, states and postcodes."""

import re

from src.services.text.language import Language, alternatives, words
from src.services.text.numbers import digits, integer
from src.services.text.reading import Rule, rule

_STATES_THAT_ARE_WORDS = words("OK OH HI ME IN OR LA PA MA ID AL DE CO MS MD MT CT PR")
_STREETS = r"[a-z] [A-Z][a-z]{1,4}(?:\.|\b)"


def rules(language: Language) -> list[Rule]:
    """None in a language that writes its streets in another way."""
    if not language.streets:
        return []
    # `St` before a name is a saint
    suffix = alternatives(language.streets)
    folded = {name.lower(): said for name, said in language.streets.items()}
    points = {f"{point}.": said.capitalize() for point, said in language.points.items()} | {
        point: said.capitalize() for point, said in language.points.items()
    }
    compass = alternatives(points)
    name = r"(?:[A-Z][\w'-]*|\d{1,3}(?:st|nd|rd|th))"

    def number(match: re.Match[str]) -> str:
        return f"{house(match['number'], language)} {language.spell(match['letter'] or '')}".rstrip()

    def street(match: re.Match[str]) -> str:
        return folded[match["own"].rstrip(".").lower()] + _stop(match, language)

    def state(match: re.Match[str]) -> str | None:
        if match["state"] in _STATES_THAT_ARE_WORDS and not match["zip"]:
            return None
        code = match["zip"] or ""
        postcode = ", ".join(digits(part, language) for part in code.split("-") if part)
        return f"{language.states[match['state']]}{match['comma'] or ''} {postcode}".rstrip()

    def british(match: re.Match[str]) -> str:
        halves = match["own"].split(" ")
        return ", ".join(
            " ".join(digits(c, language) if c.isdecimal() else language.spell(c) for c in half)
            for half in halves
        )

    followed = rf"(?=(?:\s(?:{compass})(?=\s))?(?:\s{name}){{1,3}},?\s(?i:{suffix}|street|avenue|road|drive|lane|court|boulevard|highway|place|way)\b)"
    return [
        rule("address", rf"(?<![\w.,/-])(?P<own>(?P<number>\d{{1,5}})(?P<letter>[A-Z])?){followed}", number, "number of a house"),
        rule("address", rf"(?<=[\da-z])\s(?P<own>(?P<point>{compass}))(?=(?:\s{name}){{1,3}}\s(?i:{suffix}|street|avenue|road|drive)\b)", lambda m: points[m["point"]], "direction of a street"),
        rule("address", rf"(?:(?<=\d)|(?<=\d[A-Z]))(?:\s(?:{compass}))?(?:\s{name}){{1,3}}\s(?P<own>(?i:{suffix})\b\.?)(?!\w)(?! (?!Apt|Suite|Ste|Unit)[A-Z][a-z]+ (?:{suffix})\b)", street, "street behind a number"),
        rule("address", rf"\b{name} (?P<own>(?:{suffix})\.)(?=\s*$|\s[a-z\d(]|[,;:)]|\s(?:{starters(language)})\b)", street, "street behind a name", near=_STREETS),
        rule("address", r"\b[A-Z][a-z]+ (?P<own>Ave|Blvd|Rd|Hwy|Pkwy|Expy|Fwy|Ln|(?:St|Dr|Ct|Pl)(?=,\s[A-Z]))(?!\w|\.)", street, "street behind a name", near=_STREETS),
        rule("address", rf"[A-Z][a-z.]+, (?P<own>(?P<state>{alternatives(language.states)})(?P<comma>,)?(?: (?P<zip>\d{{5}}(?:-\d{{4}})?))?)(?=\s*$|[,.;)]|\s*\n)(?!\w)", state, "state", near=r", [A-Z]{2}(?![A-Za-z])"),
        rule("address", rf"\b(?P<own>(?P<state>{alternatives(language.states)})(?P<comma>,)? (?P<zip>\d{{5}}(?:-\d{{4}})?))(?![\w,.]\d|\w)", state, "postcode", near=r"[A-Z]{2},? \d{5}"),
        rule("address", r"(?<![\w-])(?P<own>[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2})(?![\w-])", british, "British postcode", near=r"\d \d[A-Z]{2}|\d[A-Z] \d[A-Z]{2}"),
    ]  # fmt: skip


def starters(language: Language) -> str:
    """Words that open a sentence, capitalised."""
    return alternatives(word.capitalize() for word in language.starters)


def house(number: str, language: Language) -> str:
    """The number of a house in pairs: `1428` is `fourteen twenty-eight`, `708` is `seven oh eight`."""
    if len(number) == 4 and number[1:] != "000":
        return (
            language.year(int(number))
            if number[2:] != "00" or number[1] != "0"
            else integer(number, language)
        )
    if len(number) == 3 and number[1:] != "00":
        zero = f"{digits('0', language)} " if number[1] == "0" else ""
        return f"{integer(number[0], language)} {zero}{integer(str(int(number[1:])), language)}"
    if len(number) == 5:
        return (
            f"{integer(number[0], language)} {house(number[1:], language)}"
            if number[1] != "0"
            else digits(number, language)
        )
    return integer(number, language)


def _stop(match: re.Match[str], language: Language) -> str:
    if not match[0].endswith("."):
        return ""
    after = match.string[match.end() : match.end() + 30]
    sentence = rf"\s*$|\s+(?:{starters(language)})\b|\s*\n|\s[A-Z][a-z']* [a-z]"
    return "." if re.match(sentence, after) else ""
