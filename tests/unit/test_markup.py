"""Marks in a text: pauses and phonemes, and brackets that are neither."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import InvalidInput, VozError
from src.services.text import Piece, Pronunciation, Silence, to_pieces, to_speech
from src.services.text.markup import MAX_PAUSE, MAX_PAUSES, Pause, Phonemes, Plain, spans_of
from src.services.text.phonemes import UnknownPhonemes, disguise, fitted, reveal

KNOWN = frozenset("abdefhijklmnopstuvwzæðŋɑɔəɛɚɜɡɪɹʃʊʌʒˈˌːθç")
MARKED = Pronunciation(markup=True, known=KNOWN)


def said(text: str, language: str = "en", how: Pronunciation = MARKED) -> list[str | float]:
    """Texts of pieces, and seconds of silences."""
    pieces = to_pieces(text, language, "dollars", how)
    return [piece.text if isinstance(piece, Piece) else piece.seconds for piece in pieces]


@pytest.mark.parametrize(
    ("text", "pauses"),
    [
        ("[pause:1.5s]", [1.5]),
        ("[pause:500ms]", [0.5]),
        ("[PAUSE: 2 S]", [2.0]),
        ("[pause:.25s]", [0.25]),
        ("[pause:0s]", [0.0]),
        ("a[pause:10s]b[pause:10000ms]c", [10.0, 10.0]),
    ],
)
def test_pauses(text: str, pauses: list[float]) -> None:
    assert [span.seconds for span in spans_of(text) if isinstance(span, Pause)] == pauses


@pytest.mark.parametrize(
    "length", ["", "1", "1,5s", "-1s", "1e3s", "one second", "s", "1h", "nans", "1.5.1s"]
)
def test_a_pause_without_a_length_is_refused_by_its_place(length: str) -> None:
    with pytest.raises(InvalidInput, match=r"at character 4 is no pause") as refused:
        spans_of(f"Hi [pause:{length}] there")
    assert refused.value.field == "text"
    assert f"[pause:{length}]" in str(refused.value)


def test_pauses_have_a_bound_each_and_together() -> None:
    with pytest.raises(InvalidInput, match="at most 10 s"):
        spans_of(f"Hi [pause:{MAX_PAUSE + 0.001}s]")
    most = f"a [pause:{MAX_PAUSE}s]" * int(MAX_PAUSES / MAX_PAUSE)
    assert spans_of(most)
    with pytest.raises(InvalidInput, match="at most 60 s"):
        spans_of(most + "[pause:1ms]")


def test_words_with_phonemes() -> None:
    spans = spans_of("In [New York](/nuː jˈɔːk/), [x](/eks/)")
    assert spans == [
        Plain("In "),
        Phonemes("New York", "nuː jˈɔːk", "'[New York](/nuː jˈɔːk/)' at character 4"),
        Plain(", "),
        Phonemes("x", "eks", "'[x](/eks/)' at character 29"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[x]", "[pause]", "[ pause:1s]", "[pause 1s]", "[a](b)", "[a](/b)", "[a](b/)", "[a](//)", "[](/a/)",
        "[ ](/a/)", "[a] (/b/)", "[[a](/b", "(/a/)", "[a\nb](/c/)", "a[1] = b[2]",
        "[x](http://example.com/a/)",
    ],
)  # fmt: skip
def test_other_brackets_are_text(text: str) -> None:
    assert spans_of(text) == [Plain(text)]


def test_a_text_is_cut_at_its_pauses() -> None:
    assert said("[pause:1s]One thing. Another one, [pause:2s][pause:500ms] and the last.[pause:3s]") == [
        1.0, "One thing. Another one.", 2.0, 0.5, "and the last.", 3.0,
    ]  # fmt: skip
    before, silence, after = to_pieces("One thing here. [pause:1s] Another one.", "en", "dollars", MARKED)
    assert isinstance(before, Piece)
    assert isinstance(after, Piece)
    assert silence == Silence(1.0)
    assert before.pause == after.pause == 0.0


def test_phonemes_reach_the_pieces_in_slashes() -> None:
    assert said("The [Worcester](/ˈwʊstɚ/) sauce.") == ["The /ˈwʊstɚ/ sauce."]
    assert said("In [New York](/nuː jˈɔːk/), please!") == ["In /nuː/ /jˈɔːk/, please!"]
    assert said("**[Bold](/bˈoʊld/)**, un[break](/bɹeɪk/)able; [it](/ɪt/)'s") == [
        "/bˈoʊld/, un/bɹeɪk/able; /ɪt/'s."
    ]
    assert said("[Año](/ˈanjo/) 2024.", "es") == ["/ˈanjo/ dos mil veinticuatro."]


def test_what_is_around_phonemes_is_read_as_ever() -> None:
    plain = to_speech("He paid $5 for the sauce on 3/4/2024 at 10:30, Dr. Smith.", "en")
    marked = said("He paid $5 for the [sauce](/sɔːs/) on 3/4/2024 at 10:30, Dr. Smith.")
    assert marked == [piece.text.replace("sauce", "/sɔːs/") for piece in plain]


def test_the_region_of_a_sum_is_looked_for_on_both_sides_of_a_pause() -> None:
    assert said("Vale $5. [pause:1s] Son pesos mexicanos.", "es")[0] == "Vale cinco pesos."


def test_written_words_are_those_in_the_brackets() -> None:
    text = "The [Worcester](/ˈwʊstɚ/), [New York](/nuː jɔːk/). [pause:1s] It is $5."
    pieces = to_pieces(text, "en", "dollars", MARKED, timed=True)
    words = [[word.text for word in piece.written] for piece in pieces if isinstance(piece, Piece)]
    assert words == [["The", "Worcester,", "New", "York."], ["It", "is", "$5."]]


@pytest.mark.parametrize(
    ("ipa", "symbols"),
    [
        ("gˈoʊ", "ɡˈoʊ"),
        ("t͡ʃa", "tʃa"),
        ("ˈwʊs.tɚ", "ˈwʊstɚ"),
        ("c\u0327a", "ça"),
        ("  a \t b ", "a b"),
        ("a:", "aː"),
    ],
)
def test_ipa_is_fitted_to_what_a_voice_knows(ipa: str, symbols: str) -> None:
    assert fitted(ipa, KNOWN) == symbols
    assert reveal(disguise(symbols)) == " ".join(f"/{word}/" for word in symbols.split())


@pytest.mark.parametrize(
    ("ipa", "why"),
    [("ɬaʘɬ", "no phoneme 'ɬ', 'ʘ'"), ("1", "'1'"), (".", "no phoneme in it"), (" ", "no phoneme")],
)
def test_unknown_phonemes_are_refused_by_name(ipa: str, why: str) -> None:
    with pytest.raises(UnknownPhonemes, match=why):
        fitted(ipa, KNOWN)
    with pytest.raises(InvalidInput, match=rf"at character 4: .*{why}") as refused:
        said(f"So [word](/{ipa}/).")
    assert refused.value.field == "text"


def test_a_voice_of_letters_takes_no_phonemes() -> None:
    with pytest.raises(InvalidInput, match="the voice reads letters and takes no phonemes"):
        said("So [word](/a/).", how=Pronunciation(markup=True))
    assert said("So [pause:1s] long.", how=Pronunciation(markup=True)) == ["So.", 1.0, "long."]


@pytest.mark.parametrize("text", ["[pause:1s]", " [pause:1s] ... [pause:1s]"])
def test_silence_alone_is_no_text(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"empty|nothing that a voice can speak"):
        said(text)


def test_characters_that_carry_phonemes_inside_are_not_let_in() -> None:
    assert said(f"So [word](/a/) {disguise('b')} it is.") == ["So /a/ it is."]
    assert [piece.text for piece in to_speech(f"So {disguise('b')} it is.", "en")] == ["So it is."]


MARKS = st.sampled_from(
    ["[pause:1s]", "[pause:500ms]", "[pause:x]", "[", "]", "(/", "/)", "[a](/b/)", "[Ü](/ɬ/)", " ", ".", "$5",
     "\n", "**", "- ", "'", "word", "¿", "😀", "\U00020061"]
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(MARKS | st.text(max_size=5), max_size=12).map("".join), st.sampled_from(["en", "es"]))
def test_without_markup_nothing_changes_and_with_it_nothing_breaks(text: str, language: str) -> None:
    def tried(speak: object) -> Sequence[object] | str:
        try:
            return speak()  # type: ignore[operator,no-any-return]
        except VozError as error:
            return str(error)

    assert tried(
        lambda: to_pieces(text, language, "dollars", Pronunciation(known=KNOWN), timed=True)
    ) == tried(lambda: to_speech(text, language, timed=True))
    marked = tried(lambda: to_pieces(text, language, "dollars", MARKED, timed=True))
    for piece in marked if isinstance(marked, list) else []:
        if isinstance(piece, Piece):
            assert max(piece.text) < "\U00020000"
            assert piece.text.count("/") % 2 == 0
