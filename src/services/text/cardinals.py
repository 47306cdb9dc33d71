"""Numbers that are no date, amount or code: ordinals, decades, fractions, ranges, scales, serials, cardinals."""

import re

from src.services.text.language import Count, Language, alternatives
from src.services.text.numbers import (
    NUMBER,
    counted,
    digits,
    integer,
    joint,
    minus,
    next_word,
    number,
    number_or_year,
    parse,
    say,
)
from src.services.text.places import house
from src.services.text.reading import Rule, rule

_POWER = r"(?:\^\(?-?\w{1,3}\)?|[²³])"
_OPERAND = rf"\(*(?:\d+(?:\.\d+)?[A-Za-z]{{0,2}}|[A-Za-z])?{_POWER}?\)*{_POWER}?"
_OPERATION = r"\s?[-–+*/=]\s?"
_LEFT = re.compile(rf"(?:^|(?<=[\s,;:(]))(?:{_OPERAND}{_OPERATION})*{_OPERAND}$")
_RIGHT = re.compile(rf"{_OPERAND}(?:{_OPERATION}{_OPERAND})*(?![\w^²³])")
_RAISED = re.compile(r"[A-Za-ln-z\d)](?:\^|[²³])|[\w)]\s?=\s?\(*\d*[a-z](?![a-z])")
"""In a formula, beside a minus: something raised to a power that is no meter, or a variable behind `=`."""
_POWERS = re.compile(r"(\d+)\^(-?\d+)[-–]\1\^(-?\d+)")

_FORMULA = 40
"""So much of a formula is looked at on either side of a sign."""
_LONG = 5
"""So many digits in a code, or more, are read one by one."""

_PLURAL = re.compile(r"(?<=[aeiouáéíóú][dlnry])es$|(?<=[eí]s)es$|(?<=\w\w[^i])s$")
"""The end of a Spanish plural: `panes`, `meses`, `noches`."""

_SCORED = frozenset({"stars", "points", "estrellas", "puntos"})
"""What a mark is counted in: `3/5 stars`."""


def ordinals(language: Language) -> list[Rule]:
    points = re.compile(rf"\s?(?:{alternatives(language.points)})\b")

    def one(match: re.Match[str]) -> str | None:
        number = int(re.sub(r"\D", "", match["number"]))
        large, degree = number >= 20, match["mark"] == "°"
        compass = (degree or match["mark"] == "º") and points.match(match.string, match.end())
        if (compass and (large or degree)) or (large and degree and not next_word(match)):
            return None
        article = "las " if match["article"] else ""
        return article + language.say_ordinal(number, match["mark"], next_word(match))

    def door(match: re.Match[str]) -> str | None:
        temperature = match["letter"] in "CF" and match["mark"][0] != "."
        if int(match["number"]) >= 20 or temperature or (match["mark"] == "°" and match["letter"] in "NSEWO"):
            return None
        said = language.say_ordinal(int(match["number"]), match["mark"], "")
        return f"{said} {language.spell(match['letter'])}"

    mark = language.ordinal_after.replace("(", "(?P<mark>", 1)
    number = r"(?P<number>\d{1,3}(?:[.,]\d{3})?|\d{4,6})"
    found = [
        *(rule("ordinal", form, lambda m: language.decades(int(m["number"])), "decade", near=r"0'? ?s") for form in language.decade_forms),
        rule("ordinal", rf"(?P<article>\blos (?=\d+\.as\b))?(?<![\w.,/]){number}{mark}(?:(?<=r)\.|(?<=[a-z])\.(?=\s[a-zñáéíóú]))?(?!\w|\.[a-z])", one, "number with a raised mark"),
    ]  # fmt: skip
    if language.raised_ordinals:
        letter = r"(?<![\w.,/])(?P<number>\d{1,2})(?P<mark>\.?[ºª°])\s?(?P<letter>[A-Z])(?![\w.])"
        found.insert(0, rule("ordinal", letter, door, "floor and door", near=r"\d\.?[ºª°]"))
    return found


def doors(language: Language) -> list[Rule]:
    """`Apartment 4B`, `Piso 2ºC`: behind the name of a place the letter is a letter."""
    raised = r"(?P<mark>\.?[ºª])?" if language.raised_ordinals else "(?P<mark>)"

    def one(match: re.Match[str]) -> str:
        number, mark, last = match.group("number", "mark", "last")
        said = language.say_ordinal(int(number), mark, "") if mark else integer(number, language)
        said = f"{said} {language.spell(match['letter'])}"
        to = language.words["to"]
        return f"{said} {to} {integer(last[:-1], language)} {language.spell(last[-1])}" if last else said

    return [
        rule("serial", rf"(?i:\b(?:{language.pages})\.?)\s(?:(?:no|n\.?º)\.?\s)?(?P<own>(?P<number>\d{{1,4}}){raised}\s?-?(?P<letter>[A-Z]{{1,2}}|[a-z](?!\s?[a-z]))(?:[-–](?P<last>\d{{1,4}}[A-Z]))?)(?![\w'])", one, "number and letter behind a place")
    ]  # fmt: skip


def fractions(language: Language) -> list[Rule]:
    said = language.words

    def one(match: re.Match[str]) -> str | None:
        top, bottom = int(match["top"]), int(re.sub(r"\D", "", match["bottom"]))
        whole, following = match["whole"], next_word(match)
        if bottom < (1 if whole else 2):
            return None
        if whole:
            words = language.mixed(integer(whole.strip(" -"), language), top, bottom, "")
        elif following in _SCORED:
            return mark(match)
        elif (top, bottom) == (1, 2) and language.noun_of(following).feminine:
            words = "media"
        else:
            words = language.fraction(top, bottom)
            if words and following in language.parted and bottom != 2:
                words += f" {said['part of']}"
        return minus(match, language) + words if words else None

    def score(match: re.Match[str]) -> str | None:
        top, bottom = match["top"], match["bottom"]
        if top != bottom and top.isdigit() and top != "0":
            return None
        return mark(match)

    def mark(match: re.Match[str]) -> str:
        return f"{number_or_year(match['top'], '', language)} {said['out of']} {integer(match['bottom'], language)}"

    def slashed(match: re.Match[str]) -> str:
        parts = match[0].split("/")
        beside = match.string[match.start() - 1 : match.start()] + match.string[match.end() :][:1]
        code = len(parts) > 2 or "-" in beside  # a long part of a code is read digit by digit
        return f" {said['slash']} ".join(
            digits(part, language) if code and len(part) >= _LONG else integer(part, language)
            for part in parts
        )

    def one_and_half(match: re.Match[str]) -> str:
        noun = match["noun"]
        count = language.noun_of(noun)
        if match["whole"] == "1":  # `una hora y media`, `un mes y medio`
            noun = _PLURAL.sub("", re.sub("ces$", "z", noun))
        half = "media" if count.feminine else "medio"
        if match["part"] != "1/2":
            half = language.fraction(int(match["part"][0]), 4)
        return f"{integer(match['whole'], language, Count(count.feminine, True))} {noun} y {half}"

    suffix = language.fraction_suffix
    end = r"(?!\w|\s?[/=]|[.,]\d)"
    whole = r"(?P<minus>-(?=\.?\d))?(?P<whole>\d{1,4}[ -])?"
    left = r"(?<![\w/.,])"
    big = r"\d{1,7}(?:\.\d{3})*"
    halves = [
        rule("fraction", rf"{left}(?P<whole>\d{{1,3}})[ -](?P<part>1/2|1/4|3/4) (?P<noun>(?!de\b|del\b|por\b|más\b)[a-záéíóúñ]{{3,}})\b", one_and_half, "and a half", near="[13]/[24]"),
    ] if language.half_behind else []  # fmt: skip
    return [
        *halves,
        rule("fraction", rf"{left}(?P<top>\d{{1,3}}(?:[.,]\d)?)/(?P<bottom>\d{{1,3}}){end}", score, "score", near=r"\d/\d"),
        rule("fraction", rf"(?i:\b(?:{language.score_before})\b)(?::|\s\w{{1,3}})?\s(?P<own>(?P<top>\d{{1,3}})/(?P<bottom>\d{{1,3}})){end}", mark, "score behind a word", near=r"\d/\d"),
        rule("fraction", rf"{left}{whole}(?P<top>[1-9]\d{{0,2}})/(?P<bottom>{big}){suffix}{end}", one, "fraction", near=r"\d/\d"),
        rule("fraction", rf"{left}\d{{1,15}}(?:/\d{{1,15}})+{end}", slashed, "slash between numbers", near=r"\d/\d"),
    ]  # fmt: skip


def scales(language: Language) -> list[Rule]:
    """`1.5M`, `20k`, `3,2 mill.`: a multiplier written short behind a number."""

    def one(match: re.Match[str]) -> str | None:
        written, scale = match["number"], match["scale"]
        value = number(written, language)
        low = parse(match.groupdict().get("low") or "", language)
        after = match.string[match.end() :]
        things = re.match(r"\s(?:de\s)?(?:[a-zñ]+s|people)\b", after)
        money = re.match(rf"\s(?:de\s)?(?:{language.currency_words}|won)\b", after)
        name = scale in ("K", "M", "B") and not low and (len(written) == 1 or scale == "B")
        if name and not value.fraction and not money and not (things and scale == "M"):
            return None  # `3M`, `4K`, `8K`
        race = re.search(rf"(?i:\b(?:{language.race_before})\s)$", match.string[: match.start()])
        distance = scale in ("k", "K") and (race or re.match(r"\s(?:race|run|walk)\b", after))
        if distance and not things:
            return None  # `a 5k`
        noun = language.scales[scale]
        followed = re.match(r"\s[a-zñáéíóú]{3,}", after)
        start = f"{say(low, language)} {language.words['to']} " if low else ""
        return start + counted(value, noun, language) + (joint(noun, language) if followed else "")

    def small(match: re.Match[str]) -> str:
        return counted(number(match["number"], language), language.money_scales["m"], language)

    short = alternatives(name for name in language.scales if len(name) <= 3 and name != "mil")
    found = [
        rule("cardinal", rf"(?<![\w.,])(?:(?P<low>{NUMBER})\s?[-–]\s?)?(?P<number>{NUMBER})(?P<scale>{short})(?!\w)", one, "multiplier", near=r"\d\s?[a-zA-Z]"),
    ]  # fmt: skip
    if "mill" in language.scales:
        found.append(rule("cardinal", rf"(?<![\w.,])(?P<number>{NUMBER})\s(?P<scale>MM?)(?=\sde\b)", one, "multiplier", near=r"\dM|\d\sM"))  # fmt: skip
        found.append(rule("cardinal", rf"(?<![\w.,])(?P<number>{NUMBER})\s?(?P<scale>mill)\.", one, "multiplier", near=r"\d\s?[a-zA-Z]"))  # fmt: skip
    if language.million_before:
        found.append(rule("cardinal", rf"(?<![\w.,])(?P<number>{NUMBER})m(?={language.million_before})", small, "multiplier before a plural", near=r"\dm"))  # fmt: skip
    return found


def ranges(language: Language) -> list[Rule]:
    """`3-5`, `1939–1945`: not where it could be a subtraction (spaces around the sign, or a result)."""

    def one(match: re.Match[str]) -> str | None:
        before, after = match.string[: match.start()], match.string[match.end() :]
        if re.match(r"\s?=", after):
            return None
        low = number_or_year(match["low"], before, language)
        high = number_or_year(match["high"], before, language, next_word(match))
        if match["low"].isdigit() and match["high"].isdigit() and len(match["low"]) == 4:
            first, last = int(match["low"]), int(match["high"])
            if len(match["high"]) == 2 and 1000 <= first < 2100:
                low = language.year(first)
            elif 1000 <= first < last <= 2100:
                low, high = language.year(first), language.year(last)
        # no range and no score: `978-0`
        apart = (
            match["low"].isdigit() and len(match["low"]) - len(match["high"]) > 1 and len(match["high"]) == 1
        )
        return f"{low}, {high}" if apart else f"{low} {language.words['to']} {high}"

    return [
        rule("range", rf"(?<![\w.,\-–])(?P<low>{NUMBER})\s?[–-](?P<high>{NUMBER})(?![\w–-])", one, "range", near=r"[-–]")
    ]  # fmt: skip


def powers(language: Language) -> list[Rule]:
    """`2.5e-3`, `10⁻³`, `log₂8`; `5 km^2` is a measure."""
    said = language.words
    # behind a dash with spaces these are words: `Area x² - a great idea`
    word = re.compile(f"[{language.letter_words}][ ,]")
    square_unit = re.compile(r"\d\s?(?:[kcm]?m|ft|yd|mi)$")

    def scientific(match: re.Match[str]) -> str:
        value = number(match["number"], language)
        sign = f"{said['minus']} " if match["sign"] == "-" else ""
        return f"{minus(match, language)}{say(value, language)} {said['ten to']} {sign}{integer(match['power'], language)}"

    def raised(match: re.Match[str]) -> str | None:
        if not match["sign"] and match["power"] in ("2", "3"):
            if square_unit.search(match.string[: match.start()][-12:]):
                return None
            return f" {said['squared' if match['power'] == '2' else 'cubed']}"
        sign = f"{said['minus']} " if match["sign"] else ""
        return f" {said['power']} {sign}{integer(match['power'], language)}"

    def log(match: re.Match[str]) -> str:
        return f"{said['log']} {integer(match['base'], language)} {said['of']}"

    def subtraction(match: re.Match[str]) -> str | None:
        """A dash in `x^2-1`, and in `10^6-10^3`, but not in `10^3-10^6`."""
        start, end = match.span("own")
        left = _LEFT.search(match.string[max(0, start - _FORMULA) : start])
        right = _RIGHT.match(match.string[end : end + _FORMULA])
        if not left or not left[0] or not right or not right[0]:
            return None
        whole = left[0] + "-" + right[0]
        powers = _POWERS.fullmatch(whole.replace("²", "^2").replace("³", "^3"))
        spaced = " " in match["own"]
        if (spaced and word.match(match.string, end)) or not _RAISED.search(whole):
            return None
        between = powers and int(powers[2]) < int(powers[3])
        return f" {said['to' if between else 'minus']} "

    return [
        rule("math", r"(?<=[\w)²³])(?P<own>\s?[-–]\s?)(?=[\w(])", subtraction, "minus in a formula", near=r"[\^²³]|=\s?\(*\d*[a-z](?![a-z])"),
        rule("math", rf"(?<![\w.,])(?P<minus>-)?(?P<number>{NUMBER})(?:[eE]|\s?[x×*]\s?10\^)\(?(?P<sign>[-+])?(?P<power>\d{{1,4}})\)?(?![\w^])", scientific, "power of ten", near=r"\d[eE]|\^"),
        rule("math", r"(?<=[\w)])\s?\^\s?\(?(?P<sign>-)?(?P<power>\d+)\)?(?![.,]?\d)", raised, "exponent", near=r"\^"),
        rule("math", r"\blog_(?P<base>\d+)\s?", log, "base of a logarithm", near=r"log_"),
    ]  # fmt: skip


def serials(language: Language) -> list[Rule]:
    """A letter beside a digit is said by its name: `A4`, `5G`, `F-16`; `COVID-19` loses its hyphen."""
    said = language.words

    def version(match: re.Match[str]) -> str:
        parts = f" {language.marks['.']} ".join(
            integer(part, language) for part in match["numbers"].split(".")
        )
        stage = (
            match["stage"] if match["stage"] in ("alpha", "beta", "dev") else language.spell(match["stage"])
        )
        number = f" {integer(match['number'], language)}" if match["number"] else ""
        return f"{said['version'] + ' ' if match['v'] else ''}{parts}, {stage}{number}"

    def long(match: re.Match[str]) -> str | None:
        if not (match["a"] or match["b"]):
            return None
        return (
            f"{language.spell(match['a'])} {digits(match['number'], language)} {language.spell(match['b'])}"
        )

    def lines(match: re.Match[str]) -> str:
        number = match["number"]
        words = house(number, language) if language.pairs else integer(number, language)
        return f"{words} {language.spell(match['letter'])}"

    triple = [
        rule("serial", r"(?<![\w.,])(?P<letter>[A-Z])[-.]?(?P<number>[1-9]\d\d)(?![\d]|[.,]\d|-\d)", lambda m: f"{language.spell(m['letter'])} {house(m['number'], language)}", "letter and three digits"),
    ] if language.pairs else []  # fmt: skip
    return [
        *triple,
        rule("serial", r"(?<![\w.])(?P<v>[vV])?(?P<numbers>\d+(?:\.\d+){1,3})-(?P<stage>alpha|beta|rc|dev|b|a)(?:\.?(?P<number>\d+))?(?![\w.-]\w|\w)", version, "version", near=r"\.\d+-"),
        rule("serial", r"(?<![\w.,])(?P<number>\d{3,4})(?P<letter>[pi])(?!\w)", lines, "lines of a picture", near=r"\d[pi]"),
        rule("serial", r"(?<![\w.,])(?P<a>[A-Z]?)-?(?P<number>\d{5,})-?(?P<b>[A-Z]?)(?![\w.,-]\w|\w)", long, "letter and long number"),
        rule("serial", r"(?<!\w)(?P<own>(?P<letter>[^\W\d_])-?|(?P<capital>[A-Z])\.)(?=\d)", lambda m: f"{language.spell(m['letter'] or m['capital'])} ", "letter before a number", near=r"[^\W\d_][.-]?\d"),
        rule("serial", r"(?<=[^\W\d_])(?P<own>-)(?=\d)", lambda m: " ", "hyphen before a number", near=r"-\d"),
        rule("serial", r"(?<=\d)(?P<own>-?(?P<letter>[^\W\d_ªº²³]))(?![^\W_]|')", lambda m: f" {language.spell(m['letter'])}", "letter behind a number", near=r"\d-?[^\W\d_]"),
    ]  # fmt: skip


def cardinals(language: Language) -> list[Rule]:
    """Every digit that is still there."""

    def one(match: re.Match[str]) -> str:
        before = match.string[max(0, match.start() - 30) : match.start()]
        after = match.string[match.end() : match.end() + 30]
        written = match["number"]
        alone = not before.rpartition("\n")[2].strip() and not after.partition("\n")[0].strip(" .")
        if alone and len(written) == 4 and "1010" <= written < "2100" and written.isdigit():
            return language.year(int(written))
        said = number_or_year(written, before, language, next_word(match), after)
        return minus(match, language) + said

    return [
        rule("cardinal", rf"(?P<minus>(?<![^\s(=?!,:;<>≤≥])-(?=\.?\d))?(?P<number>{NUMBER})", one, "number")
    ]  # fmt: skip
