"""Signs: arithmetic, programming languages, identifiers, then everything a voice knows nothing of."""

import re

from src.services.text.language import Language, alternatives

_RUN = re.compile(r"([^\w\s.,;:?!¿¡'\"(){}\[\]])\1{2,}")
_IDENTIFIER = re.compile(r"(?<=[^\W_])(_+)(?=[^\W_])")


def expand_symbols(text: str, language: Language) -> str:
    """Before the numbers are said: what a sign means depends on the digits and letters beside it."""
    said = language
    text = _RUN.sub(lambda m: " " if m[1] not in "-—–" else ", ", text)  # ornaments: ====, ~~~~, ----
    # C++, C#, g++
    text = re.sub(
        r"(?<![\w+#])([A-Za-z]|[a-z]{1,3})\+\+(?![\w+])",
        lambda m: f"{_name(m[1], said)} {said.plus} {said.plus}",
        text,
    )
    text = re.sub(r"(?<![\w+#])([A-Z])#(?!\w)", lambda m: f"{_name(m[1], said)} {said.sharp}", text)
    text = re.sub(r"(?<![\w#])#\s?(?=\d)", f"{said.number_sign} ", text)
    text = re.sub(r"(?<!\w)\.(?=NET\b)", f"{said.dot} ", text)
    text = re.sub(r"(?<=[A-Za-z])\.(?=js\b)", f" {said.dot} ", text)
    # arithmetic
    text = re.sub(r"(?<=[\w)])\s?\^\s?2(?!\d)", f" {said.squared}", text)
    text = re.sub(r"(?<=[\w)])\s?\^\s?3(?!\d)", f" {said.cubed}", text)
    text = re.sub(r"(?<=[\w)])\s?\^\s?(?=[\w(-])", f" {said.power} ", text)
    text = re.sub(r"(?<=[a-zA-Z\d)])²", f" {said.squared}", text)
    text = re.sub(r"(?<=[a-zA-Z\d)])³", f" {said.cubed}", text)
    text = re.sub(
        r"(?<=[\w)])\s?\*{1,2}\s?(?=[\d(])|(?<=\d)\s?\*\s?(?=\w)|(?<=\w)\*(?=\w)", f" {said.times} ", text
    )
    text = re.sub(r"(?<=\d)(?: x |x)(?=\d)", f" {said.times} ", text)
    text = re.sub(r"(?<=[\d)]) [-–] (?=[\d(])", f" {said.minus} ", text)
    text = re.sub(
        r"(?<=[a-z\d)])\s?/\s?(?=\()|(?<=\d) / (?=\d)|(?<=\d)/(?=\d{1,15}\s?=)", f" {said.divided} ", text
    )
    text = re.sub(r"(?:(?<=\s)|^)~\s?(?=\d)", f"{said.roughly} ", text)
    text = re.sub(r"<=|=<", "≤", text)
    text = re.sub(r">=", "≥", text)
    text = re.sub(r"!=", "≠", text)
    text = re.sub(r"[-=]>|<[-=]", ", ", text)
    text = re.sub(r"(?<=[\w)])\s?==?\s?(?=[\w(-])", f" {said.equals} ", text)
    text = re.sub(r"(?<=[\w)])\s?\+\s?(?=[\w(-])", f" {said.plus} ", text)
    text = re.sub(r"(?<=[\w)])\s?<\s?(?=[\w(-])|<(?=\d)", f" {said.less} ", text)
    text = re.sub(r"(?<=[\w)])\s?>\s?(?=[\w(-])|>(?=\d)", f" {said.greater} ", text)
    # names in programs
    text = _IDENTIFIER.sub(lambda m: f" {' '.join([said.underscore] * min(len(m[1]), 2))} ", text)
    text = re.sub(
        r"(?<!\w)(_{1,2})(?=[^\W_])|(?<=[^\W_])(_{1,2})(?!\w)",
        lambda m: f" {' '.join([said.underscore] * len(m[0]))} ",
        text,
    )
    text = re.sub(r"(?<=[^\W_])/(?=[^\W_])", f" {said.slash} ", text)
    return re.sub(r"(?<=\w)?\\(?=\w)", f" {said.backslash} ", text)


def name_signs(text: str, language: Language) -> str:
    """After the numbers are said: signs with a name get it, brackets become pauses."""
    names = language.symbols
    text = re.sub(alternatives(tuple(names)), lambda m: f" {names[m[0]]} ", text)
    text = re.sub(r"(?<!\w)'|'(?!\w)", " ", text)
    text = re.sub(r"[^\S\n]{2,}", " ", text)
    text = re.sub(r"\s[-–—]+\s|\s[–—-]+(?=\w)|(?<=\w)[–—-]+\s|[–—]|--+", ", ", text)
    return re.sub(r"[(){}\[\]|]+", ", ", text)


def _name(letter: str, language: Language) -> str:
    return language.spell(letter) if len(letter) == 1 else letter
