"""Spanish as written in Spain and in America: `1.500,50` and `1,500.50` are both understood."""

import re
from functools import lru_cache

from num2words import num2words

from src.services.text.language import PLAIN, Abbreviations, Count, Language, Noun, nouns, table, words

MONTHS = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio",
    "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
)  # fmt: skip

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
_FEMININE = words("mujer mujeres vez veces noche noches clase clases tarde tardes calle calles parte partes")
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
    short = (mark.endswith("r") and mark != "r") or (
        word.islower() and not feminine and word not in _NO_ORDINAL_NOUN and not _noun(word).feminine
        and _noun(word).before_noun
    )  # fmt: skip
    if number == 11 and mark.endswith("er"):
        return "decimoprimer"
    if short and said.endswith(("primero", "tercero")):
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


def _mixed(whole: str, top: int, bottom: int, noun: str) -> str:
    count = _noun(noun)
    if (top, bottom) == (1, 2):
        part = "media" if count.feminine else "medio"
        if not noun:
            return f"{whole} y medio"
        whole = {"uno": "una"}.get(whole, whole) if count.feminine else whole
        return f"{whole} y {part} {noun}"
    return f"{whole} y {_fraction(top, bottom)} {noun}".rstrip()


def _fraction_of(top: int, bottom: int, noun: Noun) -> str:
    if (top, bottom) == (1, 2):
        return f"{'media' if noun.feminine else 'medio'} {noun.one}"
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


def _date(day: int, month: int, year: str) -> str:
    return f"{_cardinal(day)} de {MONTHS[month - 1]}" + (f" de {year}" if year else "")


def first_of_month(day: int, month: int, year: str) -> str:
    """As in America: `primero de enero`."""
    return ("primero" + _date(day, month, year).removeprefix("uno")) if day == 1 else _date(day, month, year)


def _days(first: int, last: int, month: int, year: str, _day_first: bool) -> str:
    said = f"{_cardinal(first)} al {_cardinal(last)} de {MONTHS[month - 1]}"
    return said + (f" de {year}" if year else "")


def _time(hour: int, minute: int, second: int | None, half: str) -> str:
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


def _duration(parts: list[tuple[int, str]]) -> str:
    names = {
        "h": Noun("hora", "horas", True),
        "min": Noun("minuto", "minutos"),
        "s": Noun("segundo", "segundos"),
    }
    said = [
        f"{_cardinal(n, Count(names[u].feminine, True))} {names[u].one if n == 1 else names[u].many}"
        for n, u in parts
    ]
    if parts[-1][1] == "s" and len(said) > 1:
        said[-1] = f"y {said[-1]}"
    return " ".join(said)


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

_TITLES = table(
    """
    Sr: señor; Sra: señora; Sres: señores; Sras: señoras; Srta: señorita; Srtas: señoritas; Dr: doctor
    Dra: doctora
    Dres: doctores; Dña: doña; Da: doña; Dn: don; Prof: profesor; Profa: profesora; Ing: ingeniero
    Inga: ingeniera
    Lic: licenciado; Lcdo: licenciado; Lcda: licenciada; Arq: arquitecto; Gral: general; Cnel: coronel
    Cap: capitán
    Tte: teniente; Sgto: sargento; Cmdte: comandante; Alm: almirante; Excmo: excelentísimo
    Excma: excelentísima
    Ilmo: ilustrísimo; Ilma: ilustrísima; Mons: monseñor; Fr: fray; Pbro: presbítero; Sto: santo
    Sta: santa; Mtro: maestro
    Mtra: maestra; Magfco: magnífico; Rvdo: reverendo; Abg: abogado; Dip: diputado; Pdte: presidente
    Pdta: presidenta
    Edif: edificio; Urb: urbanización; Avda: avenida; Avd: avenida; Av: avenida; Pza: plaza; Plza: plaza
    Ctra: carretera; Pol: polígono; Gta: glorieta; Blvr: bulevar; Blvd: bulevar; Fracc: fraccionamiento; Fco: Francisco; Fdo: firmado; Ma: María
    """
)

ABBREVIATIONS = Abbreviations(
    title_before=r"\s\S|:",
    titles_alone=frozenset(title.lower() for title in _TITLES),
    titles=_TITLES,
    numbered=table(
        """
    no: número; nro: número; nos: números; pp: páginas; p: página; art: artículo; arts: artículos
    cap: capítulo; caps: capítulos
    vol: volumen; vols: volúmenes; fig: figura; figs: figuras; ext: extensión; ref: referencia
    refs: referencias
    ec: ecuación; apdo: apartado; aptdo: apartado; apto: apartamento; hab: habitación; col: columna
    sec: sección; secc: sección
    tab: tabla; ed: edición; t: tomo; lám: lámina; pto: punto; km: kilómetro; mz: manzana; lt: lote
    int: interior; exp: expediente
    máx: máximo; mín: mínimo; esc: escalera; cra: carrera; cl: calle; h: hacia
    """
    ),
    plain=table(
        """
    Ud: usted; Uds: ustedes; Vd: usted; Vds: ustedes; av: avenida
    ctra: carretera
    dcha: derecha; dcho: derecho; izq: izquierda; izqda: izquierda; izda: izquierda; izqdo: izquierdo
    pto: puerto
    dpto: departamento; depto: departamento; núm: número; núms: números; pág: página; págs: páginas
    tel: teléfono
    tfno: teléfono; teléf: teléfono; tlf: teléfono; cel: celular; móv: móvil; etc: etcétera
    aprox: aproximadamente; máx: máximo
    mín: mínimo; cía: compañía; hnos: hermanos; hno: hermano; atte: atentamente; gob: gobierno
    admón: administración
    univ: universidad; apdo: apartado
    ref: referencia; bco: banco; cta: cuenta
    esq: esquina; prov: provincia; mpio: municipio; pta: puerta; bs: bolívares; fdo: firmado
    fca: firma; ppal: principal
    ptas: pesetas; mill: millones; uds: unidades; ud: unidad; cdas: cucharadas; cda: cucharada
    cdtas: cucharaditas
    cdta: cucharadita; habs: habitaciones; hab: habitación; imp: impuestos; inc: incluido
    incl: incluido; secc: sección; ej: ejemplo
    cjón: callejón; barr: barrio; bo: barrio
    cd: ciudad; edo: estado
    pdo: pasado; pdos: pasados; cte: corriente; ctes: corrientes; vto: vencimiento; dto: descuento
    dtos: descuentos; id: ídem; ibíd: ibídem
    kgs: kilos; lts: litros; mts: metros; hrs: horas; mins: minutos; segs: segundos; doc: documento
    docs: documentos; adj: adjunto
    """
    ),
    special=(
        (r"[Dd]\.(?=\s[A-ZÁÉÍÓÚÑ][a-záéíóúñ])", "don"),
        (r"S\.\s?M\.", "Su Majestad"),
        (r"S\.(?=\s(?:Juan|Pedro|Pablo|José|Francisco|Antonio|Miguel|Isidro|Luis|Martín|Andrés)\b)", "san"),
        (r"[Ee]{2}\.?\s?[Uu]{2}\.?", "Estados Unidos"),
        (r"E\.\s?U\.(?:\s?A\.)?", "Estados Unidos"),
        (r"EUA", "Estados Unidos"),
        (r"CC\.?\s?AA\.?", "comunidades autónomas"),
        (r"CC\.?\s?OO\.?", "Comisiones Obreras"),
        (r"JJ\.?\s?OO\.?", "Juegos Olímpicos"),
        (r"RR\.?\s?HH\.?", "recursos humanos"),
        (r"FF\.?\s?AA\.?", "Fuerzas Armadas"),
        (r"RR\.?\s?EE\.?", "relaciones exteriores"),
        (r"RR\.?\s?SS\.?", "redes sociales"),
        (r"AA\.?\s?VV\.?", "autores varios"),
        (r"DD\.?\s?HH\.?", "derechos humanos"),
        (r"SS\.?\s?MM\.?", "Sus Majestades"),
        (r"SS\.?\s?AA\.?", "Sus Altezas"),
        (r"[Cc]/(?=\s?[A-ZÁÉÍÓÚÑ])", "calle"),
        (r"c/(?=\s?\d)", "cada"),
        (r"[Pp]\.?º\.?(?=\s)", "paseo"),
        (r"[Cc]\.º\.?(?=\s)", "camino"),
        (r"M\.?ª\.?", "María"),
        (r"D\.?ª\.?(?=\s)", "doña"),
        (r"[Dd]r\.?ª\.?", "doctora"),
        (r"[Ss]r\.?ª\.?", "señora"),
        (r"[Pp]rof\.?ª\.?", "profesora"),
        (r"[Ff]co\.?(?=\s)", "Francisco"),
        (r"s/n", "sin número"),
        (r"c/u", "cada uno"),
        (r"p/(?=\s?[a-z])", "para"),
        (r"[Cc]ol\.(?=\s[A-ZÁÉÍÓÚÑ])", "colonia"),
        (r"[Nn]\.?[ºo°]\.?(?=\s?\d)", "número"),
        (r"[Nn]\.?os\.?(?=\s?\d)", "números"),
        (r"p\.\s?ej\.", "por ejemplo"),
        (r"[Pp]\.\s?ej\.", "Por ejemplo"),
        (r"ss\.(?=\s?[IVX]{1,6}\b)", "siglos"),
        (r"s\.(?=\s?[IVX]{1,6}\b)", "siglo"),
        (r"(?<=[\dixv] )a\.?\s?e\.?\s?c\.?(?=\W|$)", "antes de la era común"),
        (r"(?<=[\dixvIXV] )(?:ec|e\.\s?c\.)(?=\W|$)", "era común"),
        (r"a\.\s?(?:de\s)?C\.|(?<=\d )a\.\s?c\.", "antes de Cristo"),
        (r"d\.\s?(?:de\s)?C\.|(?<=\d )d\.\s?c\.", "después de Cristo"),
        (r"vs\.?(?=\s)", "contra"),
        (r"S\.\s?A\.\s?de\s?C\.\s?V\.", "ese a de ce uve"),
        (r"S\.\s?A\.", "sociedad anónima"),
        (r"S\.\s?L\.", "sociedad limitada"),
        (r"P\.\s?D\.", "posdata"),
        (r"[Mm]in\.(?=\s[A-Z])", "ministro"),
        (r"I\+D\+i", "i más de más i"),
        (r"I\+D", "i más de"),
        (r"24/7", "veinticuatro siete"),
        (r"OK|ok", "okey"),
        (r"WiFi|Wi-Fi|wi-fi", "wifi"),
    ),
)

SPANISH = Language(
    code="es",
    accented="áéíóúüñ",
    sounds={"ç": "s", "Ç": "S"},
    spanish_marks=True,
    decimal_mark=",",
    strict_marks=False,
    day_first=True,
    dollar="USD",
    phone_groups={8: (4, 4), 9: (3, 3, 3), 10: (2, 4, 4)},
    cardinal=_cardinal,
    ordinal=_ordinal,
    ordinal_after=(
        r"(\.º|º(?!\s?[CFK]\b)|\.?ª|\.?e?r[oa]?s?\b|\.?°(?!\s?[CFKcfk]\b|[NSEWO\d])|\.[oa]s?\b|\.?(?:do|da|to|ta|mo|ma|vo|va|no|na)\b)"
    ),
    say_ordinal=_say_ordinal,
    year=_cardinal,
    short_year=lambda number: _cardinal(number + (2000 if number < _PIVOT else 1900)),
    year_before=r"en|desde|año|de",
    decades=_cardinal,
    noun_of=_noun,
    marks={".": "punto", ",": "coma"},
    decimals=_decimals,
    fraction=_fraction,
    mixed=_mixed,
    fraction_of=_fraction_of,
    codes_as_numbers=True,
    parted=words(
        "hora taza litro kilo vaso cucharada cucharadita metro siglo pulgada libra galón copa botella página"
    ),
    scales={
        **nouns(
            """
    millón millones mill M MM: millón/millones; billón billones: billón/billones; trillones: trillón/trillones
    """
        ),
        **dict.fromkeys(("mil", "k", "K"), Noun("mil", "mil", bare=True)),
    },
    money_scales=nouns("m mm mill: millón/millones"),
    pairs=False,
    raised_ordinals=True,
    decade_forms=(r"\b(?:los|años)\s(?P<own>'?(?P<number>(?:19|20)?[1-9]0)'?s)\b",),
    fraction_suffix=r"(?:avos?)?",
    half_behind=True,
    million_before="",
    factor=Noun("vez", "veces", feminine=True),
    months=MONTHS,
    month_names={
        **{name: i for i, name in enumerate(MONTHS, 1)},
        **{name[:3]: i for i, name in enumerate(MONTHS, 1)},
        **{"setiembre": 9, "sept": 9, "set": 9},
    },
    weekdays=table(
        """
    lunes lun: lunes; martes mar: martes; miércoles mié mier miér mie: miércoles; jueves jue juev: jueves
    viernes vie vier: viernes; sábado sáb sab: sábado; domingo dom: domingo
    """
    ),
    ambiguous_days=words("mar set dom vie"),
    say_date=_date,
    say_day_first=_date,
    say_days=_days,
    say_time=_time,
    say_duration=_duration,
    hours_mark=r"hrs?|horas|hs?",
    hour_before=r"las|la",
    date_before=r"el|día|del|hasta|desde|al",
    day_suffix="",
    day_link=r"(?:\sde\s|[\s/-])",
    books=words(
        """
    génesis éxodo levítico números deuteronomio josué jueces rut samuel reyes crónicas esdras nehemías ester
    job salmo salmos proverbios eclesiastés cantares isaías jeremías lamentaciones ezequiel daniel oseas joel
    amós abdías jonás miqueas nahum habacuc sofonías hageo zacarías malaquías mateo marcos lucas juan hechos
    romanos corintios gálatas efesios filipenses colosenses tesalonicenses timoteo tito filemón hebreos
    gén éx sal mt mc lc jn cor rom ap
    santiago pedro judas apocalipsis eclesiástico sabiduría macabeos corán sura
    """
    ),
    currency_names={
        "USD": Noun("dólar estadounidense", "dólares estadounidenses"),
        "₡": Noun("colón", "colones"),
        "C$": Noun("córdoba", "córdobas"),
        "₿": Noun("bitcoin", "bitcoins"),
        "BTC": Noun("bitcoin", "bitcoins"),
        "¢": Noun("centavo", "centavos"),
        "GBP": Noun("libra", "libras", True),
        "JPY": Noun("yen", "yenes"),
        "INR": Noun("rupia", "rupias", True),
        "us$": Noun("dólar", "dólares"),
        "HKD": Noun("dólar de Hong Kong", "dólares de Hong Kong"),
        "HK$": Noun("dólar de Hong Kong", "dólares de Hong Kong"),
        "NIO": Noun("córdoba", "córdobas"),
        "GTQ": Noun("quetzal", "quetzales"),
        "PYG": Noun("guaraní", "guaraníes"),
        "₩": Noun("won", "wones"),
        "PAB": Noun("balboa", "balboas"),
        "HNL": Noun("lempira", "lempiras"),
        "CNY": Noun("yuan", "yuanes"),
        "kr": Noun("corona", "coronas", True),
        "mk": Noun("marco", "marcos"),
        "₪": Noun("séquel", "séqueles"),
        "R$": Noun("real", "reales"),
    },
    cent_names={
        "GBP": Noun("penique", "peniques"),
        "CNY": Noun("fen", "fenes"),
        **dict.fromkeys(words("EUR CHF CRC PEN VES PYG"), Noun("céntimo", "céntimos")),
        "": Noun("centavo", "centavos"),
    },
    currency_signs={
        "Q": "GTQ",
        "q": "GTQ",
        "us$": "USD",
        "S/": "PEN",
        "S/.": "PEN",
        "Bs": "BOB",
        "Bs.": "BOB",
        "B/.": "PAB",
        "C$": "NIO",
        "ptas": "ESP",
        "₧": "ESP",
        "pta": "ESP",
        "ptas.": "ESP",
        "kr": "SEK",
        "mk": "DEM",
        "fr": "CHF",
        "Fr": "CHF",
    },
    currency_words=r"d[oó]lar(?:es)?|euros?|libras?|pesos?|yen(?:es)?|soles|quetzales|colones|lempiras|c[oó]rdobas|bol[ií]vares|guaran[ií]es|reales",
    currency_head=0,
    cents_joint="con",
    bases=nouns(
        """
    m: metro/metros; g: gramo/gramos; l L: litro/litros; s: segundo/segundos; Hz: hercio/hercios
    W: vatio/vatios
    V: voltio/voltios; A: amperio/amperios; Ω: ohmio/ohmios; J: julio/julios; N: newton/newtons
    Pa: pascal/pascales
    B: byte/bytes; b bit: bit/bits; bps: bit por segundo/bits por segundo
    eV: electronvoltio/electronvoltios
    Wh: vatio hora/vatios hora; Ah: amperio hora/amperios hora; cal: caloría/calorías
    F: faradio/faradios; mol: mol/moles
    Sv: sievert/sieverts; t: tonelada/toneladas; Bq: becquerel/becquereles
    """
    ),
    prefix=_prefix,
    units={
        "%": Noun("por ciento", "por ciento", phrase=True),
        "‰": Noun("por mil", "por mil", phrase=True),
        **nouns(
            """
    kph kmh km/hr: kilómetro por hora/kilómetros por hora
    mph: milla por hora/millas por hora
    mpg: milla por galón/millas por galón; rpm: revolución por minuto/revoluciones por minuto
    psi: libra por pulgada cuadrada/libras por pulgada cuadrada
    mdp: millón de pesos/millones de pesos; mdd: millón de dólares/millones de dólares
    dpi ppp: punto por pulgada/puntos por pulgada; fps: fotograma por segundo/fotogramas por segundo
    lpm: latido por minuto/latidos por minuto; ppm: parte por millón/partes por millón
    ft: pie/pies; in pulg: pulgada/pulgadas; yd: yarda/yardas; mi.: milla/millas
    nmi: milla náutica/millas náuticas
    lb lbs: libra/libras; oz: onza/onzas; gal: galón/galones; kg kgs Kgs: kilo/kilos
    gr grs: gramo/gramos; mcg: microgramo/microgramos
    lt lts Lts ltrs: litro/litros; mt mts Mts: metro/metros
    mmHg: milímetro de mercurio/milímetros de mercurio; cc: centímetro cúbico/centímetros cúbicos
    °C ºC: grado Celsius/grados Celsius; °F ºF: grado Fahrenheit/grados Fahrenheit; °: grado/grados
    °K ºK: grado kelvin/grados kelvin
    seg segs: segundo/segundos; min mins: minuto/minutos; h hs hr hrs: hora/horas; sem: semana/semanas
    dB: decibelio/decibelios
    ha: hectárea/hectáreas; px: píxel/píxeles; pts: punto/puntos; CV: caballo/caballos
    hp: caballo de fuerza/caballos de fuerza
    MP: megapíxel/megapíxeles; atm: atmósfera/atmósferas; lm: lumen/lúmenes; lx: lux; bar: bar/bares
    UI: unidad internacional/unidades internacionales
    uds ud: unidad/unidades; u: unidad/unidades; hab: habitación/habitaciones
    cda cdas: cucharada/cucharadas; cdta cdtas cdita cditas: cucharadita/cucharaditas
    pza pzas: pieza/piezas; mill: millón/millones; doc: docena/docenas; págs pág: página/páginas
    tza tzas: taza/tazas; ptas: peseta/pesetas
    """
        ),
    },
    per_names=table(
        """
    mes: mes; año: año; a: año; sem: semana; semana: semana; día: día; dia: día; d: día; h: hora
    hr: hora; hora: hora
    min: minuto; s: segundo; seg: segundo; ud: unidad; u: unidad; noche: noche; persona: persona
    pers: persona; hab: habitante; unidad: unidad
    """
    ),
    powers=_powers,
    adjective_before="",
    adjective_never=words("y"),
    points=table(
        """
        N: norte; S: sur; E: este; W: oeste; O: oeste
        NE: nordeste; NO: noroeste; SE: sudeste; SO: suroeste
        """
    ),
    pressure_before=r"ta|presión(?: arterial)?(?: de| es| era)?",
    pages=(
        r"piso|puerta|depto\.?|departamento|apto\.?|asiento|fila|línea|talla|bloque|portal|casa|sala|aula|habitación|butaca|autobús"
        r"|bus|salida|andén|terminal|plaza|local|oficina|lote|edificio|grupo|curso|grado|formato|tipo|clase|modelo|formulario|ruta|número|nave|vuelo"
    ),
    letters=table(
        """
    a: a; b: be; c: ce; d: de; e: e; f: efe; g: ge; h: hache; i: i; j: jota; k: ka; l: ele; m: eme
    n: ene; ñ: eñe
    o: o; p: pe; q: cu; r: erre; s: ese; t: te; u: u; v: uve; w: uve doble; x: equis; y: i griega
    z: zeta
    á: a; é: e; í: i; ó: o; ú: u; ü: u
    """
    ),
    abbreviations=ABBREVIATIONS,
    ambiguous_abbreviations=words("id cd imp inc bo cte doc fca ej ud pta cta esq"),
    said_as_words=words(
        """
    AVE CEO COVID ERTE FIDE FIFA GIF IBEX IKEA IMSS INEM IVA LED MERCOSUR NASA NIE NIF ONU OPEP OTAN
    OVNI PEMEX PIN PYME RAE RAM RENFE ROM SEAT SIDA SIM TIE UEFA UNAM UNESCO UNICEF USA
    """
    ),
    said_as_letters=words(
        """
    ADN AI EEE ERC IA IES IOS SOS UE UGT
    """
    ),
    syllables=rf"{_ONSET}?(?:[aeiouáéíóúü]{{1,2}}[bcdlmnrsxz]?{_ONSET})*?[aeiouáéíóúü]{{1,2}}[bcdlmnrsxzfpktg]?",
    shortest_word=3,
    everyday=words(
        """
    al bien con da de del el en es fin gran ha he hoy la las le lo los mal me mi muy más ni no ojo
    por que qué se si sin son su sí te tres tu un una uno va ve ya yo
    """
    ),
    starters=words(
        """
    el la los las un una yo tú él ella nosotros ellos esto eso este esta en al del por para con sin
    pero y o si cuando mientras después antes luego entonces también además no sí ahora hoy así como
    qué quién su sus mi mis se le les lo hay era es son fue había
    """
    ),
    either_or=words("él/ella ellos/ellas un/una el/la los/las sí/no hombre/mujer todos/todas"),
    symbols=table(
        """
    &: y; +: más; =: igual a; ×: por; ÷: dividido entre; ±: más menos; ≈: aproximadamente; ≠: distinto de
    ≤: menor o igual que; ≥: mayor o igual que; ∞: infinito; √: raíz cuadrada de; %: por ciento
    ‰: por mil
    °: grados; €: euro; $: dólar; £: libra; ¥: yen; ₹: rupia; ₩: won; ¢: centavos; ₿: bitcoin; §: sección
    ©: copyright; №: número; µ: micro; ∑: suma; ∫: integral; ∂: parcial; ∈: en; ∴: por tanto; @: arroba; #: almohadilla; /: barra
    ~: virgulilla; º: o; ª: a
    """
    ),
    host_words=words("es me ve de co mi tu la el en un al lo no si ya"),
    words=table(
        """
    at: arroba; dot: punto; slash: barra; backslash: barra invertida; dash: guion; underscore: guion bajo
    hashtag: hashtag; sharp: sharp; plus: más; minus: menos; times: por; by: por; divided: entre
    equals: igual a
    colon: dos puntos; ampersand: y; and: y; or: o; question_mark: interrogación; percent: por ciento
    tilde: virgulilla
    bar: barra vertical; caret: acento circunflejo; roughly: unos; power: elevado a; ten_to: por diez elevado a; squared: al cuadrado; cubed: al cubo
    log: logaritmo en base; of: de
    less: menor que; greater: mayor que; to: a; out_of: de; over: sobre; per: por
    number: número
    port: puerto; version: versión; minutes: minutos; seconds: segundos; extension: extensión
    scale_of: de; part_of: de; before_point: cero
    """
    ),
    greek=table(
        """
    α: alfa; β: beta; γ: gamma; δ: delta; ε: épsilon; ζ: dseta; η: eta; θ: zeta; ι: iota; κ: kappa
    λ: lambda
    μ: mi; ν: ni; ξ: xi; ο: ómicron; π: pi; ρ: ro; σ: sigma; τ: tau; υ: ípsilon; φ: fi; χ: ji; ψ: psi
    ω: omega
    """
    ),
    roman_after=(
        r"[Ss]iglos?|ss?\.|SIGLOS?|[Cc]apítulos?|CAPÍTULO|[Tt]omos?|TOMO|[Vv]olumen|[Vv]ol\.|[Aa]ctos?|ACTO|[Ee]scenas?|[Ss]ección"
        r"|[Aa]péndice|[Ll]ibros?|LIBRO|Guerra Mundial|[Ff]ase|[Tt]ipo|[Cc]lase|[Tt]ítulo|TÍTULO|[Aa]rtículos?|[Gg]rupo|[Pp]lan|[Uu]nidad"
        r"|[Nn]ivel|[Pp]artes?|PARTE|[Ee]pisodio|[Tt]abla|[Aa]nexo|ANEXO|Rocky|[Cc]anto|[Mm]ilenio|[Ff]igura|Mundo|Olimpiada|Super Bowl"
    ),
    roman_names=(
        r"Felipe|Alfonso|Carlos|Juan Carlos|Fernando|Luis|Enrique|Isabel|María|Pedro|Jaime|Sancho"
        r"|Ramiro|Juan Pablo|Juan|Pablo|Pío|Benedicto|Gregorio|León|Inocencio|Clemente|Francisco"
        r"|Federico|Jorge|Eduardo|Ricardo|Guillermo|Jacobo|Alejandro|Nicolás|Napoleón|Ramsés"
        r"|Ptolomeo|Catalina|Margarita|Otón|Iván|Urbano|Bonifacio|Julio|Sixto|Moctezuma|Mohamed"
        r"|Hasán|Leopoldo|Constantino|Teodosio|Juana|Victoria"
    ),
    regnal=_regnal,
    roman_before=(
        r"[Aa]niversario|[Cc]ongreso|[Ff]estival|[Ee]dición|[Ff]eria|[Jj]ornadas?|[Pp]remios?"
        r"|[Ee]ncuentro|[Cc]ertamen|[Ll]egislatura|[Cc]ampeonato|[Tt]orneo|[Cc]onvocatoria|[Cc]umbre"
        r"|[Cc]oncurso|República|Guerra"
    ),
    streets={},
    states={},
    conjunctions=words(
        "y e o u pero sino porque que cuando donde mientras aunque si como con para por desde hasta en de"
    ),
    phone_before=r"tel|teléfono|móvil|celular|cel|tfno|llama|llame|llámame|llamar|fax|whatsapp|número|marque|marca|marcar",
    call_before=r"llama|llame|llamar|llamó|llamen|marca|marque|marcar|marcó|teléfono|emergencias",
    code_before=r"pin|código|clave|contraseña|tarjeta|cuenta|c\.?\s?p\.?|código postal|extensión|ext\.|pedido|vuelo|terminada en|acaba en|otp",
)
