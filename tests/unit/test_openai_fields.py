"""OpenAI's forms, names of models, and answers, without a server."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from src.api.openai.answers import answer, done, language_name
from src.api.openai.forms import Granularity, TranscriptionForm
from src.api.schemas import SttFormat
from src.engines.base import EngineInfo, Segment, Voice
from src.engines.whisper.vocabulary import ALL_LANGUAGES
from src.errors import ConfigurationError, InvalidInput, UnknownModel
from src.services.model_names import Catalogue, ModelKind
from src.services.stt import Result
from src.services.text.detect import language_of
from src.services.usage import Usage


def catalogue(**aliases: str) -> Catalogue:
    stt = EngineInfo("whisper", "base", "cpu", "int8", ("en", "es"))
    return Catalogue(stt, [Voice("af_heart", "en", "en-US", "kokoro", "kokoro-82m", 24_000)], aliases)


def test_names_of_models_mean_one_kind_of_work() -> None:
    known = catalogue()
    for name in ("whisper-1", "gpt-transcribe", "base", "whisper"):
        assert known.find(name, ModelKind.STT) is ModelKind.STT
        with pytest.raises(UnknownModel, match=r"text to speech.*tts-1"):
            known.find(name, ModelKind.TTS)
    assert known.find("kokoro-82m") is ModelKind.TTS
    with pytest.raises(UnknownModel, match="gpt-9"):
        known.find("gpt-9")


def test_aliases_are_names_of_what_is_there() -> None:
    known = catalogue(**{"large-v3": "base", "narrator": "tts-1"})
    assert known.find("large-v3", ModelKind.STT)
    assert known.find("narrator", ModelKind.TTS)
    assert known.owner("large-v3") == "alias"
    with pytest.raises(ConfigurationError, match="MODEL_ALIASES: a=b"):
        catalogue(a="b")


def form(**fields: Any) -> TranscriptionForm:
    return TranscriptionForm.model_validate({"model": "whisper-1"} | fields)


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]"])
@pytest.mark.parametrize("value", [["word", "segment"], ["word,segment"]])
def test_lists_are_read_however_they_are_written(name: str, value: list[str]) -> None:
    assert form(**{name: value}).timestamp_granularities == [Granularity.WORD, Granularity.SEGMENT]


def test_an_object_may_be_laid_flat_or_written_as_json() -> None:
    flat = {"chunking_strategy[type]": "server_vad", "chunking_strategy[threshold]": "0.4"}
    assert form(**flat).chunking_strategy == "server_vad"
    assert form(chunking_strategy='{"type": "server_vad"}').chunking_strategy == "server_vad"
    assert form(chunking_strategy="auto").chunking_strategy == "auto"
    for wrong in ("never", "{", '{"type": "loud"}', '{"type": "server_vad", "threshold": 2}', '{"a":' * 3000):
        with pytest.raises(ValidationError) as caught:
            form(chunking_strategy=wrong)
        assert caught.value.errors()[0]["loc"][0] == "chunking_strategy"


def test_hints_are_the_prompt_and_then_the_keywords() -> None:
    assert (
        form(prompt=" A letter. ", keywords=["Kayleigh", "Voz, Ltd."]).hints()
        == "A letter. Kayleigh, Voz, Ltd."
    )
    assert form().hints() == ""


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"response_format": "diarized_json"}, "response_format"),
        ({"response_format": "vtt", "stream": "true"}, "stream"),
        ({"response_format": "verbose_json", "include[]": ["logprobs"]}, "include"),
        ({"response_format": "text", "timestamp_granularities[]": ["word"]}, "timestamp_granularities"),
        ({"known_speaker_references[]": ["data:"]}, "known_speaker_references"),
    ],
)
def test_what_does_not_fit_together_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        form(**fields).check()
    assert caught.value.field == field


def test_every_language_has_an_english_name() -> None:
    names = {code: language_name(code) for code in ALL_LANGUAGES}
    assert (names["en"], names["es"], names["yue"], names["haw"]) == (
        "english",
        "spanish",
        "cantonese",
        "hawaiian",
    )
    assert all(len(name) > 2 and name == name.lower() for name in names.values())
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("El agua ya está caliente.", "es"),
        ("Buenos días", "es"),
        ("Necesito ayuda con mi cuenta", "es"),
        ("The water is hot.", "en"),
        ("How are you?", "en"),
        ("OK, thanks", "en"),
        ("No", None),
        ("123", None),
        ("Tomato", None),
        ("", None),
    ],
)
def test_a_text_tells_its_language_or_that_it_is_too_short(text: str, language: str | None) -> None:
    assert language_of(text) == language


def cut_off(**fields: Any) -> Result:
    said = Segment(0.0, 1.6400000000000001, " Hi", -0.123456789, 1e-7, compression_ratio=1.23456789)
    wanted: dict[str, Any] = {
        "text": " Hi", "language": "en", "language_probability": 1.0, "duration": 1.64, "segments": (said,),
        "model": "base", "usage": Usage(), "warnings": ("the file is cut off",), "track": 2, "tracks": 2,
    }  # fmt: skip
    return Result(**wanted | fields)


def test_what_there_is_to_say_about_the_file_is_in_the_answer() -> None:
    said = json.loads(bytes(answer(cut_off(), SttFormat.VERBOSE_JSON, [], False, "transcribe").body))
    assert (said["warnings"], said["track"]) == (["the file is cut off"], 2)
    ended = done(cut_off(), [], False)
    assert (ended["warnings"], ended["track"]) == (["the file is cut off"], 2)
    plain = answer(cut_off(), SttFormat.JSON, [], False, "transcribe")
    assert plain.headers["x-voz-warnings"] == "the file is cut off"
    whole = cut_off(warnings=(), track=1, tracks=1)
    said = json.loads(bytes(answer(whole, SttFormat.VERBOSE_JSON, [], False, "transcribe").body))
    assert not {"warnings", "track"} & set(said)


def test_numbers_are_rounded_to_what_they_mean() -> None:
    said = json.loads(bytes(answer(cut_off(), SttFormat.VERBOSE_JSON, [], False, "transcribe").body))
    [segment] = said["segments"]
    assert (segment["end"], segment["avg_logprob"], segment["compression_ratio"]) == (1.64, -0.1235, 1.2346)
