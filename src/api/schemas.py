"""Request and response bodies of the HTTP API. Clients rely on the names, so they are fixed."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from src.engines.base import EngineInfo, Load
from src.services.audio import AudioFormat

_MAX_UNKNOWN = 10
"""Maximum number of unknown fields of a body that are reported one by one."""
_MAX_NAME = 40
"""Maximum number of characters of an unknown field's name in an error message."""


_SAID = {"type": "object", "additionalProperties": {"type": "string"}}
LexiconIn = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "string"}, _SAID]},
            "description": "How words are said: a respelling, or IPA in slashes; also by language.",
            "examples": [{"SQL": "sequel", "Worcester": "/ˈwʊstɚ/"}, {"es": {"SQL": "ese cu ele"}}],
        }
    ),
]
"""`services/text/lexicon.py` checks the entries."""
MARKS = "`[pause:1.5s]` is silence and `[word](/phonemes/)` IPA"


class SttFormat(StrEnum):
    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"
    VERBOSE_JSON = "verbose_json"


class WordOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    word: str = Field(examples=["Hello"])
    start: float = Field(description="Seconds.")
    end: float = Field(description="Seconds.")
    probability: float = Field(description="Probability that the word is right, 0 to 1.")


class SegmentOut(BaseModel):
    id: int = Field(description="Index of the segment, from 0.")
    start: float = Field(description="Seconds from the start of the file.")
    end: float
    text: str
    avg_logprob: float = Field(description="Mean log-probability of its tokens; below -1 is doubtful.")
    no_speech_prob: float = Field(description="Probability that the segment contains no speech.")
    words: list[WordOut] | None = Field(default=None, description="Present with `word_timestamps=true`.")


class Transcription(BaseModel):
    text: str = Field(examples=["Hello, and welcome to Voz."])
    language: str = Field(description="ISO 639-1.", examples=["en"])
    language_probability: float = Field(description="1 if the request gave the language.", examples=[0.98])
    duration: float = Field(description="Seconds of audio.", examples=[2.4])
    model: str = Field(examples=["base"])
    track: int | None = Field(
        default=None, description="Number of the audio track that was transcribed, from 1.", examples=[1]
    )
    warnings: list[str] = Field(
        default=[],
        description="Problems of the file, e.g. that it is cut off and was transcribed up to there.",
    )


class VerboseTranscription(Transcription):
    segments: list[SegmentOut]


class LanguageCandidate(BaseModel):
    language: str = Field(examples=["es"])
    probability: float = Field(examples=[0.97])


class LanguageDetection(BaseModel):
    language: str = Field(description="The most probable language, ISO 639-1.", examples=["es"])
    language_probability: float = Field(examples=[0.97])
    candidates: list[LanguageCandidate] = Field(description="Most probable first.")


class SpokenWordOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    word: str = Field(
        description="The word as it is written in the text, with its punctuation.", examples=["$5"]
    )
    start: float = Field(description="Seconds from the start of the audio.")
    end: float = Field(description="Seconds.")


_NOTES = frozenset({"title", "description", "default", "examples"})
"""Keywords of a JSON schema that describe a field and do not restrict it."""


def _document_nulls(schema: dict[str, Any]) -> None:
    """Say in a JSON schema that every field with a default may be `null`."""
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        if name in required or {"type": "null"} in field.get("anyOf", ()):
            continue
        rule = {keyword: value for keyword, value in field.items() if keyword not in _NOTES}
        notes = {keyword: value for keyword, value in field.items() if keyword in _NOTES}
        schema["properties"][name] = {"anyOf": [rule, {"type": "null"}], **notes}


class NullIsAbsent(BaseModel):
    """A body in which `null` means absent: JavaScript and Java clients write out what is not set."""

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        required = {name for name, field in cls.model_fields.items() if field.is_required()}
        return {name: value for name, value in body.items() if value is not None or name in required}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        _document_nulls(handler.resolve_ref_schema(schema))
        return schema


class SpeechIn(NullIsAbsent):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"text": "Hello, and welcome to Voz.", "language": "en"},
                {"text": "Hola, te damos la bienvenida a Voz.", "language": "es", "format": "mp3"},
                {"text": "Two voices in one.", "voice": "af_heart(2)+af_bella(1)"},
            ]
        },
    )

    @model_validator(mode="before")
    @classmethod
    def _few_unknown_fields(cls, body: Any) -> Any:
        """Refuse many unknown fields at once: Pydantic would write a report on each."""
        unknown = [name for name in body if name not in cls.model_fields] if isinstance(body, dict) else []
        if len(unknown) > _MAX_UNKNOWN:
            first = ", ".join(name[:_MAX_NAME] for name in unknown[:_MAX_UNKNOWN])
            raise PydanticCustomError(
                "unknown_fields",
                "Extra inputs are not permitted: {first}; and {more} more",
                {"first": first, "more": len(unknown) - _MAX_UNKNOWN},
            )
        return body

    text: str = Field(min_length=1, description="The text to speak; MAX_TEXT_CHARS characters at most.")
    language: str | None = Field(
        default=None,
        max_length=35,
        description="Language of the text, ISO 639-1 (`GET /voices` has them), or with a region (`es-MX`), "
        "which decides how dates are read. Default: the language of the voice, or `en`.",
        examples=["en", "es-MX"],
    )
    voice: str | None = Field(
        default=None,
        min_length=1,
        max_length=300,
        description="A voice of `GET /voices`; a blend of Kokoro's, `af_heart+af_bella` or with weights "
        "`af_heart(2)+af_bella(1)`; or one of OpenAI's names (`alloy`, ...), which means a voice of the "
        "language. Default: the first voice of the language.",
        examples=["af_heart"],
    )
    format: AudioFormat = Field(default=AudioFormat.WAV, description="`wav` is 16-bit PCM.")
    speed: float = Field(default=1.0, ge=0.5, le=2.0, description="Rate of speech; the pitch stays.")
    timestamps: StrictBool = Field(
        default=False,
        description="Return the time of each word. `/tts` answers with `words` and with links to them as "
        "JSON, SRT and WebVTT; `/tts/stream` answers with server-sent events.",
    )
    markup: StrictBool = Field(default=False, description=f"Whether {MARKS}.")
    lexicon: LexiconIn = {}


class SpeechOut(BaseModel):
    url: str = Field(description="Link to the audio. It needs no key and expires after `expires_in` seconds.")
    key: str = Field(description="Name of the object in storage.")
    expires_in: int = Field(examples=[3600])
    expires_at: str = Field(description="ISO 8601, UTC.", examples=["2026-01-01T12:00:00Z"])
    format: AudioFormat
    duration: float = Field(description="Seconds of audio.", examples=[2.1])
    sample_rate: int = Field(description="Hz.", examples=[24000])
    language: str = Field(examples=["en"])
    voice: str = Field(description="Id of the voice; a blend with its weights.", examples=["af_heart"])
    engine: str = Field(description="`coqui`, or `kokoro` if Coqui's weights are not available.")
    model: str
    cached: bool = Field(description="Whether an earlier or a concurrent request of this key made the audio.")
    words: list[SpokenWordOut] | None = Field(default=None, description="Present with `timestamps=true`.")
    word_urls: dict[str, str] | None = Field(
        default=None,
        description="With `timestamps=true`: links to the words as `json`, `srt` and `vtt`; see `url`.",
    )


class VoiceOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["bf_emma"])
    language: str = Field(description="ISO 639-1.", examples=["en"])
    locale: str = Field(description="Accent, as a BCP 47 tag.", examples=["en-GB"])
    gender: str | None = Field(description="`female`, `male`, or null if unknown.")
    engine: str = Field(examples=["kokoro"])
    model: str = Field(examples=["kokoro-82m"])
    sample_rate: int = Field(description="Hz.", examples=[24000])
    phonemes: str = Field(
        description="IPA symbols that it takes in `[word](/…/)`; empty: it reads letters only.",
        examples=["abdefhijklmnopstuvwzæðŋɑɔəɛɡɪɹʃʊʌʒˈˌː"],
    )
    sample: str = Field(
        description="Path of a sample of the voice on this host. It needs a key.",
        examples=["/voices/bf_emma/sample"],
    )
    default: bool = Field(description="Whether it is the default voice of its language.")
    blendable: bool = Field(description="Whether it can be blended with other voices of its language.")


class VoicesOut(BaseModel):
    voices: list[VoiceOut]
    languages: list[str]
    openai_names: dict[str, dict[str, str]] = Field(
        description="The voice that each of OpenAI's names means, by language.",
        examples=[{"alloy": {"en": "af_alloy", "es": "ef_dora"}}],
    )


class EngineOut(BaseModel):
    """An engine and how busy it is."""

    model_config = ConfigDict(from_attributes=True)

    engine: str = Field(examples=["whisper"])
    model: str = Field(examples=["base"])
    device: str = Field(examples=["cpu"])
    compute_type: str = Field(examples=["int8"])
    languages: list[str]
    requests: int = Field(description="Requests that run or wait.")
    max_requests: int = Field(description="Limit; further requests get 503.")
    rows_waiting: int
    rows_active: int


class OpenAIModel(BaseModel):
    id: str = Field(examples=["whisper-1"])
    object: Literal["model"] = "model"
    created: int = Field(description="Unix time at which the server started.")
    owned_by: str


class OpenAIModels(BaseModel):
    object: Literal["list"] = "list"
    data: list[OpenAIModel] = Field(description="Names that `model` may have on the OpenAI routes.")


class LiveSessionsOut(BaseModel):
    sessions: int = Field(description="Live sessions now.")
    max_sessions: int = Field(description="As many fit (LIVE_SESSIONS).")
    cost: float = Field(
        description="Seconds of the engine (CPU cores or GPUs) that a session takes each second, with an "
        "update every 0.4 s; measured."
    )
    interval: float = Field(description="Seconds between updates now, for a session that asks for 0.4.")
    lag: float = Field(description="For how many seconds unread audio had waited at recent updates.")


class EnginesOut(BaseModel):
    stt: EngineOut
    tts: EngineOut
    live: LiveSessionsOut
    instructions: str = Field(
        description="The CPU's vector instructions that are in use.", examples=["AVX-512 BF16", "AVX2"]
    )
    notices: list[str] = Field(description="Notices for the operator, e.g. that Kokoro replaces Coqui.")


class ModelsOut(EnginesOut, OpenAIModels):
    """What runs, and OpenAI's list of names, for clients that leave `/v1` out."""


class ReadyOut(EnginesOut):
    status: Literal["ready", "not ready"]
    storage: str = Field(examples=["local"])
    problems: list[str] = Field(description="Reasons why the server is not ready.")


class PageConfig(BaseModel):
    """What the web page must know of this server."""

    version: str
    max_text_chars: int
    max_upload_mb: int
    features: list[str]


class LiveOut(BaseModel):
    status: Literal["alive"] = "alive"


def engine_out(info: EngineInfo, load: Load, in_flight: int, limit: int) -> EngineOut:
    return EngineOut(
        engine=info.engine,
        model=info.model,
        device=info.device,
        compute_type=info.compute_type,
        languages=list(info.languages),
        requests=in_flight,
        max_requests=limit,
        rows_waiting=load.waiting,
        rows_active=load.active,
    )
