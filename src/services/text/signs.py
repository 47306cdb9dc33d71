"""Signs: arithmetic, programming languages, identifiers, then everything a voice knows nothing of."""

import re

from src.services.text.language import Language, alternatives
from src.services.text.reading import Rule, rule


def rules(language: Language) -> list[Rule]:
    """What a sign means depends on the digits and letters beside it."""
    said = language.words

    def sign(pattern: str, name: str, near: str) -> Rule:
        """A sign that is said by its name."""
        spoken = f" {said.get(name) or language.symbols[name]} "
        return rule("sign", pattern, lambda _match: spoken, name, near)

    def pause(match: re.Match[str]) -> str:
        return ", " if match[1] in "-—–" else " "

    def plus_plus(match: re.Match[str]) -> str:
        return f"{language.spell(match[1])} {said['plus']} {said['plus']}"

    def pair(match: re.Match[str]) -> str | None:
        return match[0].replace("/", f" {said['or']} ") if match[0].lower() in language.either_or else None

    def underscores(match: re.Match[str]) -> str:
        return f" {' '.join([said['underscore']] * min(len(match[0]), 2))} "

    left, right = r"(?<=[\w)])\s?", r"\s?(?=[\w(-])"
    conjunctions = f"{said['and']}/{said['or']}|and/or|n?either/n?or|y/o|y/u|e/o|o/y"
    genders = [
        rule("sign", r"(?<!\w)(?:[a-zñáéíóú]{2,}@s?|l@s)(?!\w)", lambda m: m[0].replace("@", "o"), "@ for both genders", near=r"@"),
    ] if language.spanish_marks else []  # fmt: skip
    return [
        rule("sign", r"([^\w\s.,;:?!¿¡'\"(){}\[\]<>])\1{2,}", pause, "ornament", near=""),
        rule("sign", r"(?<![\w+#])([A-Za-z])\+\+(?![\w+])", plus_plus, "C++", near=r"\+\+"),
        rule("sign", r"(?<![\w+#])([A-Z])#(?!\w)", lambda m: f"{language.spell(m[1])} {said['sharp']}", "C#", near=r"#"),
        rule("sign", r"(?<!\w)[^\W\d_]{1,8}/[^\W\d_]{1,8}(?!\w|/)", pair, "one word or the other", near=r"/"),
        rule("sign", rf"(?i:\b(?:{conjunctions})\b)", lambda m: m[0].replace("/", " "), "conjunctions", near=r"/"),
        *genders,
        sign(r"(?<![\w#])(?P<own>#)\s?(?=\d)", "number", "#"),
        sign(r"(?<!\w)\.(?=NET\b)", "dot", r"\.NET"),
        sign(r"(?<=[a-zA-Z\d)])²", "squared", "²"),
        sign(r"(?<=[a-zA-Z\d)])³", "cubed", "³"),
        sign(r"(?<=[\w)])\s?\^\s?(?=[\w(-])", "power", r"\^"),
        sign(r"(?<=[\w)])\s?\*{1,2}\s?(?=[\d(])|(?<=\d)\s?\*\s?(?=\w)|(?<=\w)\*(?=\w)", "times", r"\*"),
        sign(r"(?<=[\w'\"″]) x (?=\d)|(?<=\d [cmkfiy][mtnd]) × (?=\d)|(?<=\d m) × (?=\d)|(?<=\d)x(?=\d)", "by", "[x×]"),
        sign(r"(?<=[\d)]) ?[-–] (?=[\d(])|(?<=\d)[-–](?=\d{1,15}\s?=)|(?<=[a-z]) - (?=[a-z\d]{1,9} =)", "minus", "[-–]"),
        sign(r"(?<=[a-z\d)])\s?/\s?(?=\()|(?<=\d) / (?=\d)|(?<=\d)/(?=\d{1,15}\s?=)", "divided", "/"),
        sign(r"(?:(?<=\s)|^)~\s?(?=\d)", "roughly", "~"),
        sign(r"<=|=<", "≤", "<"),
        sign(r">=", "≥", ">"),
        sign(r"!=", "≠", "!="),
        rule("sign", r"[-=]>|<[-=]", lambda _match: ", ", "arrow", near="[<>]"),
        sign(rf"{left}==?{right}", "equals", "="),
        sign(rf"{left}\+{right}|\+(?=\d)", "plus", r"\+"),
        sign(rf"{left}<{right}|<\s?(?=\d)", "less", "<"),
        sign(rf"{left}>{right}|>\s?(?=\d)", "greater", ">"),
        rule("sign", r"(?<=[^\W_])_+(?=[^\W_])|(?<!\w)_{1,2}(?=[^\W_])", underscores, "identifier", near=r"_"),
        rule("sign", r"(?<![\w/])[A-Z]{1,4}(?P<own>/)(?=[A-Z]{1,4}(?![\w/]))", lambda _match: " ", "capitals", near="/"),
        sign(r"(?<=[^\W_])/(?=[^\W_])", "slash", "/"),
        sign(r"\\(?=\w)", "backslash", r"\\"),
        rule("sign", alternatives(language.symbols), lambda m: f" {language.symbols[m[0]]} ", "single sign", near=""),
    ]  # fmt: skip


def soften(text: str) -> str:
    """After everything is said: lone quotes go, brackets and dashes become pauses."""
    text = re.sub(r"(?<!\w)'|'(?!\w)", " ", text)
    text = re.sub(r"[^\S\n]{2,}", " ", text)
    text = re.sub(r"\s[-–—]+\s|\s[–—-]+(?=\w)|(?<=\w)[–—-]+\s|[–—]|--+", ", ", text)
    return re.sub(r"[(){}\[\]|]+", ", ", text)
