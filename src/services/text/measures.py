"""Measures: a number and a unit, `5 km`, `21 °C`, `100 km/h`, `16GB`, `50%`, sizes, heights, directions."""

import re

from src.services.text import units
from src.services.text.language import Count, Language, Noun, alternatives, words
from src.services.text.numbers import NUMBER, Value, counted, integer, minus, number, say, spoken
from src.services.text.reading import Rule, rule, stop

# means nothing else when no number is before it
_PLAIN_UNIT = re.compile(r"k[mg]|[cm]m|m[gl]|[GMT]B|kWh|[kMG]Hz|km/h|m/s|[kcm]?m[²³]|°[CF]|mg/dL|kg/m[²³]")
_DASH = r"\s?[-–]\s?"
_SINGULAR_BEFORE = re.compile(r"(?:\b(?:per|por|cada|each|un|el|the|a|one)\s)$", re.IGNORECASE)
_ADJECTIVE_AFTER = re.compile(r"\s([A-Za-z]{2,})\b")
_PLURAL = re.compile(r"(?!goes$)[a-z]{2,}[^s]s")
_TECHNICAL = words("V W kW GB TB MB MHz GHz mAh MP mm cc Mbps")
"""Units that stand before their noun without an article, too: `12V battery`."""
_LEAST_PAIR = 10
_DENOMINATORS = frozenset({10, 12, 16, 32, 64, 100, 1000})
"""Behind a number that is larger, only these from the first on divide a unit: `220/110 V` is no fraction."""
_RATE = re.compile(r"[kKMG]b(?:ps|/s)?")
"""Units of a line: a slash between two numbers means down and up, `100/50 Mbps`."""
_SPACED = words("A B t ac AU ly bar lx lm kn kt ct atm")


def per(match: re.Match[str], language: Language) -> str:
    """The end of a match with a group `per`: `/kg` by the unit's name; any other word (`/month`) follows by itself."""
    written = match.groupdict().get("per")
    if not written:
        return ""
    return f" {units.per_name(written[1:], language)}" if written[1:] else f" {language.words['per']} "


def adjective(match: re.Match[str], language: Language) -> bool:
    """Whether a measure stands before its noun: `a 27 inch monitor`."""
    groups = match.groupdict()
    if not language.adjective_before or groups.get("per"):
        return False
    before = match.string[max(0, match.start() - 10) : match.start()]
    if groups.get("gap") == "-":  # `a 64-bit number`
        return True
    technical = groups.get("mark") or (groups.get("unit") in _TECHNICAL and groups.get("gap") != " ")
    if re.match(rf"\s(?:{language.adjective_after})(?!\w)", match.string[match.end() :]):
        return True
    several = re.search(rf"(?i)\b(?:{language.several})\s$", before)
    if not technical and not several and not re.search(rf"(?i)\b(?:{language.adjective_before})\s$", before):
        return False
    after = _ADJECTIVE_AFTER.match(match.string, match.end())
    if several and not technical:  # `ten $5 bills`, but `of every ten $3 goes to rent`
        return bool(after and _PLURAL.fullmatch(after[1]))
    return bool(after and after[1].lower() not in language.adjective_never)


def rules(language: Language) -> list[Rule]:  # noqa: PLR0915 - one function a form
    said = language.words
    unit = f"(?P<unit>{units.pattern(language)})"
    never = language.hectare_never_before
    verb = re.compile(rf"\s(?:{never})(?!\w)") if never else None
    inch, foot_noun = units.noun("in", language), units.noun("ft", language)

    def counted_unit(match: re.Match[str], written: str, name: Noun) -> str:
        words = counted(number(written, language), name, language)
        if adjective(match, language) and words.endswith(name.many):
            words = words.removesuffix(name.many) + name.one
        return words

    def one(match: re.Match[str]) -> str | None:
        written = match["unit"].rstrip(".")
        spaced = match["gap"]
        if spaced != " " and written in _SPACED:
            return None
        if written == "ha" and verb and verb.match(match.string, match.end()):
            return None  # `en 1990 ha sido`
        dotted = re.match(r"\.\w", match.string[match.end() :][:2])
        if written == "B" and (dotted or not match["number"].isdigit()):
            return None  # `44 B.C.`
        words = counted_unit(match, match["number"], units.noun(written, language))
        if match["low"]:  # a range: 3-5 km
            words = f"{spoken(match['low'], language)} {said['to']} {words}"
        return minus(match, language) + words + stop(match)

    def per_many(match: re.Match[str]) -> str:
        top = counted_unit(match, match["number"], units.noun(match["unit"], language))
        below = counted_unit(match, match["count"], units.noun(match["below"], language))
        return f"{top} {said['per']} {below}"

    def full_range(match: re.Match[str]) -> str:
        return f"{spoken(match['low'], language)} {said['to']} {counted_unit(match, match['number'], units.noun(match['unit'], language))}"

    def part(match: re.Match[str]) -> str | None:
        top, bottom = int(match["top"]), int(match["bottom"])
        rates = top >= _LEAST_PAIR and _RATE.fullmatch(match["unit"])
        larger = top >= bottom >= _LEAST_PAIR and bottom not in _DENOMINATORS
        if match["unit"] and not match["whole"] and (rates or larger):
            noun = units.noun(match["unit"].rstrip("."), language)
            pair = f"{integer(match['top'], language)} {said['slash']} {integer(match['bottom'], language)}"
            return f"{minus(match, language)}{pair} {noun.many}{stop(match)}"
        if not top or bottom < 2 or not language.fraction(top, bottom):
            return None
        if _closes_quotation(match):
            return None
        name = inch if match["mark"] else units.noun(match["unit"].rstrip("."), language)
        words = whole_and_part(match["whole"], top, bottom, name, adjective(match, language))
        return minus(match, language) + words + stop(match)

    def whole_and_part(whole: str | None, top: int, bottom: int, name: Noun, before_noun: bool) -> str:
        if not whole and before_noun:  # `a 1/4" bolt`
            return f"{language.fraction(top, bottom)} {name.one}"
        if not whole:
            return language.fraction_of(top, bottom, name)
        if not language.half_behind:
            noun = name.one if before_noun else name.many
            return language.mixed(integer(whole, language), top, bottom, noun)
        if (top, bottom) == (1, 2):  # `un litro y medio`
            head, per_, below = counted(Value(whole, "", ""), name, language).partition(f" {said['per']} ")
            return f"{head} y medi{'a' if name.feminine else 'o'}{per_}{below}"
        return f"{integer(whole, language, Count(name.feminine))} y {language.fraction_of(top, bottom, name)}"

    def size(match: re.Match[str]) -> str | None:
        if re.match(r"\s?=", match.string[match.end() :]):
            return None
        numbers = re.split(r"[\"″']?\s?[x×]\s?", match["numbers"].rstrip("\"″'"))
        words = [_in_size(number, language) for number in numbers]
        if match["numbers"].endswith("'"):
            return f" {foot_noun.many} {said['by']} ".join(words) + f" {foot_noun.many}"
        if match["numbers"].endswith(('"', "″")):
            return f" {said['by']} ".join(words) + f" {inch.one if adjective(match, language) else inch.many}"
        if match["unit"]:
            name = units.noun(match["unit"].rstrip("."), language)
            if "/" in numbers[-1]:
                words[-1] += f" {name.many}"
            else:
                words[-1] = counted(number(numbers[-1], language), name, language)
        elif "×" in match["numbers"] and not all(len(number) > 2 for number in numbers):
            return None  # a product
        return f" {said['by']} ".join(words) + (stop(match) if match["unit"] else "")

    def over(match: re.Match[str]) -> str:
        top, bottom = integer(match["top"], language), integer(match["bottom"], language)
        unit = f" {units.noun(match['unit'], language).many}" if match["unit"] else ""
        return f"{top} {said['over']} {bottom}{unit}"

    def height(match: re.Match[str]) -> str:
        feet, inches = match["feet"], match["inches"]
        tall = re.match(r"\s(?:tall|high|alto|alta)\b", match.string[match.end() :])
        foot = foot_noun.one if feet == "1" or tall else foot_noun.many
        return f"{integer(feet, language, Count(before_noun=True))} {foot} {integer(inches, language)}"

    def inches(match: re.Match[str]) -> str | None:
        return None if _closes_quotation(match) else counted_unit(match, match["number"], inch) + stop(match)

    def direction(match: re.Match[str]) -> str:
        parts = [counted(number(match["number"], language), units.noun("°", language), language)]
        parts += [f"{spoken(match[g], language)} {said[g]}" for g in ("minutes", "seconds") if match[g]]
        if match["point"]:
            parts.append(language.points[match["point"]])
        return minus(match, language) + " ".join(parts)

    def factor(match: re.Match[str]) -> str:
        return counted(number(match["number"], language), language.factor, language)

    def alone(match: re.Match[str]) -> str | None:
        after = match.string[match.end() :][:4]
        if match["unit"] in language.abbreviations.numbered and re.match(r"\.\s?\d", after):
            return None  # `en el km. 5`
        name = units.noun(match["unit"], language)
        before = match.string[max(0, match.start() - 8) : match.start()]
        return name.one if re.match(r"\s\d", after) or _SINGULAR_BEFORE.search(before) else name.many

    left = r"(?:(?<![\w.,/])(?<!\b[^\W\d_]-)|(?<=\bc/))(?P<minus>-(?=\.?\d))?"
    dot = r"(?:(?<=[^\W\d_])\.)?"
    end = r"(?![\w/²³]|\^\d)"
    amount = rf"(?P<number>{NUMBER})"
    side = rf"(?:(?:\d{{1,3}} )?\d/(?:[2-9]|[1-9]\d)(?!\d)|{NUMBER})"
    plain = alternatives(
        {u for u in units.simple(language) if _PLAIN_UNIT.fullmatch(u)}
        | {"km/h", "m/s", "km²", "m²", "cm²", "m³", "cm³"}
    )
    return [
        rule("measure", r"(?<![\w.,'])(?P<feet>\d)'\s?(?P<inches>\d{1,2})(?:\"|″|'')", height, "feet and inches", "'"),
        rule("measure", rf"{left}{amount}\s?[°º]\s?(?:(?P<minutes>\d{{1,2}})'\s?(?:(?P<seconds>\d{{1,2}}(?:[.,]\d+)?)(?:[\"″]|'')\s?)?)?(?P<point>{alternatives(language.points)})(?!\w|\.\w)", direction, "point of the compass", "[°º]"),
        rule("measure", rf"{left}{amount}\s?°\s?(?P<minutes>\d{{1,2}})'\s?(?:(?P<seconds>\d{{1,2}}(?:[.,]\d+)?)(?:[\"″]|'')\s?)?(?P<point>)", direction, "minutes of arc", "°"),
        rule("measure", rf"(?<![\w.,/])(?P<top>\d{{2,3}})/(?P<bottom>\d{{2,3}})\s?(?P<unit>mm\s?Hg){end}", over, "blood pressure", "Hg"),
        rule("measure", rf"(?i:\b(?:{language.pressure_before}):?\s)(?P<own>(?P<top>\d{{2,3}})/(?P<bottom>\d{{2,3}})(?P<unit>))(?![\w/]|[.,]\d)", over, "blood pressure behind a word", r"\d/\d"),
        rule("measure", rf"(?<![\w.,/])(?P<numbers>{side}(?:[\"″']?\s?[x×]\s?{side}){{1,3}}[\"″']?)(?:\s?(?P<unit>in|{units.pattern(language)}){dot}{end})?(?![\w×]|\sx\s)", size, "size", r"\d[\"″']?\s?[x×]\s?\d"),
        rule("measure", rf"{left}(?:(?P<whole>\d{{1,4}})[\s-])?(?P<top>\d{{1,3}})/(?P<bottom>\d{{1,3}})\s?(?P<mark>[\"″])(?P<unit>)(?!\w)", part, "fraction of an inch", r"\d/\d"),
        rule("measure", rf"{left}(?:(?P<whole>\d{{1,4}})[\s-])?(?P<top>1000|\d{{1,3}})/(?P<bottom>\d{{1,4}})\s?(?P<mark>)(?P<unit>in\.|in(?=$|[,;)\n])|{units.pattern(language)}){dot}{end}", part, "fraction and unit", r"\d/\d"),
        rule("measure", rf"(?<![\w.,/])(?P<low>{NUMBER})\s?(?P<unit0>{units.pattern(language)}){_DASH}{amount}\s?(?P<unit>(?P=unit0)){end}", full_range, "range", "[-–]"),
        rule("measure", rf"{left}{amount}\s?{unit}/(?P<count>\d{{2,4}})\s?(?P<below>{units.pattern(language)}){end}", per_many, "so much for so many", r"/\d"),
        rule("measure", rf"{left}(?:(?P<low>{NUMBER})\s?°?{_DASH})?{amount}(?P<gap>[\s-]?){unit}{dot}{end}", one, "number and unit"),
        rule("measure", rf"(?<![\w.,/]){amount}(?P<per>/(?:{alternatives(u for u in {**units.simple(language), **language.per_names} if len(u) > 1 or u == 's')})){end}", lambda m: f"{say(number(m['number'], language), language)}{per(m, language)}", "rate", r"\d/"),
        rule("measure", rf"(?<![\w.,/]){amount}(?P<mark>\"|″|'')(?!\w)", inches, "inches", "[\"″']"),
        rule("measure", r"(?<=ft )(?P<number>\d{1,2})\s?(?P<mark>)in\b(?:\.(?!\s?[A-Z]|\w))?", inches, "inches in letters", r"\d\s?in\b"),
        rule("measure", r"(?<![\w.,'])(?P<number>\d{1,2})'(?=\s(?:wide|long|tall|high|deep|thick|diameter|across)\b)", lambda m: counted_unit(m, m["number"], foot_noun), "feet and inches", "'"),
        rule("measure", rf"(?<![\w.,/]){amount}\s?(?P<mark>)in(?:\.(?!\s?[A-Z]|\w)|(?=\s(?:wide|long|tall|high|deep|thick|diameter|across)\b))", inches, "inches in letters", r"\d\s?in\b"),
        rule("measure", rf"(?<![\w.,/]){amount}[x×](?=\s[a-záéíóúñ])", factor, "factor", r"\d[x×]"),
        rule("measure", rf"(?<![\w/]) ?(?P<own>(?P<unit>{plain}))(?![\w/²³])", alone, "unit without a number", ""),
    ]  # fmt: skip


def _in_size(written: str, language: Language) -> str:
    """Picture sizes are read in pairs in English: `1920` is `nineteen twenty`."""
    if language.pairs and re.fullmatch(r"[1-9]\d{3}", written):
        return language.year(int(written))
    if "/" in written:
        whole, _, part = written.rpartition(" ")
        top, bottom = map(int, part.split("/"))
        words = language.fraction(top, bottom)
        return language.mixed(integer(whole, language), top, bottom, "") if whole else words
    return spoken(written, language)


def _closes_quotation(match: re.Match[str]) -> bool:
    """Whether the mark behind a number ends a quotation: one was opened before, and is open still."""
    mark = match["mark"]
    before = match.string[: match.start()].rpartition("\n")[2]
    opened = [found.end() for found in re.finditer(rf"(?:^|[\s(¿¡]){mark}", before)]
    return mark not in ("", "″") and bool(opened) and mark not in before[opened[-1] :]
