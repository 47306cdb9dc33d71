"""Spanish as written in Spain and in America: `1.500,50` and `1,500.50` are both understood."""

import re
from functools import lru_cache

from num2words import num2words

from src.services.text.language import PLAIN, Count, Language, Noun, words, written_data

_DATA = written_data("es")
_MONTHS = _DATA["months"]

_PIVOT = 70
"""Two digits of a year from here on are of the last century."""

# nouns in -a and -as that are masculine
_MASCULINE = words(
    """
    día días mapa mapas planeta planetas problema problemas sistema sistemas programa programas tema
    temas idioma idiomas clima climas drama dramas diagrama diagramas esquema esquemas
    síntoma síntomas kilograma telegrama telegramas
    poema poemas dálmatas atletas fantasma fantasmas cometa cometas sofá sofás
    mañana papa yoga
    """
)
_FEMININE = words(
    """
    mano manos mujer mujeres vez veces noche noches clase clases tarde tardes calle calles parte partes
    dosis crisis foto fotos moto motos imagen imágenes flor flores luz luces red redes ley leyes llave llaves frase frases
    """
)
# words in -as that are no nouns, or verbs: nothing to agree with
_NO_NOUN = words(
    """
    las más además mientras tras atrás jamás apenas veras a la para una hasta contra era
    """
)
_NO_ORDINAL_NOUN = words(
    "y e o u de del en a al con por para es fue era que ni el la los las como se ha hasta desde"
)


@lru_cache(maxsize=4096)
def _cardinal(number: int, count: Count = PLAIN) -> str:
    said = str(num2words(number, lang="es"))
    # num2words counts `veintiuno mil`; before `mil` and `millones` it is `veintiún`, `treinta y un`
    said = re.sub(r"veintiuno (?=mil|\w+ill)", "veintiún ", said)
    said = re.sub(r"\buno (?=mil\b|\w+ill)", "un ", said)
    if count.feminine:
        head, mil, tail = said.rpartition("illones ")
        tail = re.sub(r"cientos\b", "cientas", tail).replace("quinientos", "quinientas")
        return head + mil + re.sub(r"un(o)$", "una", tail)
    if count.before_noun:
        said = re.sub(r"veintiuno$", "veintiún", said)
        said = re.sub(r"\buno$", "un", said)
    return said


_UNITS = ("", "primero", "segundo", "tercero", "cuarto", "quinto", "sexto", "séptimo", "octavo", "noveno")
_TEENS = {10: "décimo", 11: "undécimo", 12: "duodécimo", 13: "decimotercero", 14: "decimocuarto",
          15: "decimoquinto", 16: "decimosexto", 17: "decimoséptimo", 18: "decimoctavo",
          19: "decimonoveno"}  # fmt: skip
_TENS = ("", "", "vigésimo", "trigésimo", "cuadragésimo", "quincuagésimo", "sexagésimo", "septuagésimo",
         "octogésimo", "nonagésimo")  # fmt: skip
_HUNDREDS = ("", "centésimo", "ducentésimo", "tricentésimo", "cuadringentésimo", "quingentésimo",
             "sexcentésimo", "septingentésimo", "octingentésimo", "noningentésimo")  # fmt: skip


def _ordinal(number: int, feminine: bool = False) -> str:
    # num2words writes `quadragésimo` and `décimoprimero`, so the tables are ours
    if not 0 < number < 1_000_000:
        return _cardinal(number, Count(feminine=feminine))
    thousands, rest = divmod(number, 1000)
    parts = [f"{_cardinal(thousands).replace(' ', '') if thousands > 1 else ''}milésimo"] if thousands else []
    hundreds, rest = divmod(rest, 100)
    parts += [_HUNDREDS[hundreds], _TEENS.get(rest) or f"{_TENS[rest // 10]} {_UNITS[rest % 10]}"]
    said = " ".join(" ".join(parts).split())
    return re.sub(r"o\b", "a", said) if feminine else said


def _say_ordinal(number: int, mark: str, word: str) -> str:
    mark = mark.strip(".").lower()
    plural = "s" if mark.endswith("s") else ""
    mark = mark.rstrip("s")
    feminine = mark.endswith(("ª", "a"))
    said = _ordinal(number, feminine)
    short = mark.endswith("r") or (
        word.islower() and not feminine and word not in _NO_ORDINAL_NOUN and not _noun(word).feminine
        and _noun(word).before_noun
    )  # fmt: skip
    if number == 11 and mark.endswith("er"):
        return "decimoprimer"
    if short and not plural and said.endswith(("primero", "tercero")):
        said = said[:-1]
    if not plural:
        return said
    return re.sub(r"([oa])\b", r"\1s", said)


def _avo(bottom: int) -> str:
    """`1/11` is `un onceavo`; from a hundred on, round numbers have the name of their ordinal."""
    small = {2: "medio", 3: "tercio"}
    if bottom in small:
        return small[bottom]
    if bottom <= 10 or (bottom <= 1000 and bottom % 100 == 0):
        return _ordinal(bottom)
    if bottom < 100:
        said = _cardinal(bottom).replace(" y ", "i").translate(str.maketrans("áéíóú", "aeiou"))
        return re.sub("uno$", "un", said).removesuffix("a") + "avo"
    for factor, name in ((10**6, "millonésimo"), (1000, "milésimo")):
        times, rest = divmod(bottom, factor)
        if times and not rest and (times % 10 == 0 or times < 10):
            head = _cardinal(times).replace(" ", "") if times > 1 else ""
            return f"{head.replace('uno', 'un')}{name}"
    return ""


def _fraction(top: int, bottom: int) -> str:
    if (top, bottom) == (1, 2):
        return "medio"
    name = _avo(bottom)
    if not name:
        return f"{_cardinal(top)} sobre {_cardinal(bottom)}"
    return f"{_cardinal(top, Count(before_noun=True))} {name}{'s' if top != 1 else ''}"


def _mixed(whole: str, top: int, bottom: int, _noun: str) -> str:
    return f"{whole} y {_fraction(top, bottom)}"


def _fraction_of(top: int, bottom: int, noun: Noun) -> str:
    if (top, bottom) == (1, 2):
        return f"{'media' if noun.feminine else 'medio'} {noun.one}"
    if noun.phrase or not _avo(bottom):  # `3/4 %`, `220/110 V`
        return f"{_fraction(top, bottom)} {noun.many}"
    return f"{_fraction(top, bottom)} de {noun.one}"


def _decimals(rest: str, count: Count) -> str:
    """The last one agrees with what is counted (`uno coma un millones`).

    Up to three digits are a number; more are read in pairs: `3,1416` is `catorce dieciséis`."""
    if not rest.strip("0"):
        return " ".join(["cero"] * len(rest))
    if len(rest) > 6:
        return " ".join(_cardinal(int(c)) for c in rest)
    groups = [rest] if len(rest) <= 3 else re.findall(r"\d\d?", rest)
    said: list[str] = []
    for i, group in enumerate(groups, 1):
        zeros = len(group) - len(group.lstrip("0"))
        agrees = count if i == len(groups) else PLAIN
        said += ["cero"] * zeros + ([_cardinal(int(group), agrees)] if group.lstrip("0") else [])
    return " ".join(said)


def _days(first: int, last: int, month: int, year: str, _day_first: bool) -> str:
    days = " al ".join(_cardinal(day) for day in dict.fromkeys((first, last)))
    return f"{days} de {_MONTHS[month - 1]}" + (f" de {year}" if year else "")


def american_days(first: int, last: int, month: int, year: str, day_first: bool) -> str:
    """As in America: `primero de enero`."""
    said = _days(first, last, month, year, day_first)
    return "primero" + said.removeprefix("uno") if first == last == 1 else said


def _time(hour: int, minute: int, second: int, half: str) -> str:
    said = _cardinal(hour, Count(feminine=True))
    if minute:
        said += f" y {_cardinal(minute)}"
    elif not half and hour != 1:
        said += " horas"
    if second:
        said += f" y {_cardinal(second, Count(before_noun=True))} segundo{'s' if second != 1 else ''}"
    if half == "am":
        said += " de la noche" if hour == 12 else " de la mañana"
    elif half == "pm":
        said += " del mediodía" if hour == 12 else " de la tarde" if hour < 8 else " de la noche"
    return said


def _noun(word: str) -> Count:
    if word == "mil":
        return Count(before_noun=True)
    if not word or word in _NO_NOUN or not word.islower():
        return Count()
    if word in _MASCULINE:
        return Count(before_noun=True)
    if word.endswith(("as", "a")):
        return Count(feminine=True, before_noun=True)
    if word in _FEMININE or word.endswith(("ciones", "siones", "dades", "ción", "sión", "dad")):
        return Count(feminine=True, before_noun=True)
    return Count(before_noun=word.endswith("s") or len(word) > 3)


def _regnal(number: int, name: str) -> str:
    feminine = name in {"Isabel", "María", "Margarita", "Catalina", "Juana", "Cristina", "Victoria"}
    return _ordinal(number, feminine) if number <= 10 else _cardinal(number)


def _prefix(prefix: str, unit: str) -> str:
    accented = {"kilo": "kiló", "centi": "centí", "mili": "milí", "deci": "decí", "micro": "micró", "nano": "nanó",
                "hecto": "hectó"}  # fmt: skip
    prefix = prefix.replace("milli", "mili")
    return (accented.get(prefix, prefix) if unit.startswith("metro") else prefix) + unit


def _powers(noun: Noun, power: int) -> Noun:
    name = {2: "cuadrado", 3: "cúbico"}[power]
    name = name[:-1] + "a" if noun.feminine else name
    return Noun(f"{noun.one} {name}", f"{noun.many} {name}s", noun.feminine)


_ONSET = r"(?:[bcdfghjklmnñprstvxyz]|[bcfgp][lr]|[dt]r|qu|ch|ll)"


SPANISH = Language(
    **_DATA,
    cardinal=_cardinal,
    say_ordinal=_say_ordinal,
    year=_cardinal,
    short_year=lambda number: _cardinal(number + (2000 if number < _PIVOT else 1900)),
    decades=_cardinal,
    noun_of=_noun,
    decimals=_decimals,
    fraction=_fraction,
    mixed=_mixed,
    fraction_of=_fraction_of,
    say_days=_days,
    say_time=_time,
    prefix=_prefix,
    powers=_powers,
    syllables=rf"{_ONSET}?(?:[aeiouáéíóúü]{{1,2}}[bcdlmnrsxz]?{_ONSET})*?[aeiouáéíóúü]{{1,2}}[bcdlmnrsxzfpktg]?",
    regnal=_regnal,
)
