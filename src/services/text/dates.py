"""Dates in figures and in words, days and months cut short, and from one day to another."""

import re

from src.services.text.language import Count, Language, alternatives
from src.services.text.reading import CAPITALISED, Rule, any_case, rule, stop

_MONTHS, _DAYS = 12, 31
_NO_TIME = r"(?![\w:/]|[.,]\d|\s?[ap]\.?\s?m\b|-\d|\s?%)"


_TIED = re.compile(r"\w\s[a-zñ]")


def rules(language: Language) -> list[Rule]:
    """2026-11-22, 22/11/2026, 22.11.2026, 22/11 after a word that says so, May 5-7, Mon., mié."""

    def date(day: str, month: int, year: str | None, day_first: bool = False) -> str | None:
        return span(int(day), int(day), month, year, day_first) if 1 <= month <= _MONTHS else None

    def span(first: int, last: int, month: int, year: str | None, day_first: bool) -> str | None:
        if not 1 <= first <= last <= _DAYS:
            return None
        return language.say_days(first, last, month, _year(year, language) if year else "", day_first)

    def month_of(match: re.Match[str]) -> int:
        return language.month_names[match["month"].lower()]

    def iso(match: re.Match[str]) -> str | None:
        return date(match["day"], int(match["m"]), match["year"])

    def in_order(match: re.Match[str]) -> tuple[str, str]:
        return (match["a"], match["b"]) if language.day_first else (match["b"], match["a"])

    def figures(match: re.Match[str]) -> str | None:
        day, month = in_order(match)
        day_first = language.day_first
        if match["s"] == "." and len(match["year"]) == 2 and not day_first:
            return None  # a version: `1.17.11`
        if int(month) > _MONTHS:
            day, month, day_first = month, day, not day_first
        return date(day, int(month), match["year"], (day_first and "/" not in match[0]) or language.day_first)

    def short(match: re.Match[str]) -> str | None:
        day, month = in_order(match)
        return date(day, int(month), None)

    def month_first(match: re.Match[str]) -> str | None:
        if match["month"] in language.ambiguous_days and not match["year"]:
            return None  # `may 5 people come`
        return date(match["day"], month_of(match), match["year"])

    def day_first(match: re.Match[str]) -> str | None:
        said = date(match["day"], month_of(match), match["year"], True)
        if said and match["year"] and " del " in match[0]:  # `del dos mil veinte`
            year = _year(match["year"], language)
            said = f"{said.removesuffix(f' de {year}')} del {year}"
        return said and _without_article(match, said)

    def days(match: re.Match[str]) -> str | None:
        low, high = int(match["low"]), int(match["high"])
        first = match.start("low") < match.start("month")
        said = span(low, high, month_of(match), match["year"], first) if low < high else None
        return said and _without_article(match, said)

    def month_year(match: re.Match[str]) -> str:
        return f"{language.months[month_of(match) - 1]}{match['joint'].replace('-', ' ')}{_year(match['year'], language)}"

    def month_of_year(match: re.Match[str]) -> str:
        of = language.words["scale of"]
        month, year = language.months[int(match["m"]) - 1], _year(match["year"], language)
        return f"{month} {of} {year}" if of else f"{month} {year}"

    def month_alone(match: re.Match[str]) -> str:
        return language.months[month_of(match) - 1] + stop(match, CAPITALISED)

    def season(match: re.Match[str]) -> str:
        return f"{language.year(int(match['year']))} {language.cardinal(int(match['last']), Count())}"

    def era(match: re.Match[str]) -> str:
        number = int(match["year"])
        if number >= 1000 or number % 100 == 0:
            return language.year(number)
        zero = "oh " if number % 100 < 10 else ""
        return f"{language.cardinal(number // 100, Count())} {zero}{language.cardinal(number % 100, Count())}"

    names = f"(?P<month>{alternatives(language.month_names)})"
    plain_names = alternatives(language.month_names)
    days_of_week = alternatives(language.weekdays)
    suffix = language.day_suffix
    link = language.day_link
    year = r"(?:(?:,\s?|\s(?:de|del)\s|[\s/-])(?P<year>\d{4})(?![\w/]|[.,]\d))?"
    dash = r"\s?[-–]\s?"
    cut_short = alternatives(
        name for name in language.month_names if len(name) < 5 and name not in language.ambiguous_days
    )
    eras = [
        any_case("date", r"(?<![\w.,])(?P<own>(?P<year>\d{3,4}))(?= (?:A\.?D|B\.?C)\b)", era, "year of an era", r"[AB]\.?[DC]"),
    ] if language.pairs else []  # fmt: skip
    found = [
        any_case("date", r"(?<![\w/.,-])(?P<year>(?:19|20)\d\d)/(?P<last>[1-9]\d)(?![\w/]|[.,]\d)", season, "season", r"\d/\d"),
        any_case("date", rf"(?<![\w-]){names}\b\.?(?=\s?[-–]\s?(?:{plain_names})\b(?![\w-]))", month_alone, "month in a range", r"[-–]"),
        any_case("date", rf"(?<![\w-])(?:{plain_names})\.?\s?[-–]\s?(?P<own>{names}\b\.?)(?![\w-])", month_alone, "month in a range", r"[-–]"),
        any_case("date", r"(?<![\w/.-])(?P<year>\d{4})[-/](?P<m>\d{1,2})[-/](?P<day>\d{1,2})(?![\w/-])", iso, "year first", r"\d[-/]\d"),
        any_case("date", r"(?<![\w/.-])(?P<own>(?P<year>\d{4})-(?P<m>\d\d)-(?P<day>\d\d)T)(?=\d\d:)", iso, "ISO 8601", r"\d-\d"),
        any_case("date", r"(?<![\w/.-])(?P<a>\d{1,2})(?P<s>[/.-])(?P<b>\d{1,2})(?P=s)(?P<year>\d{4}|\d\d)(?![\w/-]|\.\d)", figures, "figures", r"\d[/.-]\d"),
        any_case("date", r"(?<![\w/.-])(?P<own>(?P<m>0?[1-9]|1[0-2])/(?P<year>(?:19|20)(?!00)\d\d))(?![\w/]|[.,]\d)", month_of_year, "month and year in figures", r"\d/\d{4}"),
        any_case("date", rf"(?<!\w)(?:(?:{language.date_before})\s|(?:{days_of_week})\b\.?,?\s\(?)(?P<own>(?P<a>\d{{1,2}})/(?P<b>\d{{1,2}}))(?![\w/]|[.,]\d|\s(?:of|de)\b|\s?%)", short, "figures behind a word of time", r"\d/\d"),
        any_case("date", rf"(?<![\w.,/-])(?P<low>\d{{1,2}}){suffix}{dash}(?P<high>\d{{1,2}}){suffix}{link}{names}\b\.?{year}(?!\w)", days, "days of a month", r"[-–]"),
        any_case("date", rf"(?<!\w){names}\.?\s(?P<low>\d{{1,2}}){suffix}{dash}(?P<high>\d{{1,2}}){suffix}{year}{_NO_TIME}", days, "days of a month", r"[-–]"),
        any_case("date", rf"(?<![\w.,/])(?P<day>\d{{1,2}}){suffix}{link}{names}\b(?-i:\.(?=\s[a-z\d]|,|-))?{year}(?!\w)", day_first, "day and month"),
        any_case("date", rf"(?<!\w){names}(?:\.?\s|\.?-)(?P<day>\d{{1,2}}){suffix}{year}{_NO_TIME}", month_first, "month and day"),
        any_case("date", rf"(?<!\w){names}\.?(?P<joint>\s|\sde\s|\sdel\s|,\s|-)(?P<year>\d{{4}})(?!\w|[.,]\d)", month_year, "month and year"),
        any_case("date", rf"(?<!\w){names}\.?(?P<joint>\s)'(?P<year>\d\d)(?!\w)", month_year, "month and short year", "'"),
        any_case("date", rf"(?<!\w)(?P<month>{cut_short})\.(?-i:(?=\s[a-zñ\d(]|[,;:)–-]|\s*$))", month_alone, "month cut short", r"[a-zñ]\."),
    ]  # fmt: skip
    return [*_parts_of_year(language), *eras, *found, *_weekdays(language)]


def _parts_of_year(language: Language) -> list[Rule]:
    """`Q3 2023`, `3Q23`, `T3 de 2023`, `H1 2024`: a year is what tells them from other codes."""

    # behind any other word it may have an adjective or a genitive before it: `Apple's Q3 2023 results`
    words = language.part_of_year_after
    bare = re.compile(rf"(?i)(?:^|[.,;:!?(\n–-]\s?|\b(?:{words})\.?\s)$") if words else None
    words = language.part_of_year_never_after
    never = re.compile(rf"(?i)\b(?:{words})\s$") if words else None

    def part(match: re.Match[str]) -> str | None:
        number, letter = int(match["number"]), match["letter"]
        half = letter in language.halves
        before = match.string[max(0, match.start() - 10) : match.start()]
        if half and number > 2:
            return None
        if never and never.search(before):
            return None
        name = language.words["half" if half else "quarter"]
        article = "the " if bare and bare.search(before) else ""
        ordinal = language.say_ordinal(number, "º", name)
        return f"{article}{ordinal} {name} {language.words['of']} {_year(match['year'], language)}"

    letter = f"(?P<letter>[{language.quarters}{language.halves}])"
    number, left, right = "(?P<number>[1-4])", r"(?<![\w.,'-])", r"(?![\w-]|[.,]\d)"
    year = r"(?P<year>(?:19|20)\d\d)"
    link = r"(?:\s?|\s?[/-]\s?|\s(?:of|de|del)\s)"
    no_model = "".join(f"(?<!{name} )" for name in language.models.split("|"))
    # `2H30` is a time, `2H'30` is not
    return [
        rule("date", rf"{left}{number}{letter}{link}{year}{right}", part, "part of a year"),
        rule("date", rf"{left}{no_model}{letter}{number}(?!\d){link}{year}{right}", part, "part of a year"),
        rule("date", rf"{left}{letter}{number}\s?'(?P<year>\d\d){right}", part, "part of a year"),
        rule("date", rf"{left}{number}(?!H\d){letter}'?(?P<year>\d\d){right}", part, "part of a year"),
    ]  # fmt: skip


def _weekdays(language: Language) -> list[Rule]:
    short = [name for name in language.weekdays if language.weekdays[name].lower() != name]
    every = alternatives(language.weekdays)
    clear = alternatives(name for name in short if name not in language.ambiguous_days)
    unclear = alternatives(name for name in short if name in language.ambiguous_days)
    months = alternatives(language.month_names)

    # `Sat. we rest`: a capital in the middle of a sentence; in Spanish they are written small
    capital = (
        r"(?<=[A-Z][a-z][a-z]\.)\s[a-z]" if next(iter(language.weekdays.values()))[0].isupper() else r"(?!)"
    )
    ties = rf"{language.words['and']}|{language.words['or']}|{language.words['to']}|through|thru|&|al"
    joint = rf"(?:\s?[-–]\s?|\s(?:{ties})\s)"
    near = r"[-–]|\s(?:to|and|or|through|thru|&|a|al|y|o)\s"

    def day(match: re.Match[str]) -> str | None:
        written = match["own"]
        if (
            written.lower() in language.ambiguous_days
            and written.islower()
            and _TIED.search(match[0] + match.string[match.end() :][:6])
        ):
            return None  # `sat and sun`
        return language.weekdays[match["own"].rstrip(".").lower()] + stop(match, CAPITALISED)

    return [
        # Mon-Fri, lun. a vie.
        any_case("weekday", rf"(?<![\w-])(?P<own>(?:{every})\b\.?)(?={joint}(?:{every})(?![\w-]))", day, "weekday in a range", near),
        any_case("weekday", rf"(?<![\w-])(?:{every})\.?{joint}(?P<own>(?:{every})\b\.?)(?![\w-])", day, "weekday in a range", near),
        any_case("weekday", rf"(?<!\w)(?P<own>(?:{'|'.join(re.escape(n) for n in short)})\b\.?),?(?=\s(?:\d{{1,2}}(?:st|nd|rd|th|º)?(?!\w|:|[.,]\d|\s?%)|\(?\d{{1,2}}/\d{{1,2}}(?!\w)|(?:{months})\b\.?\s\d))", day, "weekday before a date"),
        any_case("weekday", rf"(?<!\w)(?P<own>(?:{clear})\.)(?!\w)", day, "weekday cut short", r"[a-zé]\."),
        any_case("weekday", rf"(?<!\w)(?<![Tt]he)(?P<own>(?:{unclear})\.)(?=\s(?:{language.words['and']}|{language.words['or']}|{language.words['to']}|at)\b|,\s|(?-i:{capital}))", day, "weekday in a list", r"[a-zé]\."),
    ]  # fmt: skip


def _without_article(match: re.Match[str], said: str) -> str:
    """`the 5th of May` has its article already."""
    before = match.string[max(0, match.start() - 4) : match.start()]
    return said.removeprefix("the ") if re.search(r"(?i)\bthe\s$", before) else said


def _year(written: str, language: Language) -> str:
    return language.short_year(int(written)) if len(written) == 2 else language.year(int(written))
