"""The session object of a transcription session, as the client sees and changes it."""

import copy
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from src.api.languages import language_code
from src.api.live.pcm import Encoding, PcmStream
from src.engines.base import SttOptions
from src.errors import InvalidInput
from src.services.live.endpointing import TurnDetection
from src.services.live.session import LiveOptions
from src.services.model_names import Catalogue, ModelKind

_LIVE_MODELS = frozenset({"gpt-realtime-whisper", "gpt-live-transcribe", "gpt-4o-transcribe-diarize"})
"""Names of OpenAI's models for live sessions; each means the model that this server runs."""
_DELAYS = {
    "minimal": (0.24, 0.25),
    "low": (0.36, 0.4),
    "medium": (0.5, 0.5),
    "high": (0.8, 0.8),
    "xhigh": (0, 0),
}
"""Seconds behind the newest audio at which a word is stable, and seconds between updates, by `delay`."""
_EAGERNESS = {"low": 8.0, "medium": 4.0, "auto": 4.0, "high": 2.0}
"""Longest silence in seconds within an unfinished sentence, by the eagerness of `semantic_vad`."""
_FINISHED_SECONDS = 0.4
"""Silence that ends a finished sentence there."""
_ENCODINGS = {"audio/pcm": Encoding.PCM_S16LE, "audio/pcmu": Encoding.MULAW, "audio/pcma": Encoding.ALAW}
_TELEPHONE_RATE = 8_000


class _Format(BaseModel):
    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: Literal[16_000, 24_000, 8_000] | None = None


class _Transcription(BaseModel):
    model: str | None = None
    language: str | None = Field(None, max_length=100)
    languages: list[str] | None = Field(None, max_length=100)
    keywords: list[str] | None = Field(None, max_length=100)
    prompt: str | None = Field(None, max_length=2000)
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class _ServerVad(BaseModel):
    type: Literal["server_vad"]
    threshold: float = Field(0.5, ge=0.0, le=1.0)
    prefix_padding_ms: int = Field(300, ge=0, le=1500)
    silence_duration_ms: int = Field(500, ge=50, le=10_000)


class _SemanticVad(BaseModel):
    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"


class _Input(BaseModel):
    format: _Format = Field(default_factory=_Format)
    transcription: _Transcription | None = None
    turn_detection: Annotated[_ServerVad | _SemanticVad, Field(discriminator="type")] | None = None


class _Audio(BaseModel):
    input: _Input = Field(default_factory=_Input)


class _Session(BaseModel):
    type: Literal["transcription"]
    include: list[str] | None = None
    audio: _Audio = Field(default_factory=_Audio)


def defaults() -> dict[str, Any]:
    """A new session as OpenAI begins one."""
    return {
        "type": "transcription",
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "noise_reduction": None,
                "transcription": {"model": "whisper-1", "language": None, "prompt": None},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                },
            }
        },
    }


class RealtimeSession:
    """The effective session.

    Args:
        catalogue: names of models.
        languages: of the engine.
        allowed: languages among which detection chooses if the client names none.
        begun_with: what a client secret carries; the client may change it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        languages: tuple[str, ...],
        allowed: tuple[str, ...],
        begun_with: Mapping[str, Any] | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._languages = languages
        self._allowed = allowed
        self.shown: dict[str, Any] = defaults()
        """The session as the client sees it, without id and expiry."""
        self._read(self.shown)
        if begun_with:
            self.update(begun_with)

    def update(self, change: Mapping[str, Any]) -> None:
        """Change what `change` names. A field that is absent stays, and null turns it off.

        Raises:
            InvalidInput: a field is wrong. Nothing is changed then.
        """
        merged = _merged(self.shown, change)
        vad = merged.get("audio", {}).get("input", {}).get("turn_detection")
        given = ((change.get("audio") or {}).get("input") or {}).get("turn_detection")
        if isinstance(given, Mapping) and isinstance(vad, dict):  # fields of another kind do not stay
            merged["audio"]["input"]["turn_detection"] = dict(given)
        self._read(merged)
        self.shown = merged

    @property
    def options(self) -> LiveOptions:
        """Options of the live session."""
        return self._options

    @property
    def wants_logprobs(self) -> bool:
        return "item.input_audio_transcription.logprobs" in (self._session.include or ())

    def new_stream(self) -> PcmStream:
        """A converter for audio in the session's format."""
        audio = self._session.audio.input.format
        rate = (audio.rate or 24_000) if audio.type == "audio/pcm" else _TELEPHONE_RATE
        return PcmStream(_ENCODINGS[audio.type], rate)

    @property
    def format(self) -> tuple[str, int | None]:
        """Type and rate of the audio."""
        return self._session.audio.input.format.type, self._session.audio.input.format.rate

    def _read(self, merged: Mapping[str, Any]) -> None:
        try:
            session = _Session.model_validate(merged)
        except ValidationError as error:
            first = error.errors()[0]
            where = [str(part) for part in first["loc"] if part not in ("server_vad", "semantic_vad")]
            raise InvalidInput(f"{'.'.join(where)}: {first['msg']}", ".".join(["session", *where])) from None
        self._options = self._options_of(session)
        self._session = session

    def _options_of(self, session: _Session) -> LiveOptions:
        audio = session.audio.input
        wanted = audio.transcription or _Transcription()
        if wanted.model is not None and wanted.model not in _LIVE_MODELS:
            self._catalogue.find(wanted.model, ModelKind.STT)
        hints = ", ".join([*([wanted.prompt] if wanted.prompt else []), *(wanted.keywords or ())])
        where = "session.audio.input.transcription.language"
        languages = tuple(
            code
            for one in wanted.languages or ()
            if (code := language_code(one, self._languages, where + "s")) is not None
        )
        guard, interval = _DELAYS[wanted.delay or "medium"]
        return LiveOptions(
            stt=SttOptions(
                language=language_code(wanted.language or "", self._languages, where),
                languages=languages or self._allowed,
                prompt=hints or None,
                token_logprobs="item.input_audio_transcription.logprobs" in (session.include or ()),
            ),
            turn_detection=_turn_detection(audio.turn_detection),
            guard=guard,
            interval=interval or 1.0,
            partial=wanted.delay != "xhigh" and audio.transcription is not None,
        )


def _turn_detection(wanted: _ServerVad | _SemanticVad | None) -> TurnDetection | None:
    match wanted:
        case _ServerVad():
            return TurnDetection(
                min(max(wanted.threshold, 0.05), 0.95),
                wanted.prefix_padding_ms / 1000,
                wanted.silence_duration_ms / 1000,
            )
        case _SemanticVad():
            longest = _EAGERNESS[wanted.eagerness]
            return TurnDetection(silence_seconds=_FINISHED_SECONDS, unfinished_seconds=longest)
    return None


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(dict(base))
    for name, value in change.items():
        known = merged.get(name)
        merged[name] = (
            _merged(known, value) if isinstance(known, dict) and isinstance(value, Mapping) else value
        )
    return merged
