"""The fields of an upload, as OpenAI's clients send them: lists with and without `[]`, objects laid flat."""

import json
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from fastapi import File, UploadFile
from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, field_validator, model_validator

from src.api.schemas import SttFormat
from src.errors import InvalidInput

T = TypeVar("T")

Upload = Annotated[UploadFile, File(description="Audio or video, any container and codec FFmpeg reads.")]

_MAX_ITEMS = 100
_MAX_KEYWORD = 200
_MAX_OBJECT = 1000
"""Characters of an object written as JSON."""


class ResponseFormat(StrEnum):
    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"
    VERBOSE_JSON = "verbose_json"
    DIARIZED_JSON = "diarized_json"

    @property
    def ours(self) -> SttFormat:
        """The same format of `/stt`.

        Raises:
            InvalidInput: there is none.
        """
        if self is ResponseFormat.DIARIZED_JSON:
            raise InvalidInput(
                "diarized_json is not made here: this server does not tell speakers apart", "response_format"
            )
        return SttFormat(self.value)


class Granularity(StrEnum):
    WORD = "word"
    SEGMENT = "segment"


class ServerVad(BaseModel):
    """How a caller would have the audio cut. It is checked, and then the server cuts as it always does."""

    type: Literal["server_vad"]
    threshold: float = Field(default=0.5, ge=0, le=1)
    prefix_padding_ms: int = Field(default=300, ge=0)
    silence_duration_ms: int = Field(default=200, ge=0)


def _split(values: Any) -> Any:
    """`["word,segment"]` -> `["word", "segment"]`."""
    if not isinstance(values, list):
        return values
    return [part.strip() for value in values for part in str(value).split(",") if part.strip()]


def _listed(name: str, description: str) -> Any:
    # `name[]` is how OpenAI's SDK writes it, the bare name how people do
    return Field(
        default_factory=list,
        max_length=_MAX_ITEMS,
        validation_alias=AliasChoices(name, f"{name}[]"),
        description=description,
    )


class TranslationForm(BaseModel):
    model: str = Field(max_length=200, description="One of `GET /v1/models`.", examples=["whisper-1"])
    prompt: str = Field(default="", max_length=2000, description="Spelling and context hints.")
    response_format: ResponseFormat = Field(
        default=ResponseFormat.JSON, description="`diarized_json` is refused."
    )
    temperature: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="0: the most probable text, with higher temperatures where it is doubtful. Above 0: text "
        "sampled at this temperature.",
    )


class TranscriptionForm(TranslationForm):
    language: str = Field(default="", max_length=40, description="ISO 639-1; absent: detected.")
    languages: list[str] = _listed("languages", "Languages that detection chooses from.")
    keywords: list[Annotated[str, Field(max_length=_MAX_KEYWORD)]] = _listed(
        "keywords", "Words that may be said, spelled right."
    )
    include: Annotated[list[Literal["logprobs"]], BeforeValidator(_split)] = _listed(
        "include", "`logprobs`: the log-probability of each token; with `json` only."
    )
    timestamp_granularities: Annotated[list[Granularity], BeforeValidator(_split)] = _listed(
        "timestamp_granularities", "What `verbose_json` holds, by default segments; in `json`, too, if given."
    )
    stream: bool = Field(default=False, description="Server-sent events; with `json` and `text`.")
    chunking_strategy: str = Field(
        default="",
        max_length=_MAX_OBJECT,
        description="`auto`, or an object of type `server_vad`. The audio is always split at pauses.",
    )
    known_speaker_names: list[str] = _listed(
        "known_speaker_names", "Refused: there is no speaker diarization."
    )
    known_speaker_references: list[str] = _listed("known_speaker_references", "Refused, too.")

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, values: Any) -> Any:
        """`chunking_strategy[type]=server_vad` and its like are one object."""
        if not isinstance(values, dict):
            return values
        flat = {
            key[len("chunking_strategy[") : -1]: value
            for key, value in values.items()
            if key.startswith("chunking_strategy[") and key.endswith("]")
        }
        return {**values, "chunking_strategy": flat} if flat else values

    @field_validator("chunking_strategy", mode="before")
    @classmethod
    def _known_strategy(cls, value: Any) -> str:
        if isinstance(value, str) and value.startswith("{") and len(value) <= _MAX_OBJECT:
            value = json.loads(value)
        if isinstance(value, dict):
            return ServerVad.model_validate(value).type
        if value not in ("", "auto"):
            raise ValueError("must be `auto` or an object of type `server_vad`")
        return str(value)

    def hints(self) -> str:
        """What the decoder is told first. Keywords come last: of a long prompt the end is kept."""
        return " ".join(filter(None, (self.prompt.strip(), ", ".join(self.keywords))))

    def check(self) -> None:
        """Whether the fields fit together.

        Raises:
            InvalidInput: they do not, or they ask for what is not done here.
        """
        wanted = self.response_format.ours
        if self.timestamp_granularities and wanted not in (SttFormat.VERBOSE_JSON, SttFormat.JSON):
            raise InvalidInput(
                "timestamp_granularities needs response_format=verbose_json or json",
                "timestamp_granularities",
            )
        if self.include and wanted is not SttFormat.JSON:
            raise InvalidInput("include[]=logprobs needs response_format=json", "include")
        if self.stream and wanted not in (SttFormat.JSON, SttFormat.TEXT):
            raise InvalidInput("stream=true needs response_format=json or text", "stream")
        for name in ("known_speaker_names", "known_speaker_references"):
            if getattr(self, name):
                raise InvalidInput(f"{name}: this server does not tell speakers apart", name)
