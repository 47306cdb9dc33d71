"""Request and response bodies of `/jobs`. Clients rely on the names, so they are fixed."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.json_schema import models_json_schema

from src.api.schemas import NullIsAbsent, SpeechIn, SttFormat
from src.engines.base import MAX_BEAM_SIZE

MAX_BATCH = 1000
"""Jobs in one call."""
_MAX_METADATA = 16
_MAX_METADATA_KEY = 64
_MAX_METADATA_VALUE = 512
_ADDRESS = r"^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$"

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
JobType = Literal["transcription", "speech"]
JobId = Annotated[
    str, Field(pattern=r"^job_[0-9a-f]{32}$", examples=["job_0193a4be6c7f7a1e8d2c4b6a8f0e1d3c"])
]
BatchId = Annotated[
    str, Field(pattern=r"^batch_[0-9a-f]{32}$", examples=["batch_0193a4be6c7f7a1e8d2c4b6a8f0e1d3c"])
]
Metadata = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=_MAX_METADATA_KEY)],
        Annotated[str, Field(max_length=_MAX_METADATA_VALUE)],
    ],
    Field(max_length=_MAX_METADATA),
]


def _whole(number: Any) -> Any:
    """JSON has one kind of number: 5.0 is as whole as 5."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Whole = Annotated[int, BeforeValidator(_whole)]


class JobOptions(BaseModel):
    """What every kind of job takes."""

    model_config = ConfigDict(extra="forbid")

    priority: Whole = Field(
        default=0, ge=-10, le=10, description="Jobs with a higher one start first; 0 is the ordinary one."
    )
    metadata: Metadata = Field(
        default={},
        description=f"Yours, given back as it came: up to {_MAX_METADATA} strings.",
        examples=[{"customer": "4711"}],
    )
    callback_url: str | None = Field(
        default=None,
        max_length=2000,
        pattern=_ADDRESS,
        description="Where a signed message is sent when the job has ended (Standard Webhooks).",
        examples=["https://app.example.com/hooks/voz"],
    )


class TranscriptionOptions(JobOptions):
    """The options of `POST /stt`."""

    language: str = Field(
        default="",
        max_length=100,
        description="ISO 639-1, with a region (`es-MX`), or a name (`Spanish`); absent or `auto`: detected.",
    )
    languages: list[Annotated[str, Field(max_length=1000)]] = Field(
        default=[], max_length=100, description="Detection chooses among these only."
    )
    task: Annotated[
        Literal["transcribe", "translate"],
        BeforeValidator(lambda task: task.strip().lower() if isinstance(task, str) else task),
    ] = Field(default="transcribe", description="`translate`: to English.")
    response_format: SttFormat = Field(
        default=SttFormat.VERBOSE_JSON, description="What the result's object in storage holds."
    )
    word_timestamps: bool = Field(default=False, description="Words with start, end and probability.")
    prompt: str = Field(default="", max_length=2000, description="Spelling and context hints.")
    track: Whole = Field(default=0, ge=0, le=1000, description="Audio track, from 1; 0: the one with sound.")
    beam_size: Whole = Field(
        default=0,
        ge=0,
        le=MAX_BEAM_SIZE,
        description="Hypotheses of the beam search; 1: greedy; 0: greedy, then 5 if that is doubtful.",
    )
    max_line_width: Whole = Field(default=42, ge=10, le=200, description="Characters in a subtitle line.")
    max_line_count: Whole = Field(default=2, ge=1, le=5, description="Lines in a subtitle.")


class TranscriptionJobIn(NullIsAbsent, TranscriptionOptions):
    """A recording that is in storage or on the web: one of `key` and `url`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"type": "transcription", "url": "https://media.example.com/a.mp3"}]},
    )

    type: Literal["transcription"]
    key: str | None = Field(
        default=None, min_length=1, max_length=512, description="An object of the server's storage (S3)."
    )
    url: str | None = Field(
        default=None,
        max_length=4000,
        pattern=_ADDRESS,
        description="An `https` address, presigned ones too. It is fetched when the job starts.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.key is None) == (self.url is None):
            raise ValueError("give one of `key` and `url`; a file goes as multipart/form-data, as `file`")
        return self


class SpeechJobIn(JobOptions, SpeechIn):
    """A text to speak, with the options of `POST /tts`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"type": "speech", "text": "Hello.", "format": "mp3"}]},
    )

    type: Literal["speech"]


JobIn = Annotated[TranscriptionJobIn | SpeechJobIn, Field(discriminator="type")]


class BatchIn(BaseModel):
    """Many jobs in one call: all are taken, or none."""

    model_config = ConfigDict(extra="forbid")

    jobs: list[JobIn] = Field(min_length=1, max_length=MAX_BATCH)


def _object(value: Any) -> Any:
    return TypeAdapter(dict[str, Any]).validate_json(value) if isinstance(value, str) else value


class UploadJobIn(TranscriptionOptions):
    """The fields of a form beside its `file`. In a form, `metadata` is a JSON object as text."""

    type: Literal["transcription"] = "transcription"
    metadata: Annotated[Metadata, BeforeValidator(_object)] = {}


SUBMISSION = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": {"$ref": "#/components/schemas/JobUpload"}},
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": f"#/components/schemas/{model.__name__}"}
                        for model in (TranscriptionJobIn, SpeechJobIn, BatchIn)
                    ]
                }
            },
        },
    }
}
"""The body of `POST /jobs` in an OpenAPI document: FastAPI has no words for one of two kinds."""


def describe_submission(document: dict[str, Any]) -> None:
    """Add the schemas that `SUBMISSION` refers to to an OpenAPI document."""
    models = (UploadJobIn, TranscriptionJobIn, SpeechJobIn, BatchIn)
    _, described = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas = described["$defs"]
    upload = schemas.pop(UploadJobIn.__name__)
    upload["properties"] |= {
        "file": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "Audio or video, any container and codec FFmpeg reads.",
        },
        "metadata": {"type": "string", "description": "A JSON object of strings."},
    }
    upload["required"] = ["file"]
    document["components"]["schemas"] |= {**schemas, "JobUpload": upload}


class ProgressOut(BaseModel):
    seconds: float = Field(description="Seconds of audio that are read or made.", examples=[312.5])
    total_seconds: float | None = Field(
        description="Of how many, as far as it is known: the length that the file declares.",
        examples=[3600.0],
    )


class ResultOut(BaseModel):
    """Where the result is, and what it is. Links are made anew each time the job is asked for."""

    url: str = Field(description="GET it without a key; it stops working after `expires_in` seconds.")
    expires_in: int = Field(examples=[3600])
    content_type: str = Field(examples=["application/json"])
    format: str = Field(description="`response_format`, or `format` of a speech.", examples=["verbose_json"])
    duration: float = Field(description="Seconds of audio.", examples=[3599.2])
    model: str = Field(examples=["base"])
    language: str = Field(description="ISO 639-1.", examples=["en"])
    language_probability: float | None = Field(default=None, description="Of a transcription.")
    track: int | None = Field(default=None, description="The audio track that was read, from 1.")
    warnings: list[str] | None = Field(default=None, description="What to know of the file.")
    voice: str | None = Field(default=None, description="Who spoke.")
    sample_rate: int | None = Field(default=None, description="Of a speech; Hz.")
    word_urls: dict[str, str] | None = Field(
        default=None, description="With `timestamps=true`: links to the words as `json`, `srt` and `vtt`."
    )


class JobErrorOut(BaseModel):
    """Why a job failed: as the direct route's problem would say it."""

    type: str = Field(examples=["urn:voz:not-audio"])
    title: str = Field(examples=["Not decodable as audio"])
    status: int = Field(description="What the direct route would have answered.", examples=[415])
    detail: str = Field(examples=["the file is empty"])


class CallbackAttemptOut(BaseModel):
    at: str = Field(description="ISO 8601, UTC.")
    status: int | None = Field(description="The receiver's answer; null: there was none.", examples=[204])
    error: str | None = Field(default=None, description="Why it did not arrive.")


class CallbackOut(BaseModel):
    url: str
    id: str | None = Field(
        default=None,
        description="`webhook-id` of the message, the same at every attempt.",
        examples=["msg_1f"],
    )
    state: Literal["waiting", "pending", "delivered", "failed"] = Field(
        description="`waiting`: the job has not ended. `pending`: not delivered yet. `failed`: given up."
    )
    attempts: list[CallbackAttemptOut]
    next_attempt_at: str | None = None


class JobOut(BaseModel):
    """A job. Times are ISO 8601, UTC; what is not known yet is null."""

    id: JobId
    type: JobType
    state: State
    batch_id: BatchId | None = None
    priority: int
    metadata: dict[str, str]
    created_at: str = Field(examples=["2026-01-01T12:00:00.000Z"])
    started_at: str | None = None
    ended_at: str | None = None
    expires_at: str | None = Field(default=None, description="When an ended job is deleted, with its result.")
    position: int | None = Field(
        default=None, description="Place in the queue, from 1; of a queued job, not in lists."
    )
    estimated_start_at: str | None = None
    estimated_end_at: str | None = None
    progress: ProgressOut
    partial_text: str | None = Field(
        default=None,
        description="The end of what a running transcription has read; `GET /jobs/{id}` and events only.",
    )
    result: ResultOut | None = Field(default=None, description="Of a job that succeeded.")
    error: JobErrorOut | None = Field(default=None, description="Of a job that failed.")
    callback: CallbackOut | None = None


class BatchOut(BaseModel):
    batch_id: BatchId
    jobs: list[JobOut]


class JobsOut(BaseModel):
    jobs: list[JobOut] = Field(description="Newest first.")
    next_after: str | None = Field(description="Give it as `after` to get the next page; null: the last one.")


class CallbackSecretOut(BaseModel):
    secret: str = Field(
        description="Signs the callbacks of this key's jobs (Standard Webhooks).",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
