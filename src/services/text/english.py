"""English as in America: `zee`, month before day, no `and` inside numbers."""

from functools import lru_cache

from num2words import num2words

from src.services.text.language import PLAIN, Abbreviations, Count, Language, Noun, nouns, table, words

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@lru_cache(maxsize=4096)
def _cardinal(number: int, _count: Count = PLAIN) -> str:
    return str(num2words(number, lang="en")).replace(",", "").replace(" and ", " ")


def british_cardinal(number: int, _count: Count) -> str:
    """With `and`: `one hundred and five`."""
    return str(num2words(number, lang="en")).replace(",", "")


def _ordinal(number: int, _feminine: bool = False) -> str:
    if number == 0:
        return "zeroth"
    return str(num2words(number, lang="en", to="ordinal")).replace(",", "").replace(" and ", " ")


def _year(number: int) -> str:
    century, rest = divmod(number, 100)
    if not 1000 <= number < 10_000 or number % 1000 < 10:
        return _cardinal(number)
    if rest == 0:
        return f"{_cardinal(century)} hundred"
    return f"{_cardinal(century)} {'oh ' if rest < 10 else ''}{_cardinal(rest)}"


def _short_year(number: int) -> str:
    if number == 0:
        return _year(2000)
    return f"{'oh ' if number < 10 else ''}{_cardinal(number)}"


def _decade(number: int) -> str:
    plural = {0: "hundreds", 10: "tens", 20: "twenties", 30: "thirties", 40: "forties", 50: "fifties",
              60: "sixties", 70: "seventies", 80: "eighties", 90: "nineties"}[number % 100]  # fmt: skip
    if number < 100:
        return plural
    if number % 1000 == 0:
        return f"{_cardinal(number)}s"
    return f"{_cardinal(number // 100)} {plural}"


def _fraction(top: int, bottom: int) -> str:
    names = {2: ("half", "halves"), 4: ("quarter", "quarters")}
    if top >= 100 or (bottom > 100 and bottom != 1000):
        return ""
    if bottom in names:
        name = names[bottom][top != 1]
    elif bottom <= 10 or bottom in (16, 20, 32, 64, 100, 1000):
        name = _ordinal(bottom) + ("s" if top != 1 else "")
    else:
        return f"{_cardinal(top)} over {_cardinal(bottom)}"
    return f"{_cardinal(top)} {name}"


def _mixed(whole: str, top: int, bottom: int, noun: str) -> str:
    part = _fraction(top, bottom) or f"{_cardinal(top)} over {_cardinal(bottom)}"
    if top == 1 and bottom > 1:  # `two and a half`
        part = f"a{'n' if bottom == 8 else ''} {part.removeprefix('one ')}"
    return f"{whole} and {part} {noun}".rstrip()


def _fraction_of(top: int, bottom: int, noun: Noun) -> str:
    joint = "" if bottom == 2 else "of a "
    return f"{_fraction(top, bottom)} {joint}{noun.one}"


def _date(day: int, month: int, year: str) -> str:
    return f"{MONTHS[month - 1]} {_ordinal(day)}" + (f", {year}" if year else "")


def _day_first(day: int, month: int, year: str) -> str:
    return f"the {_ordinal(day)} of {MONTHS[month - 1]} {year}".rstrip()


def _days(first: int, last: int, month: int, year: str, day_first: bool) -> str:
    if day_first:
        return f"the {_ordinal(first)} to the {_ordinal(last)} of {MONTHS[month - 1]} {year}".rstrip()
    return f"{MONTHS[month - 1]} {_ordinal(first)} to {_ordinal(last)}" + (f", {year}" if year else "")


def _time(hour: int, minute: int, second: int | None, half: str) -> str:
    said = _cardinal(hour)
    if minute:
        said += f" {'oh ' if minute < 10 else ''}{_cardinal(minute)}"
    elif not half:
        said += " hundred" if hour > 12 else " o'clock" if hour else " hundred"
    if second:
        said += f" and {_cardinal(second)} second{'s' if second != 1 else ''}"
    return said + {"am": " eigh em", "pm": " pee em"}.get(half, "")


def _duration(parts: list[tuple[int, str]]) -> str:
    names = {"h": "hour", "min": "minute", "s": "second"}
    said = [f"{_cardinal(n)} {names[unit]}{'s' if n != 1 else ''}" for n, unit in parts]
    if parts[-1][1] == "s" and len(said) > 1:
        said[-1] = f"and {said[-1]}"
    return " ".join(said)


def _regnal(number: int, _name: str) -> str:
    return f"the {_ordinal(number)}"


def _say_ordinal(number: int, _mark: str, _word: str) -> str:
    return _ordinal(number)


def _prefix(prefix: str, unit: str) -> str:
    return prefix + unit


def _powers(noun: Noun, power: int) -> Noun:
    name = {2: "square", 3: "cubic"}[power]
    return Noun(f"{name} {noun.one}", f"{name} {noun.many}")


def _digits(rest: str, _count: Count) -> str:
    return " ".join(_cardinal(int(c)) for c in rest)


# one syllable after another: at most one consonant, or an easy pair, before the vowel and after it
_ONSET = r"(?:[bcdfghjklmnpqrstvwxyz]|[bcfgp][lr]|[dt]r|s[chklmnpqtw]|ch|sh|th|wh|ph|qu|kn|str|spr|ll|rr)"
_CODA = r"(?:[bcdfgklmnprstxz]|n[dstck]|r[dkmnst]|l[dkmpst]|[ckpf]t|s[kt]|ng|ck|ll|ss|mp|ph|th|sh|ch)"

ABBREVIATIONS = Abbreviations(
    title_before=r"\s[\"'(A-ZÁÉÍÓÚÜÑ]",
    titles_alone=words("mr mrs ms dr prof messrs"),
    titles=table(
        """
    Mr: Mister; Mrs: Missus; Ms: Miz; Dr: Doctor; Drs: Doctors; Prof: Professor; Rev: Reverend
    Hon: Honorable; Gen: General; Col: Colonel; Capt: Captain; Cpt: Captain; Lt: Lieutenant
    Sgt: Sergeant
    Cpl: Corporal; Pvt: Private; Maj: Major; Adm: Admiral; Cmdr: Commander; Gov: Governor; Sen: Senator
    Rep: Representative; Pres: President; Supt: Superintendent; Fr: Father; Sr: Sister; Br: Brother
    St: Saint; Sts: Saints; Mt: Mount; Ft: Fort; Pt: Point; Messrs: Messers; Det: Detective
    Amb: Ambassador
    """
    ),
    numbered=table(
        """
    no: number; nos: numbers; nr: number; vol: volume; vols: volumes; fig: figure; figs: figures
    ch: chapter; chap: chapter; pp: pages; p: page; pg: page; sec: section; sect: section; eq: equation
    eqs: equations; eqn: equation; ref: reference; refs: references; ext: extension; est: established
    rm: room; ste: suite; apt: apartment; bldg: building; fl: floor; ca: circa; art: article
    par: paragraph
    para: paragraph; tab: table; ed: edition; app: appendix; v: versus; ver: version; bk: book
    pt: part; ex: example
    max: maximum; min: minimum; avg: average; lot: lot; unit: unit; rte: route; hwy: highway; cl: clause
    """
    ),
    plain=table(
        """
    Jr: Junior; Sr: Senior; Esq: Esquire; etc: et cetera; approx: approximately; Inc: Incorporated
    Ltd: Limited
    Corp: Corporation; Co: Company; Bros: Brothers; dept: department; assn: association
    assoc: association
    tel: telephone; cf: compare; vs: versus; misc: miscellaneous; govt: government; intl: international
    univ: university; admin: administration; apt: apartment; bldg: building; est: established
    ave: avenue
    blvd: boulevard; hwy: highway; pkwy: parkway; incl: including; excl: excluding; attn: attention
    yrs: years; hrs: hours; mins: minutes; secs: seconds; wk: week; wks: weeks; mo: month; mos: months
    temp: temperature
    mtg: meeting; mgr: manager; mfg: manufacturing; natl: national; orig: original; prev: previous
    viz: namely
    lbs: pounds; doz: dozen; pkg: package; qty: quantity; amt: amount; appt: appointment; asst: assistant
    bibl: bibliography; cont: continued; def: definition; dist: district; div: division; elev: elevation
    hosp: hospital; inst: institute; lang: language; lib: library; mkt: market; mun: municipal
    obs: observation
    pop: population; prob: probably; rec: recommended; ret: retired; sq: square; std: standard
    tech: technical; vol: volume
    """
    ),
    special=(
        (r"e\.\s?g\.,?", "for example,"),
        (r"i\.\s?e\.,?", "that is,"),
        (r"et al\.", "and others"),
        (r"c\.(?=\s?1\d\d\d\b)", "circa"),
        (r"vs?\.?(?=\s)", "versus"),
        (r"[Aa]\.?\s?[Kk]\.?\s?[Aa]\.(?!\w)", "also known as"),
        (r"P\.\s?S\.", "Pee Ess"),
        (r"w/(?:o|out)(?!\w)", "without"),
        (r"[nN]/[aA]", "not applicable"),
        (r"w/(?=\s?[a-z])", "with"),
        (r"b/c(?=\s)", "because"),
        (r"b/w(?=\s)", "between"),
        (r"c/o", "care of"),
        (r"AT&T", "eigh tee and tee"),
        (r"R&B", "ar and bee"),
        (r"R&D", "ar and dee"),
        (r"Q&A", "cue and eigh"),
        (r"24/7", "twenty-four seven"),
        (r"9/11", "nine eleven"),
        (r"401\(k\)s?|401k", "four oh one kay"),
        (r"OK", "okay"),
        (r"WiFi|Wi-Fi", "Wi-Fi"),
        (r"PhD|Ph\.\s?D\.", "pee aitch dee"),
        (r"[Mm]p3s", "em pee threes"),
        (r"A\.?\s?D\.?(?=\s?\d)|(?<=\d )A\.?\s?D\.?", "eigh dee"),
        (r"B\.?\s?C\.?\s?E\.?", "bee see ee"),
    ),
)

ENGLISH = Language(
    code="en",
    accented="",
    sounds={},
    spanish_marks=False,
    decimal_mark=".",
    strict_marks=True,
    day_first=False,
    dollar="USD",
    phone_groups={7: (3, 4), 10: (3, 3, 4), 11: (1, 3, 3, 4)},
    cardinal=_cardinal,
    ordinal=_ordinal,
    ordinal_after=r"((?i:st|nd|rd|th))\b",
    say_ordinal=_say_ordinal,
    year=_year,
    short_year=_short_year,
    year_before=(
        r"in|since|from|until|till|by|before|after|year|of|during|around|to|and|circa|early|late|mid"
        r"|ca?\.|est\.|spring|summer|autumn|fall|winter|the"
    ),
    decades=_decade,
    noun_of=lambda _word: Count(),
    marks={".": "point", ",": "comma"},
    decimals=_digits,
    fraction=_fraction,
    mixed=_mixed,
    fraction_of=_fraction_of,
    codes_as_numbers=False,
    parted=frozenset(),
    scales=nouns(
        """
    thousand k K: thousand; million M mn: million; billion bn B: billion; trillion tn trn: trillion
    quadrillion: quadrillion; lakh lakhs: lakh; crore crores: crore
    """
    ),
    money_scales=nouns("m mm MM mil MN: million; b BN: billion; t T: trillion"),
    pairs=True,
    raised_ordinals=False,
    decade_forms=(
        r"(?<![\w.,])'?(?P<number>(?:1\d|20)?[0-9]0)'?s\b",
        r"(?<![\w.,])(?P<number>(?:1\d|20)\d0) s\b",
    ),
    fraction_suffix=r"(?i:st|nd|rd|th|ths|rds)?",
    half_behind=False,
    million_before=r"\s(?!across|is|was|has|less|this|towards|downwards|upwards)(?:people|[a-z]+s)\b",
    factor=Noun("times", "times"),
    months=MONTHS,
    month_names={
        **{name.lower(): i for i, name in enumerate(MONTHS, 1)},
        **{name[:3].lower(): i for i, name in enumerate(MONTHS, 1)},
        "sept": 9,
    },
    weekdays=table(
        """
    monday mon: Monday; tuesday tue tues tu: Tuesday; wednesday wed weds: Wednesday
    thursday thu thur thurs: Thursday; friday fri: Friday; saturday sat: Saturday; sunday sun: Sunday
    """
    ),
    ambiguous_days=words("sat sun wed mon may mar tu"),
    say_date=_date,
    say_day_first=_day_first,
    say_days=_days,
    say_time=_time,
    say_duration=_duration,
    hours_mark=r"hrs?|hours|h",
    hour_before="",
    date_before=r"on|by|until|since|from|dated?",
    day_suffix=r"(?:st|nd|rd|th)?",
    day_link=r"(?:\sof\s|[\s/-])",
    books=words(
        """
    genesis exodus leviticus numbers deuteronomy joshua judges ruth samuel kings chronicles ezra nehemiah
    esther job psalm psalms proverbs ecclesiastes isaiah jeremiah lamentations ezekiel daniel hosea joel amos
    obadiah jonah micah nahum habakkuk zephaniah haggai zechariah malachi matthew mark luke john acts romans
    corinthians galatians ephesians philippians colossians thessalonians timothy titus philemon hebrews james
    cor gen exod lev deut ps psa prov isa jer matt mt lk jn rom gal eph phil heb rev
    peter jude revelation sirach wisdom maccabees tobit judith baruch quran surah
    """
    ),
    currency_names={
        "USD": Noun("you ess dollar", "you ess dollars"),
        "US$": Noun("you ess dollar", "you ess dollars"),
        "MX$": Noun("Mexican peso", "Mexican pesos"),
        "₡": Noun("colon", "colones"),
        "CRC": Noun("Costa Rican colon", "Costa Rican colones"),
        "R$": Noun("real", "reais"),
        "BRL": Noun("Brazilian real", "Brazilian reais"),
        "₿": Noun("bitcoin", "bitcoins"),
        "BTC": Noun("bitcoin", "bitcoins"),
        "¢": Noun("cent", "cents"),
        "S/": Noun("sol", "soles"),
        "S/.": Noun("sol", "soles"),
        "GBP": Noun("pound", "pounds"),
        "JPY": Noun("yen", "yen"),
        "INR": Noun("rupee", "rupees"),
        "Bs": Noun("boliviano", "bolivianos"),
        "zł": Noun("zloty", "zlotys"),
        "zl": Noun("zloty", "zlotys"),
    },
    cent_names={
        "GBP": Noun("penny", "pence"),
        "INR": Noun("paisa", "paise"),
        "CHF": Noun("rappen", "rappen"),
        **dict.fromkeys(
            words("MXN ARS COP CLP DOP CUP PHP GTQ HNL NIO BOB BRL UYU"), Noun("centavo", "centavos")
        ),
        **dict.fromkeys(words("CRC PEN VES PYG"), Noun("centimo", "centimos")),
        "": Noun("cent", "cents"),
    },
    currency_signs={"C$": "CAD"},
    currency_words=(r"dollars?|euros?|pounds?|pesos?|yen|rupees?|francs?"),
    currency_head=-1,
    cents_joint="and",
    bases=nouns(
        """
    m: meter/meters; g: gram/grams; l L: liter/liters; s: second/seconds; Hz: hertz; W: watt/watts
    V: volt/volts
    A: amp/amps; Ω: ohm/ohms; J: joule/joules; N: newton/newtons; Pa: pascal/pascals; B: byte/bytes
    b bit: bit/bits; bps: bit per second/bits per second; eV: electron volt/electron volts
    Wh: watt hour/watt hours
    Ah: amp hour/amp hours; cal: calorie/calories; F: farad/farads; mol: mole/moles; Sv: sievert/sieverts
    t: ton/tons; Bq: becquerel/becquerels
    """,
        feminine=False,
    ),
    prefix=_prefix,
    units=nouns(
        """
    %: percent; ‰: per mille; kph kmh: kilometer per hour/kilometers per hour
    mph: mile per hour/miles per hour
    mpg: mile per gallon/miles per gallon; rpm: revolution per minute/revolutions per minute
    psi: pound per square inch/pounds per square inch; dpi: dot per inch/dots per inch
    ppi: pixel per inch/pixels per inch
    fps: frame per second/frames per second; bpm: beat per minute/beats per minute
    ppm: part per million/parts per million
    ppb: part per billion/parts per billion; wpm: word per minute/words per minute
    mi: mile/miles; ft: foot/feet; yd yds: yard/yards; in: inch/inches; nmi: nautical mile/nautical miles
    lb lbs: pound/pounds; oz: ounce/ounces; fl_oz fl._oz: fluid ounce/fluid ounces
    gal gals: gallon/gallons
    qt qts: quart/quarts; pint pt.: pint/pints; tsp tsps: teaspoon/teaspoons
    tbsp tbsps tbs: tablespoon/tablespoons
    mcg: microgram/micrograms; kgs: kilogram/kilograms; cc: see see/see sees
    mmHg: millimeter of mercury/millimeters of mercury
    °C: degree Celsius/degrees Celsius; °F: degree Fahrenheit/degrees Fahrenheit; °: degree/degrees
    °K: degree Kelvin/degrees Kelvin
    sec secs: second/seconds; min mins: minute/minutes; h hr hrs: hour/hours; wk wks: week/weeks
    yr yrs: year/years; mo mos: month/months
    dB: decibel/decibels; ha: hectare/hectares; ac: acre/acres; px: pixel/pixels; pt pts: point/points
    hp: horsepower
    MP: megapixel/megapixels; bbl: barrel/barrels; atm: atmosphere/atmospheres; bar: bar/bars
    IU: international unit/international units
    ly: light year/light years; AU: astronomical unit/astronomical units; kn kt: knot/knots
    ct: carat/carats
    lm: lumen/lumens; lx: lux; deg: degree/degrees; doz: dozen; mEq: milliequivalent/milliequivalents
    """,
        feminine=False,
    ),
    per_names=table(
        """
    mo: month; month: month; yr: year; year: year; y: year; wk: week; week: week; d: day; day: day
    hr: hour; h: hour
    hour: hour; min: minute; sec: second; s: second; ea: item; night: night; person: person
    gal: gallon; unit: unit
    """
    ),
    powers=_powers,
    adjective_before=r"an?|the|this|that|every|each|his|her|my|our|your|their|another",
    adjective_never=words(
        """
    in of at and or for is are was were to from on with by per than more less off away above below a an the that
    which if as it into after before when then but so over under through across each every apart long tall high wide
    deep old thick heavy later ago i you he she we they has have had will would can only until
    """
    ),
    points=table(
        """
        N: north; S: south; E: east; W: west
        NE: northeast; NW: northwest; SE: southeast; SW: southwest
        """
    ),
    pressure_before=r"bp|blood pressure(?: of| is| was)?",
    pages=(
        r"apartment|apt\.?|flat|unit|seat|row|gate|room|bus|form|size|door|house|building|block|suite|lot|floor|platform|terminal"
        r"|locker|route|section|line|exit|bay|table|cell|zone|grade|class|type|model|page|number|no\."
    ),
    letters=table(
        """
    a: eigh; b: bee; c: see; d: dee; e: ee; f: ef; g: jee; h: aitch; i: eye; j: jay; k: kay; l: el; m: em
    n: en; o: oh; p: pee; q: cue; r: ar; s: ess; t: tee; u: you; v: vee; w: double you; x: ex; y: why
    z: zee
    """
    ),
    abbreviations=ABBREVIATIONS,
    ambiguous_abbreviations=words(
        "temp rec pop def cont mo sq ave dist prob std lib inst div est qty ret co"
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
    either_or=words(
        "his/her he/she him/her she/he her/his s/he her/him they/them either/or yes/no true/false on/off"
    ),
    symbols=table(
        """
    &: and; +: plus; =: equals; ×: times; ÷: divided by; ±: plus or minus; ≈: approximately
    ≠: is not equal to; ≤: less than or equal to; ≥: greater than or equal to; ∞: infinity
    √: square root of
    %: percent; ‰: per mille; °: degrees; º: degrees; €: euro; $: dollar; £: pound; ¥: yen; ₹: rupee; ¢: cents
    ₩: won
    ₿: bitcoin; §: section; ©: copyright; №: number; µ: micro; ∑: sum; ∫: integral; ∂: partial; ∈: in
    ∴: therefore; @: at; ~: tilde; #: hash; /: slash
    """
    ),
    host_words=words("me"),
    words=table(
        """
    at: at; dot: dot; slash: slash; backslash: backslash; dash: dash; underscore: underscore
    hashtag: hashtag
    sharp: sharp; plus: plus; minus: minus; times: times; by: by; divided: divided by; equals: equals
    colon: colon; ampersand: ampersand; and: and; or: or; question_mark: question mark
    percent: percent; tilde: tilde; bar: vertical bar; caret: caret; roughly: about
    power: to the power of; ten_to: times ten to the; squared: squared; cubed: cubed; log: log base
    of: of
    less: less than; greater: greater than; to: to; out_of: out of; over: over; per: per
    number: number
    port: port; version: vee; minutes: minutes; seconds: seconds; extension: extension
    scale_of:; part_of: of a; before_point:
    """
    ),
    greek=table(
        """
    α: alpha; β: beta; γ: gamma; δ: delta; ε: epsilon; ζ: zeta; η: eta; θ: theta; ι: iota; κ: kappa
    λ: lambda
    μ: mu; ν: nu; ξ: xi; ο: omicron; π: pi; ρ: rho; σ: sigma; τ: tau; υ: upsilon; φ: phi; χ: chi
    ψ: psi; ω: omega
    """
    ),
    roman_after=(
        r"[Cc]hapters?|CHAPTER|[Pp]arts?|PART|[Vv]olumes?|VOLUME|[Vv]ols?\.|[Aa]cts?|ACT|[Ss]cenes?|SCENE|[Ss]ections?|SECTION"
        r"|[Aa]ppendix|APPENDIX|[Bb]ooks?|BOOK|World War|WORLD WAR|WW|[Pp]hase|[Tt]ype|[Cc]lass|[Tt]itle|[Aa]rticles?|ARTICLE"
        r"|[Ll]evel|[Gg]rade|[Ss]tage|Super Bowl|Apollo|Rocky|Mark|[Ee]pisode|Windows|[Tt]able|[Cc]entury|[Cc]anto"
        r"|World Cup|[Pp]lan|[Oo]ption|[Ff]igure|[Gg]roup|[Uu]nit|[Mm]odule|[Ll]esson|[Ss]tep|[Tt]ier|[Ss]chedule|[Aa]nnex|[Ee]xhibit"
    ),
    roman_names=(
        r"Louis|Henry|Charles|George|Edward|Richard|William|James|John|Paul|Pius|Benedict|Gregory"
        r"|Leo|Innocent|Clement|Francis|Frederick|Philip|Elizabeth|Mary|Catherine|Alexander|Nicholas"
        r"|Peter|Napoleon|Ramses|Ptolemy|Felipe|Alfonso|Juan Carlos|John Paul|Carl|Gustav|Victor"
        r"|Robert|David|Albert|Otto|Wilhelm|Ivan|Urban|Boniface|Julius|Sixtus|Margrethe"
        r"|Isabella|Ferdinand|Leopold|Constantine|Theodosius|Harald|Haakon|Olaf|Christian|Rama"
        r"|Abdullah|Thomas|Sam|Samuel|Joseph|Michael|Andrew|Daniel|Walter|Hugh|Stephen|Umberto|Pedro|Carlos|Fernando"
    ),
    regnal=_regnal,
    roman_before="",
    streets=table(
        """
    St: Street; Ave: Avenue; Av: Avenue; Blvd: Boulevard; Rd: Road; Dr: Drive; Ln: Lane; Ct: Court
    Pl: Place
    Sq: Square; Hwy: Highway; Pkwy: Parkway; Expy: Expressway; Ter: Terrace; Terr: Terrace
    Cir: Circle; Trl: Trail; Fwy: Freeway
    Aly: Alley; Plz: Plaza; Cres: Crescent
    """
    ),
    states=table(
        """
    AL: Alabama; AK: Alaska; AZ: Arizona; AR: Arkansas; CA: California; CO: Colorado; CT: Connecticut
    DE: Delaware
    DC: dee see; FL: Florida; GA: Georgia; HI: Hawaii; ID: Idaho; IL: Illinois; IN: Indiana; IA: Iowa
    KS: Kansas
    KY: Kentucky; LA: Louisiana; ME: Maine; MD: Maryland; MA: Massachusetts; MI: Michigan; MN: Minnesota
    MS: Mississippi; MO: Missouri; MT: Montana; NE: Nebraska; NV: Nevada; NH: New Hampshire
    NJ: New Jersey
    NM: New Mexico; NY: New York; NC: North Carolina; ND: North Dakota; OH: Ohio; OK: Oklahoma
    OR: Oregon
    PA: Pennsylvania; RI: Rhode Island; SC: South Carolina; SD: South Dakota; TN: Tennessee; TX: Texas
    UT: Utah
    VT: Vermont; VA: Virginia; WA: Washington; WV: West Virginia; WI: Wisconsin; WY: Wyoming
    PR: Puerto Rico
    """
    ),
    conjunctions=words(
        "and but or because which that when where while who although so if with for to from in of"
    ),
    phone_before=r"tel|telephone|phone|call|fax|mobile|cell|whatsapp|dial|ring|text|number",
    call_before=r"call|calls|called|calling|dial|dials|dialed|dialing|ring|phone|text|texted",
    code_before=r"pin|code|otp|zip|password|passcode|ending in|ends in|card|account|ssn|extension|ext\.|flight|order",
)
