"""Dates and times of day."""

import re

from src.services.text.language import Language, alternatives


def _date(day: str, month: int, year: str | None, language: Language) -> str | None:
    if not 1 <= int(day) <= 31 or not 1 <= month <= 12:
        return None
    return language.say_date(int(day), month, _year(year, language) if year else "")


def _year(written: str, language: Language) -> str:
    number = int(written)
    if len(written) == 2:
        number += 2000 if number < 70 else 1900
    return language.year(number)


def expand_dates(text: str, language: Language) -> str:
    """2026-11-22, 22/11/2026, 22.11.2026, 22/11 after a word that says so, and those with a month's name."""

    def iso(match: re.Match[str]) -> str:
        said = _date(match[3], int(match[2]), match[1], language)
        return match[0] if said is None else said + (" " if match[4] else "")

    def figures(match: re.Match[str]) -> str:
        first, second, year = match[1], match[3], match[4]
        day, month = (first, second) if language.day_first else (second, first)
        if int(month) > 12:
            day, month = month, day
        return _date(day, int(month), year, language) or match[0]

    def short(match: re.Match[str]) -> str:
        day, month = (match[2], match[3]) if language.day_first else (match[3], match[2])
        said = _date(day, int(month), None, language)
        return match[0] if said is None else match[1] + said

    text = re.sub(r"(?<![\w/.-])(\d{4})[-/](\d{1,2})[-/](\d{1,2})(T(?=\d))?(?![\w/-])", iso, text)
    text = re.sub(r"(?<![\w/.-])(\d{4})-(\d{2})-(\d{2})(T)(?=\d\d:)", iso, text)
    text = re.sub(r"(?<![\w/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-]|\.\d)", figures, text)
    text = re.sub(
        rf"(?<!\w)((?:{language.date_before})\s)(\d{{1,2}})/(\d{{1,2}})(?![\w/]|[.,]\d)",
        short,
        text,
        flags=re.IGNORECASE,
    )
    return _named(text, language)


def _named(text: str, language: Language) -> str:
    names = alternatives(tuple(language.month_names))

    def month_first(match: re.Match[str]) -> str:
        said = _date(match[2], language.month_names[match[1].lower()], match[3], language)
        return said or match[0]

    def day_first(match: re.Match[str]) -> str:
        month = language.month_names[match[2].lower()]
        if language.day_first:
            said = _date(match[1], month, match[3], language)
            if said and match[1] == "1" and match[0].startswith("1º"):
                return match[0]
            return said or match[0]
        day = int(match[1])
        if not 1 <= day <= 31:
            return match[0]
        year = f" {_year(match[3], language)}" if match[3] else ""
        return f"{language.ordinal(day, False)} of {language.months[month - 1]}{year}"

    def month_year(match: re.Match[str]) -> str:
        month = language.months[language.month_names[match[1].lower()] - 1]
        return f"{month}{match[2]}{_year(match[3], language)}"

    flags = re.IGNORECASE
    if language.day_first:
        text = re.sub(
            rf"(?<![\w.,])(\d{{1,2}})(?:\sde\s|[\s-])({names})\.?(?:(?:\sde\s|\sdel\s|[\s-])(\d{{4}}))?(?!\w)",
            day_first,
            text,
            flags=flags,
        )
    else:
        text = re.sub(
            rf"(?<!\w)({names})\.?\s(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s(\d{{4}}))?(?![\w:]|[.,]\d|\s?[ap]\.?m)",
            month_first,
            text,
            flags=flags,
        )
        text = re.sub(
            rf"(?<![\w.,])(\d{{1,2}})(?:st|nd|rd|th)?(?:\sof\s|[\s-])({names})(?!\w)\.?(?:[,\s-]{{1,2}}(\d{{4}}))?(?!\w)",
            day_first,
            text,
            flags=flags,
        )
    return re.sub(rf"(?<!\w)({names})\.?(\s|\sde\s|,\s)(\d{{4}})(?!\w|[.,]\d)", month_year, text, flags=flags)


def expand_times(text: str, language: Language) -> str:
    """14:30, 14:30:15, 2:30 pm, 2 p. m., 14h, 14h30; spelled durations and scores are left alone."""
    half_day = r"(?:\s?([ap])\.?\s?m\b\.?)"

    def clock(match: re.Match[str]) -> str:
        hour, minute = int(match[1]), int(match[2])
        second = int(match[3]) if match[3] else None
        if hour > 24 or minute > 59:
            return match[0]
        half = match[4].lower() + "m" if match[4] else ""
        stop = _stop(match)
        return language.say_time(hour, minute, second, half) + stop

    def bare(match: re.Match[str]) -> str:
        if not 1 <= int(match[1]) <= 12:
            return match[0]
        return language.say_time(int(match[1]), 0, None, match[2].lower() + "m") + _stop(match)

    def hours(match: re.Match[str]) -> str:
        if int(match[1]) > 24:
            return match[0]
        return language.say_time(int(match[1]), int(match[2] or 0), None, "")

    text = re.sub(
        rf"(?<![\w.,:])(\d{{1,2}})(?::|\.(?=\d\d\s?[ap]\.?\s?m\b))(\d{{2}})(?::(\d{{2}})(?:\.\d{{1,6}})?)?(?![\d:]){half_day}?(?:\s?(?:{language.hours_mark}|Z)\b)?",
        clock,
        text,
        flags=re.IGNORECASE,
    )
    text = re.sub(rf"(?<![\w.,:$€£])(\d{{1,2}}){half_day}(?![\w'])", bare, text, flags=re.IGNORECASE)
    if "h" in language.hours_mark.split("|"):
        text = re.sub(r"(?<![\w.,:])(\d{1,2})h(\d{2})?(?!\w)", hours, text)
    return text


def _stop(match: re.Match[str]) -> str:
    """The dot of `p.m.` also ends the sentence at the end of the text or before a capital."""
    if not match[0].endswith("."):
        return ""
    return "." if re.match(r"\s*$|\s+[A-ZÁÉÍÓÚÑ¿¡]", match.string[match.end() : match.end() + 20]) else ""


def expand_ratios(text: str, language: Language) -> str:
    """A colon that is left between numbers: 16:9."""
    return re.sub(r"(?<=\d):(?=\d)", f" {language.to} ", text)
