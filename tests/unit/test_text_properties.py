"""What must hold for any text whatever: `to_speech` neither breaks, nor runs on, nor eats plain words."""

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from src.errors import InvalidInput
from src.services.text import Piece, to_speech
from src.services.text.sentences import MAX_LETTERS

ALPHABET = {
    "en": re.compile(r"[A-Za-z .,;:?!'-]+"),
    "es": re.compile(r"[A-Za-zÁÉÍÓÚÜÑáéíóúüñ .,;:?!¿¡'-]+"),
}
LANGUAGES = pytest.mark.parametrize("language", ["en", "es"])
# letters beside signs, digits, markup and other scripts: what rules stumble over
NASTY = st.text(
    st.sampled_from(
        "aAbZeñÑé019 .,;:!?¿¡'\"-–—…()[]{}<>@#$€£%&*+=/\\|_~^°ºª½²№\n\t"
        "IVX🙂✅👍🏽😂中жπ\u200d\ufe0f\u0301\x00"
    )
)
# hundreds of generated texts: half the time of all unit tests
pytestmark = pytest.mark.slow

FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def speak(text: str, language: str) -> list[Piece]:
    """Pieces, or none where the text is refused."""
    try:
        return to_speech(text, language)
    except InvalidInput as refused:
        assert str(refused)
        return []


def words(pieces: list[Piece]) -> list[str]:
    return re.findall(r"[a-záéíóúüñ']+", " ".join(piece.text for piece in pieces).lower())


def check(pieces: list[Piece], language: str) -> None:
    for piece in pieces:
        assert ALPHABET[language].fullmatch(piece.text), piece
        assert any(c.isalpha() for c in piece.text), piece
        assert piece.text == piece.text.strip()
        assert "  " not in piece.text
        assert len(piece.text) <= MAX_LETTERS, piece
        assert 0 <= piece.pause <= 1
    if pieces:
        assert pieces[-1].pause == 0
        assert pieces[-1].text[-1] in ".?!"


@LANGUAGES
@FEW
@given(text=st.text() | NASTY)
def test_any_text_becomes_speakable_pieces_or_is_refused(language: str, text: str) -> None:
    check(speak(text, language), language)


@LANGUAGES
@FEW
@given(said=st.lists(st.from_regex(r"[a-z]{1,8}[aeiou][a-z]{0,8}", fullmatch=True), min_size=1, max_size=60))
def test_lower_case_words_survive_in_order(language: str, said: list[str]) -> None:
    said = [re.sub(r"(.)\1{3,}", r"\1\1\1", word) for word in said]
    assert words(to_speech(" ".join(said), language)) == said


@LANGUAGES
@FEW
@given(number=st.integers(min_value=0, max_value=10**15 - 1))
def test_every_integer_is_read(language: str, number: int) -> None:
    pieces = to_speech(f"x {number} x", language)
    check(pieces, language)
    assert len(words(pieces)) >= 3


# parts of written forms, which rules of every class fight for
PARTS = re.split(
    " +",
    "$ € % ° º ª ' \" ″ / - – . , : ( # @ * < x × ^ _ 1 12 21 1.5 2,5 1,000 1.000 2024 007 9/11 1/2 ½ "
    "² ⁻¹ km m/s lb in. B M k m h min am p.m. St. Dr. No. n.º IV II I May Mar. Mon lun de of to a "
    "and/or GMT EST USD C$ Q Rs. 4B 3M http://a.b www. a@b.c John 3:16 10:30 1:05:20 2h 1h30 call 911 "
    "555-1234 Flat Piso NY 10001 1.º 3rd s. Sr. 1e5",
)


@pytest.mark.parametrize("language", ["en", "es", "en-GB", "es-MX"])
@FEW
@given(parts=st.lists(st.tuples(st.sampled_from(PARTS), st.sampled_from(["", " "])), min_size=1, max_size=12))
@example(parts=[("www.", ""), ("²", "")])
def test_any_mixture_of_written_forms_is_said_without_a_digit(
    language: str, parts: list[tuple[str, str]]
) -> None:
    check(speak("".join(part + gap for part, gap in parts), language), language[:2])


ATTACKS = [
    "1,", "a.a.", "((((", "1", "9" * 20 + " ", "a" * 5000, "A", "A ", "A.", "a. ", "1. ", "1/", "1-",
    "1:", "1.", "-1", "$1", "1€", "$", "%", "°", "*", "**a", "_", "_a", "__", "`", "[a](", "[", "<b ",
    "</", "&amp;", "&#", "@", "@a", "a@", "a@b.", "a@b.c ", "#", "#a", "http://", "www.", "a.com/", "/a",
    "//", "\\", "~", "\n", "\n\n", "a\n", "- a\n", "# ", "> ", "|", "| - ", "..", "?!", "? ", "¿", "¡a",
    "'", "' ", "a'", "\"", "\"a. ", "—", "-", "--", "a-", "1st", "1º", "1/2 ", "1 1/2 ", "12:30 ",
    "2:30 p.m. ", "2026-11-22 ", "1/1/2026 ", "Nov 1, ", "I", "XIV ", "IV", "Louis X ", "siglo X ",
    "Dr. ", "EE. UU. ", "p. ej. ", "U.S.", "J. K. ", "+1 ", "+34 612 ", "(555) ", "555-", "4111 ",
    "612 ", "1 000 ", '1\xa0000', "5 km", "5km/h ", "km ", "😂", "😂🙂", "👍🏽", "1️⃣", "🇪🇸", "\u200d", "́",
    "é", "é", "中", "ж", "π", "ﬃ", "½", "²", "x^2", "C++ ", "a+b=", "a<b>c ", "=>", "->", ")(", "word ",
    "Hello there, my friend. ", ", ", "; ", "and ", "y ",
]  # fmt: skip


@LANGUAGES
@pytest.mark.parametrize("part", ATTACKS, ids=repr)
def test_five_thousand_characters_of_anything_stay_bounded(language: str, part: str) -> None:
    text = (part * 5000)[:5000]
    pieces = speak(text, language)
    check(pieces, language)
    assert sum(len(piece.text) for piece in pieces) <= 15 * 5000
