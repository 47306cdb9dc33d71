"""Signs: arithmetic, programming languages, identifiers, then everything a voice knows nothing of."""

import re

from src.services.text.language import Language, alternatives
from src.services.text.reading import Rule, rule

_RUN = r"([^\w\s.,;:?!¿¡'\"(){}\[\]<>])\1{2,}"


def rules(language: Language) -> list[Rule]:
    """What a sign means depends on the digits and letters beside it."""
    said = language.words

    def word(name: str) -> str:
        return f" {said[name]} "

    def letters(match: re.Match[str]) -> str:
        return f"{_name(match['own'].rstrip('+'), language)} {said['plus']} {said['plus']}"

    def pair(match: re.Match[str]) -> str | None:
        if match[0].lower() not in language.either_or:
            return None
        left, right = match[0].split("/")
        return f"{left} {said['or']} {right}"

    def underscores(match: re.Match[str]) -> str:
        return f" {' '.join([said['underscore']] * min(len(match['own']), 2))} "

    left, right = r"(?<=[\w)])\s?", r"\s?(?=[\w(-])"
    patterns: list[tuple[str, str, str, str]] = [
        (r"(?<![\w#])(?P<own>#)\s?(?=\d)", "number", "#", "#"),
        (r"(?<!\w)(?P<own>\.)(?=NET\b)|(?<=[A-Za-z])\.(?=js\b)", "dot", "dot of a name", r"\."),
        (r"(?<=[\w)])\s?\^\s?2(?!\d)|(?<=[a-zA-Z\d)])²", "squared", "square", r"[\^²]"),
        (r"(?<=[\w)])\s?\^\s?3(?!\d)|(?<=[a-zA-Z\d)])³", "cubed", "cube", r"[\^³]"),
        (r"(?<=[\w)])\s?\^\s?(?=[\w(-])", "power", "^", r"\^"),
        (r"(?<=[\w)])\s?\*{1,2}\s?(?=[\d(])|(?<=\d)\s?\*\s?(?=\w)|(?<=\w)\*(?=\w)", "times", "*", r"\*"),
        (r"(?<=[\w'\"″]) x (?=\d)|(?<=\d [cmkfiy][mtnd]) × (?=\d)|(?<=\d m) × (?=\d)|(?<=\d)x(?=\d)", "by", "x between numbers", "[x×]"),
        (r"(?<=[\d)]) ?[-–] (?=[\d(])|(?<=\d)[-–](?=\d{1,15}\s?=)|(?<=[a-z]) - (?=[a-z\d]{1,9} =)", "minus", "subtraction", "[-–]"),
        (r"(?<=[a-z\d)])\s?/\s?(?=\()|(?<=\d) / (?=\d)|(?<=\d)/(?=\d{1,15}\s?=)", "divided", "division", "/"),
        (r"(?:(?<=\s)|^)~\s?(?=\d)", "roughly", "~", "~"),
        (r"<=|=<|≤", "≤", "≤", "[<≤]"),
        (r">=|≥", "≥", "≥", "[>≥]"),
        (r"!=|≠", "≠", "≠", "[!≠]=?"),
        (r"[-=]>|<[-=]", ", ", "arrow", "[<>]"),
        (rf"{left}==?{right}", "equals", "=", "="),
        (rf"{left}\+{right}|\+(?=\d)", "plus", "+", r"\+"),
        (rf"{left}<{right}|<\s?(?=\d)", "less", "<", "<"),
        (rf"{left}>{right}|>\s?(?=\d)", "greater", ">", ">"),
    ]  # fmt: skip
    names = {**said, **{sign: language.symbols[sign] for sign in "≤≥≠"}, ", ": ", "}
    found = [
        Rule("sign", re.compile(pattern), lambda _m, name=name: f" {names[name]} ", label, near)  # type: ignore[misc]
        for pattern, name, label, near in patterns
    ]  # fmt: skip
    ornaments = Rule(
        "sign", re.compile(_RUN), lambda m: " " if m[1] not in "-—–" else ", ", "ornament", near=""
    )
    programs = [
        rule("sign", r"(?<![\w+#])(?P<own>(?:[A-Za-z]|[a-z]{1,3})\+\+)(?![\w+])", letters, "C++", near=r"\+\+"),
        rule("sign", r"(?<![\w+#])([A-Z])#(?!\w)", lambda m: f"{_name(m[1], language)} {said['sharp']}", "C#", near=r"#"),
        rule("sign", r"(?<!\w)[^\W\d_]{1,8}/[^\W\d_]{1,8}(?!\w|/)", pair, "one word or the other", near=r"/"),
    ]  # fmt: skip
    conjunctions = f"{said['and']}/{said['or']}|and/or|n?either/n?or|y/o|y/u|e/o|o/y"
    genders = [rule("sign", r"(?<!\w)(?:[a-zñáéíóú]{2,}@s?|l@s)(?!\w)", lambda m: m[0].replace("@", "o"), "@ for both genders", near=r"@")] if language.spanish_marks else []  # fmt: skip
    tail = [
        *genders,
        rule("sign", rf"(?i:\b(?:{conjunctions})\b)", lambda m: m[0].replace("/", " "), "conjunctions", near=r"/"),
        rule("sign", r"(?<=[^\W_])(?P<own>_+)(?=[^\W_])", underscores, "identifier", near=r"_"),
        rule("sign", r"(?<!\w)(?P<own>_{1,2})(?=[^\W_])|(?<=[^\W_])_{1,2}(?!\w)", lambda m: f" {' '.join([said['underscore']] * len(m[0]))} ", "identifier", near=r"_"),
        rule("sign", r"(?<![\w/])[A-Z]{1,4}(?P<own>/)(?=[A-Z]{1,4}(?![\w/]))", lambda _m: " ", "capitals", near="/"),
        rule("sign", r"(?<=[^\W_])/(?=[^\W_])", lambda _m: word("slash"), "slash", near=r"/"),
        rule("sign", r"\\(?=\w)", lambda _m: word("backslash"), "backslash", near=r"\\"),
    ]  # fmt: skip
    single = re.compile(alternatives(language.symbols))
    return [ornaments, *programs[:2], programs[2], *tail[:1], *found, *tail[1:],
            Rule("sign", single, lambda m: f" {language.symbols[m[0]]} ", "single sign", near="")]  # fmt: skip


def soften(text: str) -> str:
    """After everything is said: lone quotes go, brackets and dashes become pauses."""
    text = re.sub(r"(?<!\w)'|'(?!\w)", " ", text)
    text = re.sub(r"[^\S\n]{2,}", " ", text)
    text = re.sub(r"\s[-–—]+\s|\s[–—-]+(?=\w)|(?<=\w)[–—-]+\s|[–—]|--+", ", ", text)
    return re.sub(r"[(){}\[\]|]+", ", ", text)


def _name(letter: str, language: Language) -> str:
    return language.spell(letter) if len(letter) == 1 else letter
