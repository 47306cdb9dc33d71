"""Spanish as written in Spain and in Mexico: `1.500,50` and `1,500.50` are both understood."""

import re

from num2words import num2words

from src.services.text.language import Count, Currency, Language, Noun, words

MONTHS = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio",
    "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
)  # fmt: skip

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


def _cardinal(number: int, count: Count) -> str:
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


_ORDINALS = {
    1: "primero", 2: "segundo", 3: "tercero", 4: "cuarto", 5: "quinto", 6: "sexto", 7: "séptimo", 8: "octavo",
    9: "noveno", 10: "décimo", 11: "undécimo", 12: "duodécimo",
    13: "decimotercero", 14: "decimocuarto", 15: "decimoquinto", 16: "decimosexto", 17: "decimoséptimo",
    18: "decimoctavo", 19: "decimonoveno", 20: "vigésimo", 30: "trigésimo", 40: "cuadragésimo",
    50: "quincuagésimo", 60: "sexagésimo", 70: "septuagésimo",
    80: "octogésimo", 90: "nonagésimo", 100: "centésimo",
}  # fmt: skip


def _ordinal(number: int, feminine: bool = False) -> str:
    # num2words writes `quadragésimo` and `décimoprimero`, so the table is ours
    if number in _ORDINALS:
        said = _ORDINALS[number]
    elif 0 < number < 100:
        said = f"{_ORDINALS[number // 10 * 10]} {_ORDINALS[number % 10]}"
    else:
        return _cardinal(number, Count(feminine=feminine))
    return re.sub(r"o\b", "a", said) if feminine else said


def _fraction(top: int, bottom: int) -> str:
    names = {2: "medio", 3: "tercio", 4: "cuarto", 5: "quinto", 6: "sexto", 7: "séptimo", 8: "octavo",
             9: "noveno", 10: "décimo", 100: "centésimo"}  # fmt: skip
    if (top, bottom) == (1, 2):
        return "medio"
    if bottom not in names:
        return f"{_cardinal(top, Count())} entre {_cardinal(bottom, Count())}"
    return f"{_cardinal(top, Count(before_noun=True))} {names[bottom]}{'s' if top != 1 else ''}"


def _date(day: int, month: int, year: str) -> str:
    return f"{_cardinal(day, Count())} de {MONTHS[month - 1]}" + (f" de {year}" if year else "")


def _time(hour: int, minute: int, second: int | None, half: str) -> str:
    said = _cardinal(hour, Count(feminine=True))
    if minute:
        said += f" y {_cardinal(minute, Count())}"
    elif not half:
        said += " hora" if hour == 1 else " horas"
    if second:
        said += f" y {_cardinal(second, Count(before_noun=True))} segundo{'s' if second != 1 else ''}"
    if half == "am":
        said += (
            " de la madrugada"
            if hour in (1, 2, 3, 4, 5)
            else " de la noche"
            if hour == 12
            else " de la mañana"
        )
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
    return _ordinal(number, feminine) if number <= 10 else _cardinal(number, Count())


_centavo = Noun("centavo", "centavos")
_centimo = Noun("céntimo", "céntimos")
_penique = Noun("penique", "peniques")


def _peso(country: str) -> Currency:
    return Currency(Noun(f"peso {country}", f"pesos {country}s"), _centavo)


_dolar = Currency(Noun("dólar", "dólares"), _centavo)
_libra = Currency(Noun("libra", "libras", feminine=True), _penique)
_euro = Currency(Noun("euro", "euros"), _centimo)
_mexicano = _peso("mexicano")

_ONSET = r"(?:[bcdfghjklmnñprstvxyz]|[bcfgp][lr]|[dt]r|qu|ch|ll)"

SPANISH = Language(
    code="es",
    accented="áéíóúüñ",
    spanish_marks=True,
    decimal_mark=",",
    cardinal=_cardinal,
    ordinal=_ordinal,
    ordinal_after=(
        r"(\.?º|\.?ª|\.?er\b|\.?°(?!\s?[CF])|\.[oa]\b|er\b|ro\b|ra\b|do\b|da\b|to\b|ta\b|mo\b|ma\b|vo\b|va\b"
        r"|no\b|na\b)"
    ),
    feminine_ordinals=("ª", "a"),
    year=lambda number: _cardinal(number, Count()),
    year_before=r"en|desde|año|de",
    decades=None,
    noun_of=_noun,
    marks={".": "punto", ",": "coma"},
    decimals_as_number=True,
    minus="menos",
    out_of="de",
    to="a",
    fraction=_fraction,
    and_fraction="y",
    one_part=("un ", ""),
    scales={
        "mil": Noun("mil", "mil", bare=True),
        "millón": Noun("millón", "millones"),
        "millones": Noun("millón", "millones"),
        "billones": Noun("billón", "billones"),
        "k": Noun("mil", "mil", bare=True),
        "K": Noun("mil", "mil", bare=True),
        "M": Noun("millón", "millones"),
        "mdp": Noun("millón", "millones"),
    },
    scale_of="de",
    part_of="de",
    number_sign="número",
    per="por",
    months=MONTHS,
    month_names={
        **{name: i for i, name in enumerate(MONTHS, 1)},
        "setiembre": 9,
        "ene": 1,
        "feb": 2,
        "abr": 4,
        "jun": 6,
        "jul": 7,
        "ago": 8,
        "sep": 9,
        "sept": 9,
        "oct": 10,
        "nov": 11,
        "dic": 12,
    },
    day_first=True,
    say_date=_date,
    say_time=_time,
    hours_mark=r"hrs?|horas|h",
    date_before=r"el|día|del|hasta|desde|al",
    currencies={
        "€": _euro,
        "EUR": _euro,
        "$": _dolar,
        "US$": _dolar,
        "USD": Currency(Noun("dólar estadounidense", "dólares estadounidenses"), _centavo),
        "£": _libra,
        "GBP": _libra,
        "¥": Currency(Noun("yen", "yenes")),
        "JPY": Currency(Noun("yen", "yenes")),
        "₹": Currency(Noun("rupia", "rupias", feminine=True)),
        "INR": Currency(Noun("rupia", "rupias", feminine=True)),
        "MXN": _mexicano,
        "MX$": _mexicano,
        "Mex$": _mexicano,
        "ARS": _peso("argentino"),
        "COP": _peso("colombiano"),
        "CLP": _peso("chileno"),
        "CHF": Currency(Noun("franco suizo", "francos suizos"), _centimo),
        "CAD": Currency(Noun("dólar canadiense", "dólares canadienses"), _centavo),
        "BTC": Currency(Noun("bitcoin", "bitcoins")),
        "₿": Currency(Noun("bitcoin", "bitcoins")),
        "¢": Currency(_centavo),
    },
    cents_joint="con",
    units={
        "%": Noun("por ciento", "por ciento"),
        "‰": Noun("por mil", "por mil"),
        "km/h": Noun("kilómetro por hora", "kilómetros por hora"),
        "m/s": Noun("metro por segundo", "metros por segundo"),
        "mph": Noun("milla por hora", "millas por hora", feminine=True),
        "km²": Noun("kilómetro cuadrado", "kilómetros cuadrados"),
        "m²": Noun("metro cuadrado", "metros cuadrados"),
        "cm²": Noun("centímetro cuadrado", "centímetros cuadrados"),
        "m³": Noun("metro cúbico", "metros cúbicos"),
        "cm³": Noun("centímetro cúbico", "centímetros cúbicos"),
        "ft": Noun("pie", "pies"),
        "km": Noun("kilómetro", "kilómetros"),
        "m": Noun("metro", "metros"),
        "cm": Noun("centímetro", "centímetros"),
        "mm": Noun("milímetro", "milímetros"),
        "µm": Noun("micrómetro", "micrómetros"),
        "nm": Noun("nanómetro", "nanómetros"),
        "kg": Noun("kilo", "kilos"),
        "g": Noun("gramo", "gramos"),
        "gr": Noun("gramo", "gramos"),
        "mg": Noun("miligramo", "miligramos"),
        "µg": Noun("microgramo", "microgramos"),
        "t": Noun("tonelada", "toneladas", feminine=True),
        "lb": Noun("libra", "libras", feminine=True),
        "oz": Noun("onza", "onzas", feminine=True),
        "l": Noun("litro", "litros"),
        "L": Noun("litro", "litros"),
        "cl": Noun("centilitro", "centilitros"),
        "ml": Noun("mililitro", "mililitros"),
        "mL": Noun("mililitro", "mililitros"),
        "°C": Noun("grado Celsius", "grados Celsius"),
        "ºC": Noun("grado Celsius", "grados Celsius"),
        "°F": Noun("grado Fahrenheit", "grados Fahrenheit"),
        "ºF": Noun("grado Fahrenheit", "grados Fahrenheit"),
        "°": Noun("grado", "grados"),
        "s": Noun("segundo", "segundos"),
        "seg": Noun("segundo", "segundos"),
        "ms": Noun("milisegundo", "milisegundos"),
        "min": Noun("minuto", "minutos"),
        "h": Noun("hora", "horas", feminine=True),
        "hs": Noun("hora", "horas", feminine=True),
        "hrs": Noun("hora", "horas", feminine=True),
        "B": Noun("byte", "bytes"),
        "kB": Noun("kilobyte", "kilobytes"),
        "KB": Noun("kilobyte", "kilobytes"),
        "MB": Noun("megabyte", "megabytes"),
        "GB": Noun("gigabyte", "gigabytes"),
        "TB": Noun("terabyte", "terabytes"),
        "Mbps": Noun("megabit por segundo", "megabits por segundo"),
        "MB/s": Noun("megabyte por segundo", "megabytes por segundo"),
        "Gbps": Noun("gigabit por segundo", "gigabits por segundo"),
        "Ω": Noun("ohmio", "ohmios"),
        "Hz": Noun("hercio", "hercios"),
        "kHz": Noun("kilohercio", "kilohercios"),
        "MHz": Noun("megahercio", "megahercios"),
        "GHz": Noun("gigahercio", "gigahercios"),
        "W": Noun("vatio", "vatios"),
        "kW": Noun("kilovatio", "kilovatios"),
        "MW": Noun("megavatio", "megavatios"),
        "kWh": Noun("kilovatio hora", "kilovatios hora"),
        "V": Noun("voltio", "voltios"),
        "A": Noun("amperio", "amperios"),
        "mAh": Noun("miliamperio hora", "miliamperios hora"),
        "kcal": Noun("kilocaloría", "kilocalorías", feminine=True),
        "dB": Noun("decibelio", "decibelios"),
        "ha": Noun("hectárea", "hectáreas", feminine=True),
        "px": Noun("píxel", "píxeles"),
        "pts": Noun("punto", "puntos"),
    },
    letters={
        "a": "a",
        "b": "be",
        "c": "ce",
        "d": "de",
        "e": "e",
        "f": "efe",
        "g": "ge",
        "h": "hache",
        "i": "i",
        "j": "jota",
        "k": "ka",
        "l": "ele",
        "m": "eme",
        "n": "ene",
        "ñ": "eñe",
        "o": "o",
        "p": "pe",
        "q": "cu",
        "r": "erre",
        "s": "ese",
        "t": "te",
        "u": "u",
        "v": "uve",
        "w": "uve doble",
        "x": "equis",
        "y": "i griega",
        "z": "zeta",
        "á": "a",
        "é": "e",
        "í": "i",
        "ó": "o",
        "ú": "u",
        "ü": "u",
    },
    abbreviations=(
        (r"[Ss]r\.", "señor"),
        (r"[Ss]ra\.", "señora"),
        (r"[Ss]res\.", "señores"),
        (r"[Ss]ras\.", "señoras"),
        (r"[Ss]rta\.", "señorita"),
        (r"[Dd]r\.", "doctor"),
        (r"[Dd]ra\.", "doctora"),
        (r"[Dd]res\.", "doctores"),
        (r"[Dd]\.(?=\s[A-ZÁÉÍÓÚÑ][a-záéíóúñ])", "don"),
        (r"[Dd]ña\.", "doña"),
        (r"[Pp]rof\.", "profesor"),
        (r"[Pp]rofa\.", "profesora"),
        (r"[Ii]ng\.", "ingeniero"),
        (r"[Ll]ic\.", "licenciado"),
        (r"[Aa]rq\.", "arquitecto"),
        (r"[Gg]ral\.", "general"),
        (r"[Ee]xcmo\.", "excelentísimo"),
        (r"[Ee]xcma\.", "excelentísima"),
        (r"[Ii]lmo\.", "ilustrísimo"),
        (r"Ud\.", "usted"),
        (r"Uds\.", "ustedes"),
        (r"Vd\.", "usted"),
        (r"Vds\.", "ustedes"),
        (r"Sto\.", "Santo"),
        (r"Sta\.", "Santa"),
        (r"S\.\s?M\.", "Su Majestad"),
        (r"EE\.?\s?UU\.?", "Estados Unidos"),
        (r"E\.\s?U\.(?:\s?A\.)?", "Estados Unidos"),
        (r"EUA", "Estados Unidos"),
        (r"CC\.?\s?AA\.?", "comunidades autónomas"),
        (r"JJ\.?\s?OO\.?", "Juegos Olímpicos"),
        (r"RR\.?\s?HH\.?", "recursos humanos"),
        (r"FF\.?\s?AA\.?", "Fuerzas Armadas"),
        (r"RR\.?\s?EE\.?", "relaciones exteriores"),
        (r"[Aa]vda\.", "avenida"),
        (r"[Aa]v\.", "avenida"),
        (r"C/(?=\s?[A-ZÁÉÍÓÚÑ])", "calle "),
        (r"[Pp]za\.", "plaza"),
        (r"[Pp]º\.?(?=\s)", "paseo"),
        (r"[Cc]tra\.", "carretera"),
        (r"[Dd]cha\.", "derecha"),
        (r"[Ii]zq\.|[Ii]zda\.", "izquierda"),
        (r"s/n", "sin número"),
        (r"c/u", "cada uno"),
        (r"[Dd]pto\.|[Dd]epto\.", "departamento"),
        (r"[Cc]ol\.(?=\s[A-ZÁÉÍÓÚÑ])", "colonia"),
        (r"[Nn]úm\.", "número"),
        (r"[Nn]\.?º(?=\s?\d)", "número"),
        (r"[Nn]o\.(?=\s?\d)", "número"),
        (r"[Pp]ágs\.", "páginas"),
        (r"[Pp]ág\.", "página"),
        (r"[Pp]p\.(?=\s?\d)", "páginas"),
        (r"[Pp]\.(?=\s?\d)", "página"),
        (r"[Aa]rt\.(?=\s?\d)", "artículo"),
        (r"[Aa]rts\.(?=\s?\d)", "artículos"),
        (r"[Cc]ap\.(?=\s?[\dIVX])", "capítulo"),
        (r"[Vv]ol\.(?=\s?[\dIVX])", "volumen"),
        (r"[Ff]ig\.(?=\s?\d)", "figura"),
        (r"[Tt]el\.|[Tt]fno\.|[Tt]eléf\.", "teléfono"),
        (r"[Ee]xt\.(?=\s?\d)", "extensión"),
        (r"p\.\s?ej\.", "por ejemplo"),
        (r"[Pp]\.\s?ej\.", "Por ejemplo"),
        (r"[Ee]tc\.", "etcétera"),
        (r"s\.(?=\s?[IVX]{1,6}\b)", "siglo"),
        (r"a\.\s?(?:de\s)?C\.", "antes de Cristo"),
        (r"d\.\s?(?:de\s)?C\.", "después de Cristo"),
        (r"[Aa]prox\.", "aproximadamente"),
        (r"[Mm]áx\.", "máximo"),
        (r"[Mm]ín\.", "mínimo"),
        (r"vs\.?(?=\s)", "contra"),
        (r"[Cc]ía\.", "compañía"),
        (r"[Hh]nos\.", "hermanos"),
        (r"S\.\s?A\.\s?de\s?C\.\s?V\.", "ese a de ce uve"),
        (r"S\.\s?A\.", "sociedad anónima"),
        (r"S\.\s?L\.", "sociedad limitada"),
        (r"P\.\s?D\.", "posdata"),
        (r"Atte\.", "atentamente"),
        (r"[Gg]ob\.", "gobierno"),
        (r"[Aa]dmón\.", "administración"),
        (r"[Uu]niv\.", "universidad"),
        (r"[Mm]in\.(?=\s[A-Z])", "ministro"),
        (r"I\+D\+i", "i más de más i"),
        (r"I\+D", "i más de"),
        (r"24/7", "veinticuatro siete"),
        (r"OK|ok", "okey"),
        (r"WiFi|Wi-Fi|wi-fi", "wifi"),
    ),
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
    symbols={
        "&": "y",
        "+": "más",
        "=": "igual a",
        "×": "por",
        "÷": "dividido entre",
        "±": "más menos",
        "≈": "aproximadamente",
        "≠": "distinto de",
        "≤": "menor o igual que",
        "≥": "mayor o igual que",
        "∞": "infinito",
        "√": "raíz cuadrada de",
        "%": "por ciento",
        "‰": "por mil",
        "°": "grados",
        "€": "euros",
        "$": "dólares",
        "£": "libras",
        "¥": "yenes",
        "₹": "rupias",
        "¢": "centavos",
        "₿": "bitcoin",
        "§": "sección",
        "©": "copyright",
        "№": "número",
        "µ": "micro",
        "∑": "suma",
        "∫": "integral",
        "∂": "parcial",
        "∈": "en",
        "∴": "por tanto",
        "@": "arroba",
        "~": "virgulilla",
        "º": "o",
        "ª": "a",
    },
    host_words=words("es me ve de co"),
    at="arroba",
    dot="punto",
    slash="barra",
    backslash="barra invertida",
    dash="guion",
    underscore="guion bajo",
    hashtag="hashtag",
    sharp="sharp",
    plus="más",
    times="por",
    divided="entre",
    equals="igual a",
    colon="dos puntos",
    ampersand="y",
    question_mark="interrogación",
    percent_sign="por ciento",
    tilde="virgulilla",
    roughly="unos",
    power="elevado a",
    squared="al cuadrado",
    cubed="al cubo",
    less="menor que",
    greater="mayor que",
    greek={
        "α": "alfa",
        "β": "beta",
        "γ": "gamma",
        "δ": "delta",
        "ε": "épsilon",
        "ζ": "dseta",
        "η": "eta",
        "θ": "zeta",
        "ι": "iota",
        "κ": "kappa",
        "λ": "lambda",
        "μ": "mi",
        "ν": "ni",
        "ξ": "xi",
        "ο": "ómicron",
        "π": "pi",
        "ρ": "ro",
        "σ": "sigma",
        "τ": "tau",
        "υ": "ípsilon",
        "φ": "fi",
        "χ": "ji",
        "ψ": "psi",
        "ω": "omega",
    },
    roman_after=(
        r"[Ss]iglos?|[Cc]apítulos?|[Tt]omo|[Vv]olumen|[Vv]ol\.|[Aa]cto|[Ee]scena|[Ss]ección"
        r"|[Aa]péndice|[Ll]ibro|Guerra Mundial|[Ff]ase|[Tt]ipo|[Cc]lase|[Tt]ítulo|[Aa]rtículo"
        r"|[Nn]ivel|[Pp]arte|[Ee]pisodio|[Tt]abla|[Aa]nexo|Rocky|[Cc]anto|[Mm]ilenio"
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
    conjunctions=(
        "y",
        "e",
        "o",
        "u",
        "pero",
        "sino",
        "porque",
        "que",
        "cuando",
        "donde",
        "mientras",
        "aunque",
        "si",
        "como",
        "con",
        "para",
        "por",
        "desde",
        "hasta",
        "en",
        "de",
    ),
    phone_before=(r"tel|teléfono|móvil|celular|llama|llame|llámame|llamar|fax|whatsapp|número|marque|marca"),
)
