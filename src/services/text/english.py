"""English as in America: `zee`, month before day, no `and` inside numbers."""

from num2words import num2words

from src.services.text.language import Count, Currency, Language, Noun, words

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _cardinal(number: int, _count: Count) -> str:
    return str(num2words(number, lang="en")).replace(",", "").replace(" and ", " ")


def _ordinal(number: int, _feminine: bool = False) -> str:
    return str(num2words(number, lang="en", to="ordinal")).replace(",", "").replace(" and ", " ")


def _year(number: int) -> str:
    century, rest = divmod(number, 100)
    if not 1000 <= number < 10_000 or number % 1000 < 10:
        return _cardinal(number, Count())
    if rest == 0:
        return f"{_cardinal(century, Count())} hundred"
    return f"{_cardinal(century, Count())} {'oh ' if rest < 10 else ''}{_cardinal(rest, Count())}"


def _decade(number: int) -> str:
    plural = {0: "hundreds", 10: "tens", 20: "twenties", 30: "thirties", 40: "forties", 50: "fifties",
              60: "sixties", 70: "seventies", 80: "eighties", 90: "nineties"}[number % 100]  # fmt: skip
    if number < 100:
        return plural
    if number % 1000 == 0:
        return f"{_cardinal(number, Count())}s"
    return f"{_cardinal(number // 100, Count())} {plural}"


def _fraction(top: int, bottom: int) -> str:
    names = {2: ("half", "halves"), 4: ("quarter", "quarters")}
    if bottom in names:
        name = names[bottom][top != 1]
    elif bottom <= 10 or bottom in (16, 20, 32, 100):
        name = _ordinal(bottom) + ("s" if top != 1 else "")
    else:
        return f"{_cardinal(top, Count())} over {_cardinal(bottom, Count())}"
    return f"{_cardinal(top, Count())} {name}"


def _date(day: int, month: int, year: str) -> str:
    return f"{MONTHS[month - 1]} {_ordinal(day)}" + (f", {year}" if year else "")


def _time(hour: int, minute: int, second: int | None, half: str) -> str:
    said = _cardinal(hour, Count())
    if minute:
        said += f" {'oh ' if minute < 10 else ''}{_cardinal(minute, Count())}"
    elif not half:
        said += " hundred" if hour > 12 else " o'clock" if hour else " hundred"
    if second:
        said += f" and {_cardinal(second, Count())} second{'s' if second != 1 else ''}"
    return said + {"am": " eigh em", "pm": " pee em"}.get(half, "")


def _regnal(number: int, _name: str) -> str:
    return f"the {_ordinal(number)}"


_cent = Noun("cent", "cents")
_pence = Noun("penny", "pence")
_dollar = Currency(Noun("dollar", "dollars"), _cent)
_euro = Currency(Noun("euro", "euros"), _cent)
_pound = Currency(Noun("pound", "pounds"), _pence)
_mexican = Currency(Noun("Mexican peso", "Mexican pesos"), Noun("centavo", "centavos"))
_yen = Currency(Noun("yen", "yen"))
_rupee = Currency(Noun("rupee", "rupees"), Noun("paisa", "paise"))

# one syllable after another: at most one consonant, or an easy pair, before the vowel and after it
_ONSET = r"(?:[bcdfghjklmnpqrstvwxyz]|[bcfgp][lr]|[dt]r|s[chklmnpqtw]|ch|sh|th|wh|ph|qu|kn|str|spr|ll|rr)"
_CODA = r"(?:[bcdfgklmnprstxz]|n[dstck]|r[dkmnst]|l[dkmpst]|[ckpf]t|s[kt]|ng|ck|ll|ss|mp|ph|th|sh|ch)"

ENGLISH = Language(
    code="en",
    accented="",
    spanish_marks=False,
    decimal_mark=".",
    cardinal=_cardinal,
    ordinal=_ordinal,
    ordinal_after=r"(st|nd|rd|th)\b",
    feminine_ordinals=(),
    year=_year,
    year_before=(
        r"in|since|from|until|till|by|before|after|year|of|during|around|to|and|circa|early|late|mid"
        r"|spring|summer|autumn|fall|winter|the"
    ),
    decades=_decade,
    noun_of=lambda _word: Count(),
    marks={".": "point", ",": "comma"},
    decimals_as_number=False,
    minus="minus",
    out_of="out of",
    to="to",
    fraction=_fraction,
    and_fraction="and",
    one_part=("one ", "a "),
    scales={
        "thousand": Noun("thousand", "thousand"),
        "million": Noun("million", "million"),
        "billion": Noun("billion", "billion"),
        "trillion": Noun("trillion", "trillion"),
        "k": Noun("thousand", "thousand"),
        "K": Noun("thousand", "thousand"),
        "M": Noun("million", "million"),
        "mn": Noun("million", "million"),
        "bn": Noun("billion", "billion"),
        "B": Noun("billion", "billion"),
    },
    scale_of="",
    part_of="of a",
    number_sign="number",
    per="per",
    months=MONTHS,
    month_names={
        **{name.lower(): i for i, name in enumerate(MONTHS, 1)},
        "jan": 1,
        "feb": 2,
        "mar": 3,
        "apr": 4,
        "jun": 6,
        "jul": 7,
        "aug": 8,
        "sep": 9,
        "sept": 9,
        "oct": 10,
        "nov": 11,
        "dec": 12,
    },
    day_first=False,
    say_date=_date,
    say_time=_time,
    hours_mark=r"hrs?|hours",
    date_before=r"on|by|until|since|from|dated?",
    currencies={
        "$": _dollar,
        "US$": _dollar,
        "USD": Currency(Noun("US dollar", "US dollars"), _cent),
        "€": _euro,
        "EUR": _euro,
        "£": _pound,
        "GBP": _pound,
        "¥": _yen,
        "JPY": _yen,
        "₹": _rupee,
        "INR": _rupee,
        "MXN": _mexican,
        "MX$": _mexican,
        "Mex$": _mexican,
        "CAD": Currency(Noun("Canadian dollar", "Canadian dollars"), _cent),
        "AUD": Currency(Noun("Australian dollar", "Australian dollars"), _cent),
        "CHF": Currency(Noun("Swiss franc", "Swiss francs"), Noun("rappen", "rappen")),
        "ARS": Currency(Noun("Argentine peso", "Argentine pesos"), Noun("centavo", "centavos")),
        "COP": Currency(Noun("Colombian peso", "Colombian pesos"), Noun("centavo", "centavos")),
        "BTC": Currency(Noun("bitcoin", "bitcoins")),
        "₿": Currency(Noun("bitcoin", "bitcoins")),
        "¢": Currency(_cent),
        "₩": Currency(Noun("won", "won")),
        "₽": Currency(Noun("ruble", "rubles")),
    },
    cents_joint="and",
    units={
        "%": Noun("percent", "percent"),
        "‰": Noun("per mille", "per mille"),
        "km/h": Noun("kilometer per hour", "kilometers per hour"),
        "kph": Noun("kilometer per hour", "kilometers per hour"),
        "mph": Noun("mile per hour", "miles per hour"),
        "m/s": Noun("meter per second", "meters per second"),
        "km²": Noun("square kilometer", "square kilometers"),
        "m²": Noun("square meter", "square meters"),
        "cm²": Noun("square centimeter", "square centimeters"),
        "ft²": Noun("square foot", "square feet"),
        "m³": Noun("cubic meter", "cubic meters"),
        "cm³": Noun("cubic centimeter", "cubic centimeters"),
        "km": Noun("kilometer", "kilometers"),
        "m": Noun("meter", "meters"),
        "cm": Noun("centimeter", "centimeters"),
        "mm": Noun("millimeter", "millimeters"),
        "µm": Noun("micrometer", "micrometers"),
        "nm": Noun("nanometer", "nanometers"),
        "mi": Noun("mile", "miles"),
        "ft": Noun("foot", "feet"),
        "yd": Noun("yard", "yards"),
        "kg": Noun("kilogram", "kilograms"),
        "g": Noun("gram", "grams"),
        "mg": Noun("milligram", "milligrams"),
        "µg": Noun("microgram", "micrograms"),
        "lb": Noun("pound", "pounds"),
        "lbs": Noun("pound", "pounds"),
        "oz": Noun("ounce", "ounces"),
        "l": Noun("liter", "liters"),
        "L": Noun("liter", "liters"),
        "cl": Noun("centiliter", "centiliters"),
        "ml": Noun("milliliter", "milliliters"),
        "mL": Noun("milliliter", "milliliters"),
        "°C": Noun("degree Celsius", "degrees Celsius"),
        "°F": Noun("degree Fahrenheit", "degrees Fahrenheit"),
        "°": Noun("degree", "degrees"),
        "s": Noun("second", "seconds"),
        "sec": Noun("second", "seconds"),
        "ms": Noun("millisecond", "milliseconds"),
        "µs": Noun("microsecond", "microseconds"),
        "ns": Noun("nanosecond", "nanoseconds"),
        "min": Noun("minute", "minutes"),
        "mins": Noun("minute", "minutes"),
        "h": Noun("hour", "hours"),
        "hr": Noun("hour", "hours"),
        "hrs": Noun("hour", "hours"),
        "yr": Noun("year", "years"),
        "yrs": Noun("year", "years"),
        "B": Noun("byte", "bytes"),
        "kB": Noun("kilobyte", "kilobytes"),
        "KB": Noun("kilobyte", "kilobytes"),
        "MB": Noun("megabyte", "megabytes"),
        "GB": Noun("gigabyte", "gigabytes"),
        "TB": Noun("terabyte", "terabytes"),
        "GiB": Noun("gibibyte", "gibibytes"),
        "MiB": Noun("mebibyte", "mebibytes"),
        "Mbps": Noun("megabit per second", "megabits per second"),
        "Mb/s": Noun("megabit per second", "megabits per second"),
        "MB/s": Noun("megabyte per second", "megabytes per second"),
        "Gbps": Noun("gigabit per second", "gigabits per second"),
        "Ω": Noun("ohm", "ohms"),
        "Hz": Noun("hertz", "hertz"),
        "kHz": Noun("kilohertz", "kilohertz"),
        "MHz": Noun("megahertz", "megahertz"),
        "GHz": Noun("gigahertz", "gigahertz"),
        "W": Noun("watt", "watts"),
        "kW": Noun("kilowatt", "kilowatts"),
        "MW": Noun("megawatt", "megawatts"),
        "kWh": Noun("kilowatt hour", "kilowatt hours"),
        "V": Noun("volt", "volts"),
        "A": Noun("amp", "amps"),
        "mAh": Noun("milliamp hour", "milliamp hours"),
        "kcal": Noun("kilocalorie", "kilocalories"),
        "cal": Noun("calorie", "calories"),
        "dB": Noun("decibel", "decibels"),
        "ha": Noun("hectare", "hectares"),
        "px": Noun("pixel", "pixels"),
        "pt": Noun("point", "points"),
        "pts": Noun("point", "points"),
    },
    letters={
        "a": "eigh",
        "b": "bee",
        "c": "see",
        "d": "dee",
        "e": "ee",
        "f": "ef",
        "g": "jee",
        "h": "aitch",
        "i": "eye",
        "j": "jay",
        "k": "kay",
        "l": "el",
        "m": "em",
        "n": "en",
        "o": "oh",
        "p": "pee",
        "q": "cue",
        "r": "ar",
        "s": "ess",
        "t": "tee",
        "u": "you",
        "v": "vee",
        "w": "double you",
        "x": "ex",
        "y": "why",
        "z": "zee",
    },
    abbreviations=(
        (r"Mr\.?(?=\s)", "Mister"),
        (r"Mrs\.?(?=\s)", "Missus"),
        (r"Ms\.?(?=\s[A-Z])", "Miz"),
        (r"Dr\.?(?=\s[A-Z])", "Doctor"),
        (r"Drs\.", "Doctors"),
        (r"Prof\.", "Professor"),
        (r"Rev\.", "Reverend"),
        (r"Hon\.", "Honorable"),
        (r"Gen\.(?=\s[A-Z])", "General"),
        (r"Col\.(?=\s[A-Z])", "Colonel"),
        (r"Capt\.", "Captain"),
        (r"Lt\.(?=\s[A-Z])", "Lieutenant"),
        (r"Sgt\.", "Sergeant"),
        (r"Gov\.(?=\s[A-Z])", "Governor"),
        (r"Sen\.(?=\s[A-Z])", "Senator"),
        (r"Rep\.(?=\s[A-Z])", "Representative"),
        (r"Jr\.", "Junior"),
        (r"Sr\.", "Senior"),
        (r"Esq\.", "Esquire"),
        (r"Mt\.(?=\s[A-Z])", "Mount"),
        (r"Ft\.(?=\s[A-Z])", "Fort"),
        (r"(?<=[a-z] )St\.(?!\s[A-Z][a-z])", "Street"),
        (r"St\.?(?=\s[A-Z][a-z])", "Saint"),
        (r"Ave\.", "Avenue"),
        (r"Blvd\.?", "Boulevard"),
        (r"Rd\.", "Road"),
        (r"Hwy\.?", "Highway"),
        (r"Apt\.", "Apartment"),
        (r"[Nn]o\.(?=\s?\d)", "number"),
        (r"[Nn]os\.(?=\s?\d)", "numbers"),
        (r"[Vv]ol\.(?=\s?[\dIVX])", "volume"),
        (r"[Ff]ig\.(?=\s?\d)", "figure"),
        (r"[Cc]h\.(?=\s?[\dIVX])", "chapter"),
        (r"[Pp]p\.(?=\s?\d)", "pages"),
        (r"[Pp]\.(?=\s?\d)", "page"),
        (r"[Ss]ec\.(?=\s?\d)", "section"),
        (r"e\.\s?g\.,?", "for example,"),
        (r"i\.\s?e\.,?", "that is,"),
        (r"[Ee]tc\.", "et cetera"),
        (r"et al\.", "and others"),
        (r"vs?\.(?=\s)", "versus"),
        (r"vs(?=\s)", "versus"),
        (r"cf\.", "compare"),
        (r"approx\.", "approximately"),
        (r"[Ee]st\.(?=\s?\d)", "established"),
        (r"Inc\.", "Incorporated"),
        (r"Ltd\.", "Limited"),
        (r"Corp\.", "Corporation"),
        (r"Co\.", "Company"),
        (r"Bros\.", "Brothers"),
        (r"[Dd]ept\.", "department"),
        (r"[Aa]ssn\.", "association"),
        (r"[Tt]el\.", "telephone"),
        (r"[Ee]xt\.(?=\s?\d)", "extension"),
        (r"a\.k\.a\.", "also known as"),
        (r"P\.\s?S\.", "Pee Ess"),
        (r"w/o(?=\s)", "without"),
        (r"w/(?=\s?[a-z])", "with "),
        (r"[Aa]\.?\s?[Kk]\.?\s?[Aa]\.(?=\s)", "also known as"),
        (r"b/c(?=\s)", "because"),
        (r"c/o", "care of"),
        (r"4K", "four kay"),
        (r"8K", "eight kay"),
        (r"AT&T", "eigh tee and tee"),
        (r"R&B", "ar and bee"),
        (r"R&D", "ar and dee"),
        (r"Q&A", "cue and eigh"),
        (r"24/7", "twenty-four seven"),
        (r"9/11", "nine eleven"),
        (r"OK", "okay"),
        (r"WiFi|Wi-Fi", "Wi-Fi"),
        (r"PhD|Ph\.\s?D\.", "pee aitch dee"),
    ),
    said_as_words=words(
        """
    AIDS ASAP BASIC CAPTCHA COVID DARPA DOS FAQS FEMA FIFA FOMO GIF JPEG JSON LASER LED MERS MIDI
    NAFTA NASA NATO OPEC OSHA PIN RADAR RAM ROM RSVPED SAP SARS SCUBA SIM SWAT TOML UEFA UNESCO
    UNICEF YAML YOLO ZIP
    """
    ),
    said_as_letters=words(
        """
    AMA AOL EPA ESPN ETA EU FAQ IEEE IOS IOU IPA IPO NAACP UAE UCLA USAF USDA YMCA
    """
    ),
    syllables=rf"{_ONSET}?(?:[aeiouy]{{1,2}}{_CODA}?{_ONSET})*?[aeiouy]{{1,2}}{_CODA}?",
    shortest_word=4,
    everyday=words(
        """
    all an and any are as at attention bad be best big but by can danger day did do end even ever
    far few for free get go good got great had has he help her here him his home hot how if
    important in into is its just last let like long look low made make man may me men more most
    much must my need never new next no nor not note now of off oh old on once one only open or
    other our out over own part please put ran read real really right run said sale same save saw
    say see set she show so some still stop such take tell than that the them then there these they
    thing this time today too top try two under until up use very wait want warning was way we well
    went were what when where while who's why will with work year yes yet you your
    """
    ),
    starters=words(
        """
    the a an he she it we they you i this that these those there here in on at but and or so if when
    while after before then however what who why how where as for from with my our his her their its
    no yes not one now today later even some many most all both each
    """
    ),
    symbols={
        "&": "and",
        "+": "plus",
        "=": "equals",
        "×": "times",
        "÷": "divided by",
        "±": "plus or minus",
        "≈": "approximately",
        "≠": "is not equal to",
        "≤": "less than or equal to",
        "≥": "greater than or equal to",
        "∞": "infinity",
        "√": "square root of",
        "%": "percent",
        "‰": "per mille",
        "°": "degrees",
        "€": "euros",
        "$": "dollars",
        "£": "pounds",
        "¥": "yen",
        "₹": "rupees",
        "¢": "cents",
        "₿": "bitcoin",
        "§": "section",
        "©": "copyright",
        "№": "number",
        "µ": "micro",
        "∑": "sum",
        "∫": "integral",
        "∂": "partial",
        "∈": "in",
        "∴": "therefore",
        "@": "at",
        "~": "tilde",
    },
    host_words=words("me"),
    at="at",
    dot="dot",
    slash="slash",
    backslash="backslash",
    dash="dash",
    underscore="underscore",
    hashtag="hashtag",
    sharp="sharp",
    plus="plus",
    times="times",
    divided="divided by",
    equals="equals",
    colon="colon",
    ampersand="and",
    question_mark="question mark",
    percent_sign="percent",
    tilde="tilde",
    roughly="about",
    power="to the power of",
    squared="squared",
    cubed="cubed",
    less="less than",
    greater="greater than",
    greek={
        "α": "alpha",
        "β": "beta",
        "γ": "gamma",
        "δ": "delta",
        "ε": "epsilon",
        "ζ": "zeta",
        "η": "eta",
        "θ": "theta",
        "ι": "iota",
        "κ": "kappa",
        "λ": "lambda",
        "μ": "mu",
        "ν": "nu",
        "ξ": "xi",
        "ο": "omicron",
        "π": "pi",
        "ρ": "rho",
        "σ": "sigma",
        "τ": "tau",
        "υ": "upsilon",
        "φ": "phi",
        "χ": "chi",
        "ψ": "psi",
        "ω": "omega",
    },
    roman_after=(
        r"[Cc]hapters?|[Pp]art|[Vv]olume|[Vv]ol\.|[Aa]ct|[Ss]cene|[Ss]ection|[Aa]ppendix|[Bb]ook"
        r"|World War|WW|[Pp]hase|[Tt]ype|[Cc]lass|[Tt]itle|[Aa]rticle|[Ll]evel|[Gg]rade|[Ss]tage"
        r"|Super Bowl|Apollo|Rocky|Mark|[Ee]pisode|Windows|[Tt]able|[Cc]entury|[Cc]anto"
    ),
    roman_names=(
        r"Louis|Henry|Charles|George|Edward|Richard|William|James|John|Paul|Pius|Benedict|Gregory"
        r"|Leo|Innocent|Clement|Francis|Frederick|Philip|Elizabeth|Mary|Catherine|Alexander|Nicholas"
        r"|Peter|Napoleon|Ramses|Ptolemy|Felipe|Alfonso|Juan Carlos|John Paul|Carl|Gustav|Victor"
        r"|Robert|David|Malcolm|Albert|Otto|Wilhelm|Ivan|Urban|Boniface|Julius|Sixtus|Margrethe"
        r"|Isabella|Ferdinand|Leopold|Constantine|Theodosius|Harald|Haakon|Olaf|Christian|Rama"
        r"|Abdullah"
    ),
    regnal=_regnal,
    roman_before="",
    conjunctions=(
        "and",
        "but",
        "or",
        "because",
        "which",
        "that",
        "when",
        "where",
        "while",
        "who",
        "although",
        "so",
        "if",
        "with",
        "for",
        "to",
        "from",
        "in",
        "of",
    ),
    phone_before=r"tel|telephone|phone|call|fax|mobile|cell|whatsapp|dial|ring|text|number",
)
