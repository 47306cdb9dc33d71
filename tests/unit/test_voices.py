"""Which voice a request means."""

import pytest

from src.engines.base import Voice
from src.engines.voices import OPENAI_VOICES, VoiceRegistry
from src.errors import InvalidInput


def voice(name: str, locale: str, gender: str | None, engine: str = "kokoro") -> Voice:
    return Voice(
        name, locale[:2], locale, engine, "a model", 24_000, gender, f"print of {name}", engine == "kokoro"
    )


REGISTRY = VoiceRegistry(
    [
        voice("af_heart", "en-US", "female"),
        voice("af_alloy", "en-US", "female"),
        voice("af_bella", "en-US", "female"),
        voice("am_onyx", "en-US", "male"),
        voice("bf_emma", "en-GB", "female"),
        voice("ef_dora", "es-ES", "female"),
        voice("em_alex", "es-ES", "male"),
        voice("em_santa", "es-ES", "male"),
        voice("tts_models/en/ljspeech/tacotron2-DDC", "en", None, "coqui"),
    ]
)


@pytest.mark.parametrize(
    ("name", "language", "found"),
    [
        (None, None, "af_heart"),
        (None, "es", "ef_dora"),
        ("bf_emma", None, "bf_emma"),
        ("em_alex", "es", "em_alex"),
        ("em_alex", "es-MX", "em_alex"),
        (None, "ES", "ef_dora"),
        ("tts_models/en/ljspeech/tacotron2-DDC", "en", "tts_models/en/ljspeech/tacotron2-DDC"),
        ("alloy", None, "af_alloy"),
        ("alloy", "es", "ef_dora"),
        ("onyx", "en", "am_onyx"),
        ("echo", "en", "am_onyx"),
        ("ash", "es", "em_alex"),
        ("ballad", "es", "em_santa"),
    ],
)
def test_a_voice_is_found(name: str | None, language: str | None, found: str) -> None:
    assert REGISTRY.find(name, language).id == found


@pytest.mark.parametrize("name", OPENAI_VOICES)
def test_openais_names_are_voices_of_their_gender_in_every_language(name: str) -> None:
    for language in REGISTRY.languages:
        found = REGISTRY.find(name, language)
        assert found.language == language
        assert found.gender == OPENAI_VOICES[name][0]


def test_a_server_of_one_voice_has_all_of_openais() -> None:
    only = VoiceRegistry([voice("css10", "es", None, "coqui")])
    assert only.find("nova").id == only.find("onyx", "es").id == only.find().id == "css10"


@pytest.mark.parametrize(
    ("name", "language", "said"),
    [
        ("af_hart", None, "there is no voice 'af_hart'; the nearest is af_heart"),
        ("aloy", None, "the nearest is alloy"),
        ("zzz", None, "there is no voice 'zzz'"),
        ("", None, "there is no voice ''"),
        ("ef_dora", "en", "the voice ef_dora speaks 'es', not 'en'.*af_heart"),
        ("af_heart", "fr", "no voice speaks the language 'fr'; there are voices for en, es"),
        (None, "fr", "no voice speaks the language 'fr'"),
        ("alloy", "fr", "no voice speaks the language 'fr'"),
        ("af_heart+af_bela", None, "there is no voice 'af_bela'; the nearest is af_bella"),
        ("af_heart+ef_dora", None, "do not speak one language"),
        ("af_heart+", None, "'' is no part of a blend"),
        ("af_heart(-1)+af_bella", None, "is no part of a blend"),
        ("af_heart(1e9)+af_bella", None, "is no part of a blend"),
        ("af_heart(2", None, "is no part of a blend"),
        ("af_heart(0)+af_bella(0.0)", None, "no voice of this blend has a weight above 0"),
        ("af_heart+tts_models/en/ljspeech/tacotron2-DDC", None, "cannot be blended"),
        ("+".join(["af_heart"] * 9), None, "at most 8 voices"),
        ("ef_dora+em_alex", "en", "speaks 'es', not 'en'"),
    ],
)
def test_what_cannot_be_is_said_plainly(name: str | None, language: str | None, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        REGISTRY.find(name, language)


def test_a_blend_has_weights_that_sum_to_one_whatever_their_order() -> None:
    blend = REGISTRY.find("af_heart(2)+af_bella(1)", "en")
    assert dict(blend.blend) == pytest.approx({"af_bella": 1 / 3, "af_heart": 2 / 3}, abs=1e-6)
    assert (blend.id, blend.gender, blend.locale) == ("af_bella(1)+af_heart(2)", "female", "en-US")
    for same in ("af_bella+af_heart(2)", " af_bella(1) + af_heart(2.0) ", "af_heart+af_bella+af_heart"):
        assert REGISTRY.find(same) == blend
    assert REGISTRY.find("af_heart(4)+af_bella(2)").fingerprint == blend.fingerprint
    assert REGISTRY.find("af_heart+af_bella").fingerprint != blend.fingerprint


def test_a_blend_has_the_accent_of_its_heaviest_voice() -> None:
    assert REGISTRY.find("af_heart(3)+bf_emma").locale == "en-US"
    british = REGISTRY.find("am_onyx+bf_emma(3)")
    assert (british.locale, british.gender) == ("en-GB", None)


def test_a_blend_of_one_voice_is_that_voice() -> None:
    assert REGISTRY.find("af_bella(3)").id == "af_bella"
    assert REGISTRY.find("af_bella+af_heart(0)").id == "af_bella"
