"""Units: prefixes and bases, what is written in another case, powers, and one unit per another."""

import re
from functools import lru_cache

from src.services.text.language import Language, Noun, alternatives, table, words

_PREFIXES = {
    "p": "pico", "n": "nano", "µ": "micro", "m": "milli", "c": "centi", "d": "deci", "h": "hecto", "k": "kilo",
    "K": "kilo", "M": "mega", "G": "giga", "T": "tera", "P": "peta", "Ki": "kibi", "Mi": "mebi", "Gi": "gibi",
    "Ti": "tebi",
}  # fmt: skip
_USED = table(
    """
    m: n µ m c d k; g: µ m c k; l: µ m c d h; L: µ m c d; s: n µ m; Hz: k M G T; W: m k M G T
    V: m k M; A: m; Ω: k M
    J: k M; N: k; Pa: h k M G; B: k K M G T P Ki Mi Gi Ti; b: M G; bit: k M G; bps: k K M G T
    eV: k M G; Wh: k M G T
    Ah: m; cal: k; F: n µ p; mol: m µ; Sv: m µ; t: k M; Bq: k M
    """
)
"""Prefixes that people write with a base."""

_ALONE = words("m g l L s W V A t B Hz Pa Ω bps mol Sv eV Wh Ah cal bit Bq")
"""Bases that mean a unit without a prefix."""

_NO_CAPITALS = words(
    """
    mi mo ct ac ha bar cal ms pt pts hab ud u doc sem ly nm ns gal in in. min mins sec as id
    """
)
"""Units whose capitals are something else."""

_TEMPERATURE = r"[°º]\s?[CFKcfk](?!\w)"
_POWER = r"(?:[²³]|\^[23]|[23](?!\w|[.,]\d))"


@lru_cache(maxsize=64)
def simple(language: Language) -> dict[str, Noun]:
    """Every unit without power or slash, by its written form."""
    found = {symbol: noun for symbol, noun in language.bases.items() if symbol in _ALONE}
    for base, prefixes in _USED.items():
        noun = language.bases[base]
        for prefix in prefixes.split():
            name = _PREFIXES[prefix]
            found[prefix + base] = Noun(
                language.prefix(name, noun.one), language.prefix(name, noun.many), noun.feminine
            )
    found.update(language.units)
    for symbol in list(found):
        if len(symbol) > 1 and symbol.isalpha() and symbol.lower() not in _NO_CAPITALS:
            for form in (symbol.lower(), symbol.upper(), symbol.capitalize()):
                found.setdefault(form, found[symbol])
    for symbol in ("km", "cm", "kg", "mg", "ml", "mm", "gr", "seg"):
        if symbol in found:
            found.setdefault(f"{symbol}s", found[symbol])
    for symbol in ("kb", "mb", "gb", "tb"):
        found[symbol] = found[symbol[0].upper() + "B"]
    return found


@lru_cache(maxsize=64)
def pattern(language: Language) -> str:
    """A regular expression for a unit, powers and `per` included."""
    names = alternatives(name for name in simple(language) if name not in ("in",))
    per = alternatives([*simple(language), *language.per_names, "H", "S"])
    return rf"(?:(?:sq|cu)\.?\s)?(?:{_TEMPERATURE}|{names}){_POWER}?(?:\.?/(?:{per}){_POWER}?(?!\w))?"


@lru_cache(maxsize=64)
def rate(language: Language) -> str:
    """A regular expression for what may follow an amount: `/kg`, `/month`, in a group `per`."""
    names = alternatives({**simple(language), **language.per_names})
    return rf"(?P<per>/(?:{names})(?![\w/])|/(?=[^\W\d_]{{3}}))?"


@lru_cache(maxsize=4096)
def noun(written: str, language: Language) -> Noun:
    """`km/h`, `m/s²`, `sq ft`: kilometer per hour..."""
    head, _, bottom = written.partition("/")
    if re.match(_TEMPERATURE, head):
        head = f"°{head[-1].upper()}"
    top = _powered(head.rstrip(".") if bottom else head, language)
    if not bottom:
        return top
    below = per_name(bottom, language)
    return Noun(f"{top.one} {below}", f"{top.many} {below}", top.feminine)


def per_name(written: str, language: Language) -> str:
    """`kg` -> `per kilogram`."""
    known = language.per_names.get(written) or (
        language.per_names.get(written.lower()) if written in "HS" else None
    )
    if known is None:
        plain = re.sub(r"[\^23²³]+$", "", written)
        if plain != written and plain in language.per_names:  # a second squared, but a square meter
            known = (
                f"{language.per_names[plain]} {language.words['squared' if written[-1] in '2²' else 'cubed']}"
            )
        else:
            known = _powered(written, language).one
    return f"{language.words['per']} {known}"


def _powered(written: str, language: Language) -> Noun:
    power = {"²": 2, "2": 2, "³": 3, "3": 3}.get(written[-1], 0)
    plain = re.sub(r"[\^23²³]+$", "", written)
    match = re.fullmatch(r"(sq|cu)\.?\s(.+)", plain)
    if match:
        power, plain = (2 if match[1] == "sq" else 3), match[2]
    known = simple(language)
    found = known.get(plain) or known[f"{plain}."]  # `mi.` in Spanish, where `mi` is `my`
    return language.powers(found, power) if power else found
