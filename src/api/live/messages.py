"""Messages of `WS /stt/live`."""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from src.api.errors import failure_of
from src.api.languages import language_code
from src.api.live.pcm import RATES, Encoding
from src.api.transcripts import segment_out
from src.engines.base import STT_SAMPLE_RATE, SttOptions
from src.errors import InvalidInput
from src.services.audio.stream import Container
from src.services.live.endpointing import TurnDetection
from src.services.live.events import Completed, Failed, LiveEvent, SpeechStarted, SpeechStopped, Words
from src.services.live.session import LiveOptions


def _container(given: object) -> object:
    """`webm` for `audio/webm;codecs=opus`, as browsers name it."""
    if not isinstance(given, str) or not given.startswith(("audio/", "video/")):
        return given
    return given.partition("/")[2].partition(";")[0].strip()


class Start(BaseModel):
    """The options of a session: in the query, or in a first message of type `start`."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["start"] = "start"
    api_key: str = Field("", description="Only in the first message, for clients that can set no header.")
    language: str = Field("", max_length=100, description="ISO 639-1, a tag or a name; absent: detected.")
    languages: list[str] = Field(default_factory=list, description="Detection chooses among these.")
    prompt: str = Field("", max_length=2000, description="Spelling and context hints.")
    sample_rate: int = Field(STT_SAMPLE_RATE, ge=RATES[0], le=RATES[-1], description="Hz.")
    encoding: Annotated[Encoding | Container, BeforeValidator(_container)] = Field(
        Encoding.PCM_S16LE,
        validation_alias=AliasChoices("encoding", "format"),
        description="Of the binary messages. Raw audio is mono; `webm` and `ogg` say their own rate.",
    )
    vad: bool = Field(True, description="Find the end of an utterance. False: `commit` ends it.")
    silence_ms: int = Field(500, ge=100, le=10_000, description="Silence that ends an utterance.")
    threshold: float = Field(0.5, ge=0.05, le=0.95, description="Probability of speech that begins one.")
    interval_ms: int = Field(400, ge=100, le=5_000, description="New audio between two updates.")
    partial: bool = Field(True, description="Send words before an utterance has ended.")
    word_timestamps: bool = Field(False, description="Words with their times in `final`.")


class Resume(BaseModel):
    """The first message of a connection that takes a session over."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["resume"]
    api_key: str = Field("", description="For clients that can set no header.")
    seq: int = Field(ge=0, description="`seq` of the last message that the client has.")


class Command(BaseModel):
    """A message of the client that carries no audio."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["commit", "clear", "stop", "ping"]


_KINDS = ("start", "resume", "commit", "clear", "stop", "ping")
_Message = Start | Resume | Command
_MESSAGE: TypeAdapter[_Message] = TypeAdapter(Annotated[_Message, Field(discriminator="type")])


def parse(text: str) -> Start | Resume | Command:
    """A text message of the client.

    Raises:
        InvalidInput: it is no JSON, or of no known type.
    """
    try:
        return _MESSAGE.validate_json(text)
    except ValidationError as error:
        raise InvalidInput(_in_words(error)) from None


def start_of(query: dict[str, Any]) -> Start:
    """The options in the query of the address.

    Raises:
        InvalidInput: one of them is wrong.
    """
    if "api_key" in query:
        raise InvalidInput("the key must not stand in the address; send it in the first message", "api_key")
    if isinstance(query.get("languages"), str):
        query = query | {"languages": query["languages"].split(",")}
    try:
        return Start.model_validate(query)
    except ValidationError as error:
        raise InvalidInput(_in_words(error)) from None


def options_of(start: Start, known: tuple[str, ...], allowed: tuple[str, ...]) -> LiveOptions:
    """The session's options.

    Args:
        start: as the client sent them.
        known: languages of the engine.
        allowed: languages among which detection chooses if the client names none.
    """
    languages = tuple(code for one in start.languages if (code := language_code(one, known, "languages")))
    return LiveOptions(
        stt=SttOptions(
            language=language_code(start.language, known),
            languages=languages or allowed,
            prompt=start.prompt or None,
            word_timestamps=start.word_timestamps,
        ),
        turn_detection=TurnDetection(start.threshold, silence_seconds=start.silence_ms / 1000)
        if start.vad
        else None,
        interval=start.interval_ms / 1000,
        partial=start.partial,
    )


def message_of(event: LiveEvent, words: bool) -> dict[str, Any]:
    """The message for an event; `words`: whether the times of words were asked for."""
    match event:
        case SpeechStarted(item_id, at):
            return {"type": "speech_started", "item_id": item_id, "at": round(at, 3)}
        case SpeechStopped(item_id, at):
            return {"type": "speech_stopped", "item_id": item_id, "at": round(at, 3)}
        case Words():
            return {
                "type": "partial",
                "item_id": event.item_id,
                "delta": event.stable,
                "text": event.text,
                "tentative": event.tentative,
                "lag": round(event.lag, 2),
            }
        case Completed():
            segments = [segment_out(one, index, words) for index, one in enumerate(event.segments)]
            return {
                "type": "final",
                "item_id": event.item_id,
                "delta": event.rest,
                "text": event.text,
                "start": round(event.start, 2),
                "end": round(event.end, 2),
                "language": event.language,
                "language_probability": round(event.language_probability, 4),
                "lag": round(event.lag, 2),
                "segments": [one.model_dump(exclude=None if words else {"words"}) for one in segments],
            }
        case Failed(item_id, error):
            return error_message(error) | {"item_id": item_id}


def error_message(error: Exception) -> dict[str, Any]:
    """The message for an error; `code` is the kind that answers over HTTP have as well."""
    failure = failure_of(error)
    return {"type": "error", "code": failure.kind, "message": failure.detail}


def _in_words(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in _KINDS) or "message"
    return f"{field[:100]}: {first['msg']}"
