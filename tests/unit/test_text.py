"""What is said for what is written, kind by kind, in both languages."""

import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from src.errors import InvalidInput
from src.services.text import Piece, to_speech
from src.services.text.sentences import COLON, COMMA, MAX_LETTERS, PARAGRAPH, QUESTION, SENTENCE
from tests.support.sentences import SENTENCES, Sentence, normalise, plain

LANGUAGES = pytest.mark.parametrize("language", ["en", "es"])


def said(text: str, language: str) -> str:
    return " ".join(piece.text for piece in to_speech(text, language))


EVERY = [pytest.param(code, s, id=f"{code}-{s.text}") for code, ss in SENTENCES.items() for s in ss]


@pytest.mark.parametrize(("language", "sentence"), EVERY)
def test_what_people_send_is_heard(language: str, sentence: Sentence) -> None:
    assert normalise(sentence.text, language) == plain(sentence.said, language)


@pytest.mark.parametrize(("language", "sentence"), EVERY)
def test_what_is_in_words_already_stays(language: str, sentence: Sentence) -> None:
    once = said(sentence.text, language)
    assert said(once, language) == once


ENGLISH = {
    "foo_bar_baz": "foo underscore bar underscore baz.",
    "2*3*4": "two times three times four.",
    "a_b@c.es": "eigh underscore bee, at see dot ee ess.",
    "C++": "see plus plus.",
    "All done ✅": "All done, check mark button.",
    "1,2,3": "one, two, three.",
    "007": "zero zero seven.",
    ".5 or 0.5": "point five or zero point five.",
    "1234567890123456": "one two three four five six seven eight nine zero one two three four five six.",
    "version 3.11.2": "version three point eleven point two.",
    "at 192.168.1.10": "at one nine two dot one six eight dot one dot one zero.",
    "the 3rd and 21st": "the third and twenty-first.",
    "2 1/2 cups, 7/12": "two and a half cups, seven over twelve.",
    "10/10 and 4.5/5": "ten out of ten and four point five out of five.",
    "3/4 mi": "three quarters of a mile.",
    "1939–1945": "nineteen thirty-nine to nineteen forty-five.",
    "in 1066, 1066 men": "in ten sixty-six, one thousand sixty-six men.",
    "the 1990s, the '80s": "the nineteen nineties, the eighties.",
    "5 - 3 = 2, 5-3=2": "five minus three equals two, five minus three equals two.",
    "x^2 + y² = 10^6": "x squared plus y squared equals ten to the power of six.",
    "a < b, c >= d": "a less than b, c greater than or equal to d.",
    "Dec. 5th, 1990": "December fifth, nineteen ninety.",
    "2026-11-22T14:30:00Z": "November twenty-second, twenty twenty-six fourteen thirty.",
    "11/22/2026": "November twenty-second, twenty twenty-six.",
    "10 am, 2.30 p.m., 14:05": "ten eigh em, two thirty pee em, fourteen oh five.",
    "$1, $0.99, -$5": "one dollar, ninety-nine cents, minus five dollars.",
    "$1.5M, 20k users": "one point five million dollars, twenty thousand users.",
    "$20 USD": "twenty you ess dollars.",
    "€3/kg": "three euros per kilogram.",
    "20–25 °C, -3°F": "twenty to twenty-five degrees Celsius, minus three degrees Fahrenheit.",
    "10 μg, 5 Ω": "ten micrograms, five ohms.",
    "6'2\" tall": "six foot two tall.",
    "MP3, 5G, F-16, COVID-19": "em pee three, five jee, ef sixteen, Covid nineteen.",
    "call 555-1234": "call five five five, one two three four.",
    "https://a.org/x?y=1 (see)": "eigh dot org, slash ex question mark why equals one, see.",
    "read README.md": "read Readme dot em dee.",
    "@ana #BigNews": "at ana hashtag Big News.",
    "J. K. Rowling": "jay kay Rowling.",
    "He works at Acme Inc. She left.": "He works at Acme Incorporated. She left.",
    "Vitamin C. I take it.": "Vitamin C. I take it.",
    "St. John on Main St. today": "Saint John on Main Street today.",
    "It ended in the UK. IT'S GREAT! DON'T stop.": "It ended in the you kay. it's great! don't stop.",
    "Dr. No": "Doctor No.",
    "ISBN 978-3-16-1484-0": "eye ess bee en nine seven eight, three, one six, one four eight four, zero.",
    "$5/month <a@b.org>": "five dollars per month eigh, at bee dot org.",
    "URLs and HTML": "you ar els and aitch tee em el.",
    "I did NOT say UNESCO": "I did not say Unesco.",
    "Henry VIII, Part II": "Henry the eighth, Part two.",
    "don't — the dogs' toys": "don't, the dogs toys.",
    "**bold**, _soft_, `code`, ~~no~~": "bold, soft, code, no.",
    "<p>Fish &amp; chips</p>": "Fish and chips.",
    "naïve Dvořák": "naive Dvorak.",
    "Ｈｅｌｌｏ 𝐰𝐨𝐫𝐥𝐝 ﬁne": "Hello world fine.",
    "no\u200bbreak\u00ad, ok\x00": "nobreak, ok.",
    "😂😂😂 ha": "face with tears of joy, ha.",
    "nooooooo": "nooo.",
}

SPANISH = {
    "foo_bar_baz": "foo guion bajo bar guion bajo baz.",
    "2*3*4": "dos por tres por cuatro.",
    "a_b@c.es": "a guion bajo be, arroba ce punto es.",
    "C++": "ce más más.",
    "Hecho ✅": "Hecho, botón de marca de verificación.",
    "1.500,50 y 1,500.50": "mil quinientos coma cincuenta y mil quinientos punto cincuenta.",
    "3,14 y 3,05": "tres coma catorce y tres coma cero cinco.",
    "21 años, 21 casas, 1 vez": "veintiún años, veintiuna casas, una vez.",
    "21.000 libras, 200.000 personas": "veintiún mil libras, doscientas mil personas.",
    "1.ª, 2.º, 3er piso, 21.º": "primera, segundo, tercer piso, vigésimo primero.",
    "1/2 kg, 3/4, 7/12": "medio kilo, tres cuartos, siete doceavos.",
    "el 1/2/2026": "el uno de febrero de dos mil veintiséis.",
    "5 de ene. de 1990": "cinco de enero de mil novecientos noventa.",
    "las 9:30 a. m., las 14h": "las nueve y treinta de la mañana, las catorce horas.",
    "a las 1:05": "a las una y cinco.",
    "$1,500 MXN, US$50": "mil quinientos pesos mexicanos, cincuenta dólares.",
    "0,99 €, 1,01 €, 3 M€": "noventa y nueve céntimos, un euro con un céntimo, tres millones de euros.",
    "1k, 2 mil €, 1 mil €": "mil, dos mil euros, mil euros.",
    "2 1/2": "dos y medio.",
    "21 £": "veintiuna libras.",
    "5 m², 100 km/h, 5‰": "cinco metros cuadrados, cien kilómetros por hora, cinco por mil.",
    "Tel. (91) 123 45 67": "teléfono nueve uno, uno dos tres, cuatro cinco, seis siete.",
    "1.000.000 €, 2.000.000 km": "un millón de euros, dos millones de kilómetros.",
    "a 35º. El 25º aniversario": "a treinta y cinco grados. El vigésimo quinto aniversario.",
    "12345678Z": "uno dos tres cuatro cinco seis siete ocho zeta.",
    "+34 612 345 678": "más treinta y cuatro, seis uno dos, tres cuatro cinco, seis siete ocho.",
    "EE.UU., EEUU y CC. AA.": "Estados Unidos, Estados Unidos y comunidades autónomas.",
    "Ud. y D. Juan, n.º 5": "usted y don Juan, número cinco.",
    "FMI, UE, DNI, IVA, AVE": "efe eme i, u e, de ene i, Iva, Ave.",
    "s. XV, siglos XV-XVI": "siglo quince, siglos quince a dieciséis.",
    "Alfonso XIII, Isabel II": "Alfonso trece, Isabel segunda.",
    "II Guerra Mundial": "segunda Guerra Mundial.",
    "XXV aniversario": "vigésimo quinto aniversario.",
    "—Hola —dijo Ana—.": "Hola, dijo Ana.",
    "«¿Qué?»": "¿Qué?",
    "Fue al mar. Luego volvió.": "Fue al mar. Luego volvió.",
    "façade y Łódź": "fasade y Lódz.",
    "pingüino ÑANDÚ": "pingüino Ñandú.",
    "x²": "x al cuadrado.",
}
TABLE = [
    pytest.param(code, text, expected, id=f"{code}-{text}")
    for code, table in (("en", ENGLISH), ("es", SPANISH))
    for text, expected in table.items()
]


@pytest.mark.parametrize(("language", "text", "expected"), TABLE)
def test_expansion(language: str, text: str, expected: str) -> None:
    assert said(text, language) == expected


def test_pauses_follow_what_ends() -> None:
    text = (
        "The first sentence is here. Is the second one here?\n\nThe third stands in a paragraph of its own."
    )
    assert to_speech(text, "en") == [
        Piece("The first sentence is here.", SENTENCE),
        Piece("Is the second one here?", PARAGRAPH),
        Piece("The third stands in a paragraph of its own.", 0.0),
    ]
    assert to_speech("¿Vienes mañana a la fiesta? Te esperamos todos allí.", "es")[0].pause == QUESTION


def test_a_short_sentence_joins_its_neighbour() -> None:
    assert to_speech("Yes. I will come tomorrow.", "en") == [Piece("Yes. I will come tomorrow.", 0.0)]


@pytest.mark.parametrize(("mark", "pause"), [(",", COMMA), (";", COLON), (":", COLON)])
def test_a_long_sentence_is_cut_at_clauses(mark: str, pause: float) -> None:
    clause = "the wind blew over the empty fields until the evening came"
    pieces = to_speech(f"{mark} ".join([clause] * 8) + ".", "en")
    assert len(pieces) > 1
    assert all(piece.text == f"{mark} ".join([clause] * 3) + mark for piece in pieces[:-1])
    assert {piece.pause for piece in pieces[:-1]} == {pause}


@LANGUAGES
def test_a_long_sentence_without_marks_is_cut_between_words(language: str) -> None:
    text = " ".join(["palabra"] * 200)
    pieces = to_speech(text, language)
    assert all(len(piece.text) <= MAX_LETTERS for piece in pieces)
    assert " ".join(piece.text.rstrip(",.") for piece in pieces) == text


def test_lines_of_a_list_are_said_apart_and_wrapped_lines_are_not() -> None:
    assert (
        said("# Shopping list\n- apples\n- pears and plums", "en")
        == "Shopping list. apples. pears and plums."
    )
    wrapped = "This line was wrapped by an editor that breaks at eighty columns and\nKeeps the capital."
    assert len(to_speech(wrapped, "en")) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("...", "punctuation"),
        ("¿?", "punctuation"),
        ("你好", r"Chinese characters \(2\)"),
        ("مرحبا", "Arabic letters"),
        ("\u200b\ufeff", "punctuation"),
    ],
)
@LANGUAGES
def test_nothing_to_say_is_refused_with_the_reason(text: str, reason: str, language: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        to_speech(text, language)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'fr' cannot be spoken: choose one of en, es"):
        to_speech("Bonjour", "fr")


def test_what_is_dropped_is_logged_without_the_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "src.services.text"):
        assert said("Hello 你好 friend", "en") == "Hello friend."
    assert [record.getMessage() for record in caplog.records] == ["not spoken: Chinese characters (2)"]


@pytest.mark.slow
@LANGUAGES
def test_threads_do_not_disturb_each_other(language: str) -> None:
    """Sentences here do not all end where a plain `. ` stands, so a fallback would give other pieces."""
    texts = [f'Is {n} here? {n} people said: (no!) and left... {n} others "stayed." Done.' for n in "abcd"]
    texts = [" ".join([text] * 8) for text in texts]
    alone = [to_speech(text, language) for text in texts]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda i: to_speech(texts[i % 4], language), range(60)))
    finally:
        sys.setswitchinterval(interval)
    assert together == alone * 15
