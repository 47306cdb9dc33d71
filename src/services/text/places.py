"""Addresses of houses: numbers of streets, `St`, `Ave`, directions, states and postcodes."""

import re

from src.services.text.language import Language, alternatives, words
from src.services.text.numbers import digits, integer, one_by_one
from src.services.text.reading import Rule, rule, stop

_STATES_THAT_ARE_WORDS = words("OK OH HI ME IN OR LA PA MA ID AL DE CO MS MD MT CT PR")
_STREETS = r"[a-z] [A-Z][a-z]{1,4}(?:\.|\b)"


def rules(language: Language) -> list[Rule]:
    """None in a language that writes its streets in another way."""
    if not language.streets:
        return []
    # `St` before a name is a saint
    suffix = alternatives(language.streets)
    opening = language.opening()
    sentence = rf"\s+{opening}|\s[A-Z][a-z']* [a-z]"
    folded = {name.lower(): said for name, said in language.streets.items()}
    points = {
        form: said.capitalize() for point, said in language.points.items() for form in (point, f"{point}.")
    }
    compass = alternatives(points)
    name = r"(?:[A-Z][\w'-]*|\d{1,3}(?:st|nd|rd|th))"

    def number(match: re.Match[str]) -> str:
        return f"{house(match['number'], language)} {language.spell(match['letter'] or '')}".rstrip()

    def street(match: re.Match[str]) -> str:
        return folded[match["own"].rstrip(".").lower()] + stop(match, sentence)

    def state(match: re.Match[str]) -> str | None:
        if match["state"] in _STATES_THAT_ARE_WORDS and not match["zip"]:
            return None
        code = match["zip"] or ""
        postcode = ", ".join(digits(part, language) for part in code.split("-") if part)
        return f"{language.states[match['state']]}{match['comma'] or ''} {postcode}".rstrip()

    def british(match: re.Match[str]) -> str:
        return ", ".join(one_by_one(half, language) for half in match["own"].split(" "))

    followed = rf"(?=(?:\s(?:{compass})(?=\s))?(?:\s{name}){{1,3}},?\s(?i:{suffix}|street|avenue|road|drive|lane|court|boulevard|highway|place|way)\b)"
    return [
        rule("address", rf"(?<![\w.,/-])(?P<own>(?P<number>\d{{1,5}})(?P<letter>[A-Z])?){followed}", number, "number of a house"),
        rule("address", rf"(?<=[\da-z])\s(?P<own>(?P<point>{compass}))(?=(?:\s{name}){{1,3}}\s(?i:{suffix}|street|avenue|road|drive)\b)", lambda m: points[m["point"]], "direction of a street"),
        rule("address", rf"(?:(?<=\d)|(?<=\d[A-Z]))(?:\s(?:{compass}))?(?:\s{name}){{1,3}}\s(?P<own>(?i:{suffix})\b\.?)(?!\w)(?! (?!Apt|Suite|Ste|Unit)[A-Z][a-z]+ (?:{suffix})\b)", street, "street behind a number"),
        rule("address", rf"\b{name} (?P<own>(?:{suffix})\.)(?=\s*$|\s[a-z\d(]|[,;:)]|\s{opening})", street, "street behind a name", near=_STREETS),
        rule("address", r"\b[A-Z][a-z]+ (?P<own>Ave|Blvd|Rd|Hwy|Pkwy|Expy|Fwy|Ln|(?:St|Dr|Ct|Pl)(?=,\s[A-Z]))(?!\w|\.)", street, "street behind a name", near=_STREETS),
        rule("address", rf"[A-Z][a-z.]+, (?P<own>(?P<state>{alternatives(language.states)})(?P<comma>,)?(?: (?P<zip>\d{{5}}(?:-\d{{4}})?))?)(?=\s*$|[,.;)]|\s*\n)(?!\w)", state, "state", near=r", [A-Z]{2}(?![A-Za-z])"),
        rule("address", rf"\b(?P<own>(?P<state>{alternatives(language.states)})(?P<comma>,)? (?P<zip>\d{{5}}(?:-\d{{4}})?))(?![\w,.]\d|\w)", state, "postcode", near=r"[A-Z]{2},? \d{5}"),
        rule("address", r"(?<![\w-])(?P<own>[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2})(?![\w-])", british, "British postcode", near=r"\d \d[A-Z]{2}|\d[A-Z] \d[A-Z]{2}"),
    ]  # fmt: skip


def house(number: str, language: Language) -> str:
    """The number of a house in pairs: `1428` is `fourteen twenty-eight`, `708` is `seven zero eight`."""
    first, rest = number[0], number[1:]
    if len(number) == 5:
        said = (
            digits(number, language)
            if rest[0] == "0"
            else f"{integer(first, language)} {house(rest, language)}"
        )
    elif len(number) == 4 and rest != "000":
        said = language.year(int(number))
    elif len(number) == 3 and rest != "00":
        said = f"{integer(first, language)} {integer(rest, language)}"
    else:
        said = integer(number, language)
    return said
