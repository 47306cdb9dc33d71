"""Written forms of every class, as a native speaker reads them; regions; and ordinary prose, which stays."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src.services.text import to_speech
from src.services.text.speech import read
from tests.support.sentences import SENTENCES, plain

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "tests/support/written_forms.tsv").read_text(encoding="utf-8").splitlines()
FORMS = [
    pytest.param(*line.split("\t"), id=line.split("\t", 1)[1]) for line in LINES if not line.startswith("#")
]


def said(text: str, language: str, dollar: str = "dollars") -> str:
    return " ".join(piece.text for piece in to_speech(text, language, dollar))


def loosely(spoken: str, language: str) -> str:
    """Letters that are spelled may stand together or apart."""
    return plain(spoken.replace("-", " "), language[:2]).replace(" ", "")


@pytest.mark.parametrize(("kind", "language", "written", "spoken"), FORMS)
def test_a_written_form_is_read_as_a_native_speaker_would(
    kind: str, language: str, written: str, spoken: str
) -> None:
    right = [loosely(way, language) for way in spoken.split(" | ")]
    right += [loosely(said(way, language), language) for way in spoken.split(" | ")]
    assert loosely(said(written, language), language) in right, kind


MORE = [
    ("en", "Room 204A, Seat 14A-14C", "Room two hundred four eigh, Seat fourteen eigh to fourteen see."),
    ("en", "a $20 million deal, NZ$30", "a twenty million dollar deal, thirty New Zealand dollars."),
    ("en", "500 sq ft, 3 cu ft", "five hundred square feet, three cubic feet."),
    ("en", "80 km/hr, 7.4 mmol/L", "eighty kilometers per hour, seven point four millimoles per liter."),
    ("en", "It takes 5 min. Then stop.", "It takes five minutes. Then stop."),
    ("en", "Bring wks., yrs. and foo. to the end.", "Bring weeks, years and foo to the end."),
    ("en", "Open Mon. to Sat. from 9. The Sun is hot.", "Open Monday to Saturday from nine. The Sun is hot."),
    ("en", "0:05:30, 5m30s", "five minutes and thirty seconds, five minutes and thirty seconds."),
    ("en", "Appendix C and Plan D, Plan I", "Appendix C and Plan D, Plan one."),
    ("en", "organize a meet-up", "organize a meet-up."),
    ("en", "PHP 7.4 for 20 PHP", "pee aitch pee seven point four for twenty Philippine pesos."),
    ("en", "a 64-bit CPU, CARGO_HOME", "a sixty-four bit see pee you, Cargo underscore home."),
    ("en", "Mr. and Mrs. Lee", "Mister and Missus Lee."),
    ("es", "El LV será así.", "El ele uve será así."),
    ("es", "25º C, Portal 3.º C", "veinticinco grados Celsius, Portal tercero ce."),
    ("es", "3/4 hora, 1 1/2 horas", "tres cuartos de hora, una hora y media."),
    ("es", "los niñ@s", "los niños."),
    ("es", "Son 5 mi. y 3/4 mi. más.", "Son cinco millas y tres cuartos de milla más."),
    ("es", "C.P. 21kg³", "ce pe dos uno ka ge."),
    ("en", "MP3s, 3 ft × 4 ft, Ps. 23:1", "em pee threes, three feet by four feet, Ps twenty-three, one."),
    ("en", "Press .5.3. twice", "Press point five point three. twice."),
    ("es", "Marca el 911. C.P. 06700", "Marca el nueve uno uno. ce pe cero seis siete cero cero."),
    ("es", "1.000.000.000 de euros", "mil millones de euros."),
    ("en", "2³ = 8, 5² and 3 m²", "two cubed equals eight, five squared and three square meters."),
    ("en", "either/or, neither/nor", "either or, neither nor."),
    ("en", "a 50/50 split", "a fifty-fifty split."),
    ("en", "Press <Enter>, write to <a@b.org>", "Press Enter, write to eigh, at bee dot org."),
    ("en", "8 1/2 x 11 paper, 1/2 x 3/4 in.", "eight and a half by eleven paper, "
     "one half by three quarters inches."),
    ("es", "2³ = 8, C. P. 28013", "dos al cubo igual a ocho, ce pe dos ocho cero uno tres."),
    ("es", "pág. 12 y ss., l@s alumn@s", "página doce y siguientes, los alumnos."),
    ("es", "Sacó un 9/10.", "Sacó un nueve de diez."),
    ("en", "2Q22, Q3 2025", "the second quarter of twenty-two, the third quarter of twenty twenty-five."),
    ("en", "the 2023/24 season, in 405 BC",
     "the twenty twenty-three twenty-four season, in four oh five bee see."),
    ("en", "a 1/4\" bolt, 5 1/2\", 3/4 oz",
     "a one quarter inch bolt, five and a half inches, three quarters of an ounce."),
    ("es", "un tubo de 3/4\", 2 1/2\"", "un tubo de tres cuartos de pulgada, dos pulgadas y media."),
    ("es", "2 1/4 litros, 1 1/2 horas", "dos litros y un cuarto, una hora y media."),
    ("en", "12/kg, 2%-10%", "twelve per kilogram, two to ten percent."),
    ("en", "00:1A:2B:3C:4D:5E", "zero zero, one eigh, two bee, three see, four dee, five ee."),
    ("en", "40°45'N, 20°-25 °c",
     "forty degrees forty-five minutes north, twenty to twenty-five degrees Celsius."),
    ("en", "MCMXCIV, Dr Smith", "nineteen ninety-four, Doctor Smith."),
    ("en", "node.js and .NET", "node dot jay ess and dot Net."),
    ("en", "x^n, ~50 people", "x to the power of n, about fifty people."),
    ("en", "the 1800s, the 2000s", "the eighteen hundreds, the two thousands."),
    ("en", "1795 / 1805",
     "one thousand seven hundred ninety-five divided by one thousand eight hundred five."),
    ("en", "BP 118/76, R$ 5,50",
     "bee pee one hundred eighteen over seventy-six, five reais and fifty centavos."),
    ("en", "cat /usr/local/bin", "cat slash usr slash local slash bin."),
    ("en", "13/5/2026, 0th, 15/16", "May thirteenth, twenty twenty-six, zeroth, fifteen sixteenths."),
    ("es", "8 l/100 km, 1,2345678",
     "ocho litros por cien kilómetros, uno coma dos tres cuatro cinco seis siete ocho."),
    ("es", "caduca 05/2027", "caduca mayo de dos mil veintisiete."),
    ("es", "a las 9:05:07 p. m.", "a las nueve y cinco y siete segundos de la noche."),
    ("es", "3/20, 7/300, 1000.º", "tres veinteavos, siete tricentésimos, milésimo."),
    ("es", "el 2do. lugar, la 3ra. vez", "el segundo lugar, la tercera vez."),
    ("en", "a 4\" x 6\" photo, 4\" x 6\"", "a four by six inch photo, four by six inches."),
    ("en", "SW3 4RD, BP: 120/80",
     "ess double you three, four ar dee, bee pee: one hundred twenty over eighty."),
    ("en", "WWII, 20/20 vision, Aug '24", "World War Two, twenty-twenty vision, August twenty-four."),
    ("en", "10k race, $10k prize", "ten kay race, ten thousand dollars prize."),
    ("es", "L-V, a/a Sr. Gil", "lunes a viernes, a la atención de señor Gil."),
    ("es", "TA: 120/80, 15 cts.", "te a: ciento veinte sobre ochenta, quince céntimos."),
    ("es", "2345-6789", "dos tres cuatro cinco, seis siete ocho nueve."),
    ("es", "2-1/2 tazas, 1 1/2 más, 21 mil", "dos tazas y media, uno y medio más, veintiún mil."),
    ("es", "a 40º N, 1939-1945",
     "a cuarenta grados norte, mil novecientos treinta y nueve a mil novecientos cuarenta y cinco."),
    ("en", "HMMM. Fine, OK. It may 5 times fail.", "Hmmm. Fine, okay. It may five times fail."),
    ("en", "3/5 stars, #Expo2026, #5",
     "three out of five stars, hashtag Expo twenty twenty-six, number five."),
    ("en", "in 1000 AD, on 1/2/00", "in one thousand eigh dee, on January second, two thousand."),
    ("en", "we sat and sun came", "we sat and sun came."),
    ("en", "at 9:05:07 pm, 3 × 4, 2 x 3 = 6",
     "at nine oh five and seven seconds pee em, three times four, two by three equals six."),
    ("en", "He said \"I have 5 1/2\" and \"12\" left.", "He said I have five and a half and twelve left."),
    ("en", "12345 Main St, 10345 Oak Ave",
     "one twenty-three forty-five Main Street, one zero three four five Oak Avenue."),
    ("en", "25:61, 13-14 pm, GMT+2",
     "twenty-five to sixty-one, thirteen to fourteen pee em, jee em tee plus two."),
    ("en", "40°45', x/y, C:\\dir, a != b",
     "forty degrees forty-five minutes, x slash y, C: backslash dir, a is not equal to b."),
    ("en", "9/1 x 2, 4/2 x 3", "nine slash one by two, four halves by three."),
    ("es", "9/1 x 2, 1/2 x 3", "nueve barra uno por dos, medio por tres."),
]  # fmt: skip


@pytest.mark.parametrize(("language", "written", "spoken"), MORE)
def test_other_forms_of_the_same_kinds(language: str, written: str, spoken: str) -> None:
    assert said(written, language) == spoken


REGIONS = [
    ("en", "3/4/2026, $5", "March fourth, twenty twenty-six, five dollars."),
    ("en-US", "3/4/2026, $5", "March fourth, twenty twenty-six, five dollars."),
    ("en-GB", "3/4/2026, 105", "the third of April twenty twenty-six, one hundred and five."),
    ("es-ES", "$50, 1.500,50 €", "cincuenta dólares, mil quinientos euros con cincuenta céntimos."),
    ("es-MX", "$1,500.50", "mil quinientos pesos con cincuenta centavos."),
    ("es_MX", "$50", "cincuenta pesos."),
    ("es-MX", "1/5/2026", "primero de mayo de dos mil veintiséis."),
    ("es-MX", "2/5/2026", "dos de mayo de dos mil veintiséis."),
    ("es-AR", "$1.500,50", "mil quinientos pesos con cincuenta centavos."),
    ("es-CL", "$50", "cincuenta pesos."),
    ("es-US", "$50", "cincuenta dólares."),
    ("es-PA", "$50", "cincuenta dólares."),
    ("es-VE", "Bs. 350", "trescientos cincuenta bolívares."),
    ("es-BO", "Bs 80", "ochenta bolivianos."),
    ("es-HN", "L 200", "doscientos lempiras."),
    ("es-CR", "Llama al 24401122", "Llama al dos cuatro cuatro cero, uno uno dos dos."),
    ("en-US", "call 5551234567", "call five five five, one two three, four five six seven."),
    ("es-419", "50 €", "cincuenta euros."),
    ("ES", "$50", "cincuenta dólares."),
]


@pytest.mark.parametrize(("language", "written", "spoken"), REGIONS)
def test_a_region_decides(language: str, written: str, spoken: str) -> None:
    assert said(written, language) == spoken


@pytest.mark.parametrize(
    "tag", ["es-", "es-ZZ", "en_x", "es-419-MX", "es-Latn-MX", "en--", "es-\u00f1", "en-1234567", "ES_mx"]
)
def test_a_region_that_nobody_knows_is_that_of_the_language(tag: str) -> None:
    assert said("5 km", tag) in ("five kilometers.", "cinco kilómetros.")


def test_in_plain_spanish_a_dollar_sign_is_read_by_the_evidence_else_by_the_setting() -> None:
    assert said("Cuesta $50.", "es") == "Cuesta cincuenta dólares."
    assert said("Cuesta $50.", "es", "pesos") == "Cuesta cincuenta pesos."
    assert said("En México cuesta $50.", "es") == "En México cuesta cincuenta pesos."
    assert said("En Nueva York cuesta $50.", "es", "pesos") == "En Nueva York cuesta cincuenta dólares."


PROSE = {
    "en": """
    The harbour was quiet when the last boat came in. Nobody spoke, and the men carried the nets up the
    steps without a light. He had been a sailor, then a baker, and in the end a teacher of small
    children. May we sit here, or is this place taken? She said she might come in March or perhaps may
    not come at all. The sun sat low over the fields. I must mow the grass before the pop of the first
    cork. Is it a bit of a mile to the inn? Mark and John read the acts of the old kings. The co-op sold
    a bar of soap, a pint of milk and a can of beans. It was the best part of the plan, and the second
    half of the day went by like the first. We organized a meet-up for those who had never met. Mix the
    flour with the oil, and let it rest. What a day! They wed in the spring.
    """,
    "es": """
    El puerto estaba en silencio cuando llegó la última barca. Nadie habló, y los hombres subieron las
    redes por la escalera sin luz. Fue marinero, después panadero y al final maestro de niños. ¿Podemos
    sentarnos aquí? La casa daba al mar. El sol caía sobre los campos. Tomó el segundo tomo del armario
    y leyó una parte. Hay que ver lo que se ha hecho. Con la sal y la harina basta. Vi que mi tía venía
    con el pan. A las nueve de la noche todos dormían. Los primeros en llegar fueron los últimos en
    irse. ¡Qué día! No sé si vendrá en marzo o en mayo. Ve con ella y dile que la parte de arriba es
    suya. Me dio un bar de mala muerte en la calle mayor.
    """,
}


@pytest.mark.parametrize("language", ["en", "es"])
def test_ordinary_prose_keeps_every_word(language: str) -> None:
    words = re.compile(r"[^\W\d_]+")
    text = PROSE[language]
    assert words.findall(said(text, language).lower()) == words.findall(text.lower())
    assert [t for t in read(text, language).tokens if words.search(t.spoken)] == []


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "es"])
def test_of_a_thousand_sentences_not_one_word_differs(language: str) -> None:
    words = re.compile(r"[^\W\d_]+")
    sentences = (ROOT / f"tests/data/prose/{language}.txt").read_text(encoding="utf-8").splitlines()
    assert len(sentences) == 1000
    changed = [
        sentence
        for sentence in sentences
        if words.findall(said(sentence, language).lower()) != words.findall(sentence.lower())
    ]
    assert changed == []


@pytest.mark.parametrize("language", ["en", "es"])
def test_five_thousand_characters_take_little_time(language: str) -> None:
    text = (" ".join(sentence.text for sentence in SENTENCES[language]) * 3)[:5000]
    to_speech(text, language)
    times = []
    for _ in range(5):
        start = time.process_time()
        to_speech(text, language)
        times.append(time.process_time() - start)
    assert min(times) < 0.25  # about 0.05 on a quiet machine


def test_the_debug_view_shows_what_was_taken_for_what() -> None:
    command = [sys.executable, "-m", "src.services.text", "Flat 4B costs $50-$100", "--language", "en-GB"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(r"serial +'4B' +-> 'four bee' +\(number and letter behind a place\)", shown)
    assert re.search(r"money +'\$50-\$100' +-> 'fifty to one hundred dollars'", shown)
