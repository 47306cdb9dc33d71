"""Roman numerals, only where they can be nothing else: `Chapter IV`, `Louis XIV`, `siglo XXI`, `VIII`."""

import re
from functools import partial

from src.services.text.language import PLAIN, Language, alternatives
from src.services.text.reading import Rule, rule

_ROMAN = r"(?=[IVXLCDM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_SMALL = r"(?<![^\W_])[ivx]{2,}(?![^\W_])"
_RANKED = re.compile(r"\s\w{3,}ed\s([a-z]+)")
_numeral = partial(rule, "roman", near=r"(?<![^\W_])[IVXLCDM]+(?![^\W_])")


def value(numeral: str) -> int:
    """`XIV` -> 14."""
    total = 0
    numeral = numeral.upper()
    for this, following in zip(numeral, [*numeral[1:], ""], strict=True):
        worth = _VALUES[this]
        total += -worth if following and worth < _VALUES[following] else worth
    return total


def rules(language: Language) -> list[Rule]:
    joints = f"{language.words['and']}|{language.words['to']}|al|and|y|a"
    joints = f"{joints}|{joints.upper()}"
    capitals = "|".join(noun for noun in language.roman_after.split("|") if "." not in noun).upper()
    after = rf"{language.roman_after}|{capitals}|(?i:{alternatives(language.abbreviations.numbered)})\."
    numbered = re.compile(language.numbered_nouns, re.IGNORECASE)
    verb = re.compile(rf"\s(?i:{language.verb_after})(?!\w)")
    rank = re.compile(language.ranked_nouns, re.IGNORECASE)
    known_before = re.compile(rf"(?i:\b(?:{language.known_before})\s(?:\w+\s)?)$")
    never = rf"(?!(?:{language.roman_never_before})(?!\w))" if language.roman_never_before else ""
    clause = re.compile(rf"\s(?i:{language.clause_after})(?!\w)") if language.clause_after else None

    def cardinal(match: re.Match[str]) -> str:
        return language.cardinal(value(match["roman"]), PLAIN)

    def behind_noun(match: re.Match[str]) -> str | None:
        noun = match[0][: match.start("own") - match.start() - 1]
        pronoun = match["roman"] == "I" and (noun[0].islower() or noun.isupper()) and clause
        if not pronoun or not pronoun.match(match.string, match.end()):
            return cardinal(match)
        if numbered.fullmatch(noun) and verb.match(match.string, match.end()):
            return cardinal(match)
        return cardinal(match) if rank.fullmatch(noun) and ranked(match) else None

    def ranked(match: re.Match[str]) -> bool:
        """Whether a participle and a noun follow: `a level I certified center`, but not `the class I attended` nor `a class I attended in May`."""
        before = match.string[max(0, match.start() - 20) : match.start()]
        after = _RANKED.match(match.string, match.end())
        return bool(after and after[1] not in language.adjective_never and not known_before.search(before))

    def several(match: re.Match[str]) -> str:
        words = re.sub(
            rf"(?i:(?<!\w){_ROMAN}(?!\w))",
            lambda m: f" {language.cardinal(value(m[0]), PLAIN)} ",
            match["own"],
        )
        return re.sub(r"\s?[-–]\s?", f" {language.words['to']} ", words).lower()

    def ruler(match: re.Match[str]) -> str:
        return language.regnal(value(match["roman"]), match["name"])

    def ordinal(match: re.Match[str]) -> str:
        noun = match["noun"].lower()
        article = match.groupdict().get("article")
        feminine = (
            article.lower() in ("la", "las") if article else noun.endswith(("a", "as", "ión", "re", "ura"))
        )
        mark = "ª" if feminine else "º"
        return language.say_ordinal(value(match["roman"]), mark + "s" * noun.endswith("s"), noun)

    def year(match: re.Match[str]) -> str:
        return language.year(value(match["roman"]))

    # `Appendix C`, `Plan D`: these letters alone are letters
    number = rf"(?![CDLM](?!\w)){_ROMAN}"
    # one letter is a letter, `page xx` has no number yet, and `vi` is a word of Spanish, and an editor
    guard = r"(?!vi(?!i))" if language.roman_before else r"(?!(?<=[Tt]ype\s)vi(?!\w))"
    small = rf"(?=[ivx]{{2}})(?!x+(?!\w)){guard}(?i:{_ROMAN})"
    found = [
        _numeral(rf"\b(?P<name>{language.roman_names})\s(?P<own>(?P<roman>{_ROMAN}))(?![\w.-]\w|\w|'(?!s\b)\w)", ruler, "ruler"),
        _numeral(rf"\b(?:{after})\s(?P<own>{number}(?!\w)(?:\s?(?:[-–,]|(?<!\w)(?:{joints})(?!\w))\s?(?!I\b(?!\.)){_ROMAN}(?!\w)){{1,3}})(?![\w'])(?!-\w)", several, "several behind a noun"),
        _numeral(rf"\b(?:{after})\s(?P<own>(?P<roman>{number}))(?![\w'-])", behind_noun, "behind a noun"),
    ]  # fmt: skip
    if language.roman_before:
        nouns = rf"{language.roman_before}|[a-záéíóúñ]{{4,}}|[A-ZÁÉÍÓÚÑ][a-záéíóúñ]{{3,}}"
        found += [
            _numeral(r"(?i:\bsiglos\s)(?P<own>[ivx]+(?!\w)(?:\s?(?:[-–,]|(?<!\w)(?:y|al?)(?!\w))\s?[ivx]+(?!\w)){1,3})(?![\w'-])", several, "centuries in small letters", near="[sS]iglo"),
            _numeral(r"(?i:\bsiglos?\s)(?P<own>(?P<roman>[ivx]+))(?!\w)", cardinal, "century in small letters", near="[sS]iglo"),
            _numeral(r"(?i:\baño\s)(?P<own>(?P<roman>(?=m)[mdclxvi]{4,}))(?!\w)", cardinal, "year in small letters", near="[aA]ño"),
            _numeral(rf"(?<![\w.])(?P<own>(?P<roman>(?=[IVXL]{{1,6}}\s){_ROMAN}))(?=\s(?P<noun>{language.roman_before})(?!\w))", ordinal, "before a noun"),
            _numeral(rf"(?i:\b(?P<article>el|la|del|al|los|las)\s)(?P<own>(?P<roman>(?=[IVX]{{2,6}}\s{never}){_ROMAN}))(?=\s(?P<noun>{nouns})(?!\w))", ordinal, "before a noun"),
        ]  # fmt: skip
    # with three letters or more of these nothing but a numeral is meant; two are said so only in context
    return [
        *found,
        _numeral(rf"\b(?:{after})\s(?P<own>{small}(?!\w)(?:\s?(?:[-–,]|(?<!\w)(?:{joints})(?!\w))\s?{small}(?!\w)){{1,3}})(?![\w'])(?!-\w)", several, "several in small letters", near=_SMALL),
        _numeral(rf"\b(?:{after})\s(?P<own>(?P<roman>{small}))(?![\w'-])", cardinal, "in small letters", near=_SMALL),
        _numeral(rf"(?<![\w.&'/-])(?P<own>(?P<roman>(?=M\w{{3}}){_ROMAN}))(?![\w&/+#-])", year, "year"),
        _numeral(r"(?<![\w.])(?P<name>[A-ZÁÉÍÓÚÑ][a-záéíóúñ]{2,}) (?P<own>(?P<roman>II|IV|VI|IX|XI|XIV|XV|XVI))(?![\w.&'/+#-]\w|\w)", cardinal, "behind a name"),
        _numeral(r"(?<![\w.&'/-])(?P<own>(?!XXX?\b)(?P<roman>(?=[IVX]{3})X{0,3}(?:IX|IV|V?I{1,3}|V)?))(?![\w&/+#-])", cardinal, "nothing else"),
    ]  # fmt: skip
