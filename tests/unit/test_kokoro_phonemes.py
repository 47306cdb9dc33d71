"""Kokoro's phonemes, in the symbols that each language was trained on."""

import pytest
from kokoro_onnx.config import DEFAULT_VOCAB

from src.engines.kokoro.phonemes import Phonemizer


@pytest.fixture(scope="module")
def spanish() -> Phonemizer:
    return Phonemizer("es-ES")


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("Seis autobuses", "sˈAs ˌWtoβˈuses"),
        ("veinte chicos", "bˈAnte ʧˈikos"),
        ("¡Ay! Hay muchas leyes.", "ˈI! ˈI mˈuʧas lˈeʝes."),
        ("la reunión", "la reʊnjˈon"),  # espeak ties `eʊ`, too, and there is no symbol for it
        ("una pizza", "ˈuna pˈiʦa"),
    ],
)
def test_spanish_diphthongs_and_affricates_are_one_symbol(
    spanish: Phonemizer, text: str, phonemes: str
) -> None:
    assert spanish.phonemes(text, DEFAULT_VOCAB) == phonemes


def test_a_model_without_such_symbols_is_given_two(spanish: Phonemizer) -> None:
    assert spanish.phonemes("seis chicos", set(DEFAULT_VOCAB) - set("Aʧ")) == "sˈeɪs tʃˈikos"


def test_english_stays_as_espeak_has_it() -> None:
    assert Phonemizer("en-US").phonemes("choose eight", DEFAULT_VOCAB) == "tʃˈuːz ˈeɪt"
