"""Words of IPA among others, with a phonemizer that tells what it was asked, and with espeak."""

import pytest

from src.engines.kokoro.phonemes import Phonemizer
from src.engines.marked_text import around_ipa, phonemise

PHONEMES = frozenset("abdefhijklmnopstuvwxyzæðŋɑɔəɐɛɚɜɡɪɹʃʊʌʒˈˌːθɾβɣ ɪ.,?!'")


@pytest.mark.parametrize(
    ("text", "asked", "phonemes"),
    [
        ("one two", "one two", "ONE TWO"),
        ("one /ba/ two.", "one zozo two.", "ONE ba TWO."),
        ("/ˈab/", "obado", "ˈab"),
        ("/ab/ /ba/, /ab/'s", "obado zozo, obado's", "ab ba, ab'S"),
    ],
)
def test_the_words_around_are_phonemised_in_one_sentence(text: str, asked: str, phonemes: str) -> None:
    seen: list[str] = []

    def phonemizer(part: str) -> str:
        seen.append(part)
        return part.upper()

    assert phonemise(text, phonemizer) == phonemes
    assert seen[0] == asked


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [("one /ba/ two.", "(one) ba (two.)"), (" /ba/, /ab/!", " ba, ab!"), ("un/ba/able", "(un)ba(able)")],
)
def test_where_the_phonemizer_garbles_the_made_up_word_each_part_is_phonemised_alone(
    text: str, phonemes: str
) -> None:
    assert phonemise(text, lambda part: f"({part.replace('zozo', 'zo').replace('obado', 'o')})") == phonemes


def test_the_text_around_ipa_is_changed_and_ipa_is_not() -> None:
    assert around_ipa("One /ab/ two, /C/.", str.upper) == "ONE /ab/ TWO, /C/."
    assert around_ipa(" One ", str.strip) == "One"
    assert around_ipa(" One /a/ ", str.strip) == " One /a/ "


@pytest.mark.parametrize(
    ("locale", "text", "phonemes"),
    [
        ("en-US", "It's a /təmˈeɪtoʊ/ please.", "ɪts ɐ təmˈeɪtoʊ plˈiːz."),
        (
            "en-US",
            "Give it to the /ˈɑːɹdvɑːɹk/'s friend, /bˈɑːb/!",
            "ɡˈɪv ɪt tə ðɪ ˈɑːɹdvɑːɹkz fɹˈɛnd, bˈɑːb!",
        ),
        ("en-GB", "/wˈʊstə/", "wˈʊstə"),
        ("es-ES", "El /ˈanjo/ de /ˈeso/.", "el ˈanjo ðe ˈeso."),
        ("en-US", "un/bɹˈeɪk/able zozo", "ˈʌnbɹˈeɪkˈeɪbəl zˈoʊzoʊ"),
    ],
)
def test_espeak_says_the_words_around_as_in_the_sentence(locale: str, text: str, phonemes: str) -> None:
    assert Phonemizer(locale).phonemes(text, PHONEMES) == phonemes
