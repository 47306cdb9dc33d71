"""Times of day, how long something takes, and what else is written with a colon: verses, scales, ratios."""

import re

from src.services.text import units
from src.services.text.language import Language
from src.services.text.numbers import NUMBER, Value, counted, integer, spoken
from src.services.text.reading import CAPITALISED, Rule, any_case, rule, stop

_HALF_DAY = r"(?:\s?(?P<half>[ap])\.?\s?m\b\.?)"
_ZONES = (
    "GMT|UTC|EST|EDT|CST|CDT|MST|MDT|PST|PDT|CET|CEST|BST|WET|EET|IST|JST|PYT|ART|CLT|COT|(?-i:ET|PT|CT|MT)"
)
"""The short ones in capitals only: `12 pt`, `2 ct`."""


def rules(language: Language) -> list[Rule]:
    said = language.words

    def clock(match: re.Match[str]) -> str | None:
        groups = {"second": None, "half": None, **match.groupdict()}
        hour, minute, second = int(match["hour"]), int(match["minute"] or 0), int(groups["second"] or 0)
        half = f"{groups['half'].lower()}m" if groups["half"] else ""
        if hour > (12 if half else 24):
            return None
        if groups["second"] and not half and match.string[match.start() - 1 : match.start()] != "T":
            words = duration_of(match["hour"], match["minute"], match["second"])
        else:
            words = language.say_time(hour, minute, second, half)
        return words + stop(match, CAPITALISED)

    def duration_of(hours: str | None, minutes: str | None, seconds: str | None) -> str:
        parts = [(n, unit) for n, unit in ((hours, "h"), (minutes, "min"), (seconds, "s")) if n and int(n)]
        words = [
            counted(Value(str(int(n)), "", ""), units.noun(unit, language), language)
            for n, unit in parts or [("0", "s")]
        ]
        if parts and parts[-1][1] == "s" and len(parts) > 1:
            words[-1] = f"{said['and']} {words[-1]}"
        return " ".join(words)

    def long_clock(match: re.Match[str]) -> str | None:
        return duration_of(match["h"], match["m"], match["s"])

    def half_range(match: re.Match[str]) -> str:
        if not match["minute"]:
            return f"{integer(match['hour'], language)} {said['to']}"
        return f"{language.say_time(int(match['hour']), int(match['minute']), 0, '')} {said['to']}"

    def zone(match: re.Match[str]) -> str:
        name = language.spell(re.sub(r"\W", "", match["zone"]))
        if not match["shift"]:
            return f" {name}"
        sign = said["minus"] if match["sign"] in "-–" else said["plus"]
        hours, _, minutes = match["shift"].partition(":")
        return f" {name} {sign} {integer(str(int(hours)), language)}" + (
            f" {integer(minutes, language)}" if minutes.strip("0") else ""
        )

    def verse(match: re.Match[str]) -> str | None:
        if match["book"].lower() not in language.books:
            return None
        last = f" {said['to']} {integer(match['last'], language)}" if match["last"] else ""
        return f"{integer(match['chapter'], language)}, {integer(match['verse'], language)}{last}"

    def ratio(match: re.Match[str]) -> str:
        return f" {said['to']} ".join(spoken(part, language) for part in match[0].split(":"))

    def scale(match: re.Match[str]) -> str | None:
        if re.fullmatch(r"[0-5]\d", match["high"]) and not match["word"]:
            return None  # a clock
        high = re.sub(r"[.,]", "", match["high"])
        return f"{integer(match['low'], language)} {said['to']} {integer(high, language)}"

    hours = language.hours_mark
    start = r"(?:(?<![\w.:])(?:(?<!\d,)|(?<=:\d\d,))|(?<=\d\dT))"
    mark = rf"(?:\s?(?:{hours}|Z)\b\.?(?!\s?\d))?"
    point = r"(?::|\.(?=\d\d\s?(?:[ap]\.?\s?m|[epc]st|gmt|utc)\b))"
    found = [
        any_case("verse", r"(?P<book>[^\W\d_]+)\.?\s(?P<own>(?P<chapter>\d{1,3}):(?P<verse>\d{1,3})(?:[-–](?P<last>\d{1,3}))?)(?![\w:])", verse, "verse behind a book", ":"),
        any_case("ratio", r"(?P<word>\b(?:escala|scale|ratio|odds|proporción|razón)\s(?:\w{1,3}\s)?)?(?<![\w.,:])(?P<own>(?P<low>1):(?P<high>\d{1,3}(?:[.,]\d{3})+|\d{2,7}))(?![\w:]|[.,]\d)", scale, "scale", ":"),
        any_case("duration", rf"{start}(?P<h>\d{{1,3}})\s?h(?:rs?|\s?oras)?\.?\s?(?P<m>\d{{1,2}})\s?m(?:in\.?|ins)?(?:\s?(?P<s>\d{{1,2}})\s?(?:s|segs?|secs?)\.?)?(?!\w)", long_clock, "hours and minutes", r"\d\s?[hH]"),
        any_case("duration", rf"{start}(?P<h>)(?P<m>\d{{1,3}})\s?m(?:in)?\s?(?P<s>\d{{1,2}})\s?s(?:e[cg])?(?!\w)", long_clock, "minutes and seconds", r"\d\s?[mM]"),
        any_case("time", rf"{start}(?P<hour>0?[1-9]|1[0-2])(?:[:.](?P<minute>[0-5]\d))?\s?[-–](?=\s?\d{{1,2}}(?:[:.]\d\d)?\s?(?P<half>[ap])\.?\s?m\b)", half_range, "range of hours", r"[-–]"),
        any_case("time", rf"{start}(?P<hour>\d{{1,2}}){point}(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:\.\d{{1,6}})?)?(?![\d:]|[.,]\d(?!\d?:\d\d)){_HALF_DAY}?{mark}", clock, "clock", r"\d[:.]\d\d"),
        any_case("time", rf"(?<![\w.:$€£])(?<!\d,)(?P<hour>0?[1-9]|1[0-2])(?P<minute>){_HALF_DAY}(?![\w'])", clock, "hour and half of the day", r"\d\s?[aApP]"),
    ]  # fmt: skip
    if language.hour_before:
        before = rf"\b(?:{language.hour_before})\s"
        found += [
            any_case("time", rf"{start}(?P<own>(?P<hour>\d{{1,2}})\.(?P<minute>[0-5]\d)\s?(?:{hours})\b\.?)", clock, "hour with a dot", r"\d[.,]\d\d"),
            any_case("time", rf"{before}(?P<own>(?P<hour>\d{{1,2}})[.,](?P<minute>[0-5]\d))(?![\w:%]|[.,]\d|\s(?:%|€|\$))", clock, "hour with a dot", r"\d[.,]\d\d"),
            any_case("time", rf"{start}(?P<own>(?P<hour>0\d)(?P<minute>)\s?(?:{hours})\b)(?!\.?\d)", clock, "hour with h", r"\d\s?[hH]"),
            any_case("time", rf"{start}(?P<hour>\d{{1,2}})h(?P<minute>\d\d)?(?!\w)", clock, "hour with h", r"\d\s?[hH]"),
            any_case("time", rf"{before}(?P<own>(?P<hour>\d{{1,2}})(?P<minute>)\s?(?:{hours})\b\.?(?!\w))", clock, "hour with h", r"\d\s?[hH]"),
            any_case("time", r"\b(?:a la (?=1\b)|a las (?=21\b))(?P<own>(?P<hour>\d+)(?P<minute>))(?!\w|[.,:]\d|\s?[%€$]|\s[a-záéíóúñ]+as\b)", clock, "hour"),
        ]  # fmt: skip
    else:
        found.append(any_case("duration", rf"{start}(?P<h>\d{{1,2}})h(?P<m>[0-5]\d)(?P<s>)(?!\w)", long_clock, "hours and minutes", r"\d\s?[hH]"))  # fmt: skip
    dotted_zones = r"[cep]\.\s?s\.\s?t\.?|g\.\s?m\.\s?t\.?"
    return [
        any_case("time", rf"(?:\d|\d\s?h|\d\s?[ap]\.?\s?m\.?)\s?(?P<own>(?P<zone>(?:\b|(?<=m))(?:{_ZONES})|{dotted_zones})" r"(?:\s?(?P<sign>[-–+])(?P<shift>\d{1,2}(?::\d\d)?))?)(?!\w)", zone, "zone behind a time", r"[\dhmM.]\s?[a-zA-Z]\.?[a-zA-Z]\.?[a-zA-Z]?\b"),
        rule("time", r"(?P<own>(?P<zone>\b(?:GMT|UTC))\s?(?P<sign>[-–+])(?P<shift>\d{1,2}(?::\d\d)?))(?!\w)", zone, "zone", "GMT|UTC"),
        *found,
        rule("ratio", rf"(?<![\w.,:]){NUMBER}(?::{NUMBER})+(?![\w:])", ratio, "colon between numbers", r"\d:\d"),
    ]  # fmt: skip
