"""What the server answers, as plain data. Fields that this version does not know are left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a recording; seconds from the start of the file."""

    word: str
    start: float
    end: float
    probability: float
    """How sure the model is, 0 to 1."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(data["word"], data["start"], data["end"], data.get("probability", 0.0))


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of speech; seconds from the start of the file."""

    id: int
    """Place in the file, from 0."""
    start: float
    end: float
    text: str
    avg_logprob: float
    """Mean log-probability of its tokens; below -1 is doubtful."""
    no_speech_prob: float
    """Probability that nobody speaks here."""
    words: tuple[Word, ...] = ()
    """Words with their times, with `words=True`."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            id=data["id"],
            start=data["start"],
            end=data["end"],
            text=data["text"],
            avg_logprob=data.get("avg_logprob", 0.0),
            no_speech_prob=data.get("no_speech_prob", 0.0),
            words=tuple(map(Word.of, data.get("words") or ())),
        )


@dataclass(frozen=True, slots=True)
class Transcription:
    """A whole recording, in text."""

    text: str
    language: str
    """ISO 639-1."""
    language_probability: float
    """1 when the language was given."""
    duration: float
    """Seconds of audio."""
    model: str
    segments: tuple[Segment, ...] = ()
    track: int | None = None
    """The audio track that was read, from 1, where the file has several."""
    warnings: tuple[str, ...] = ()
    """What to know of the file, e.g. that it is cut off and was read as far as it goes."""

    @classmethod
    def of(cls, data: Mapping[str, Any], segments: tuple[Segment, ...] | None = None) -> Self:
        if segments is None:
            segments = tuple(map(Segment.of, data.get("segments") or ()))
        return cls(
            text=data["text"],
            language=data["language"],
            language_probability=data.get("language_probability", 0.0),
            duration=data.get("duration", 0.0),
            model=data.get("model", ""),
            segments=segments,
            track=data.get("track"),
            warnings=tuple(data.get("warnings") or ()),
        )


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """A language, and how probable it is (0 to 1)."""

    language: str
    probability: float

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(data["language"], data["probability"])


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word of a text that was spoken; seconds from the start of the audio."""

    word: str
    """The word as it is written in the text, with its punctuation."""
    start: float
    end: float

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(data["word"], data["start"], data["end"])


@dataclass(frozen=True, slots=True)
class Speech:
    """A text that was spoken into storage."""

    url: str
    """GET it without a key; it stops working after `expires_in` seconds."""
    key: str
    """Name of the object in storage."""
    expires_in: int
    expires_at: str
    """ISO 8601, UTC."""
    format: str
    duration: float
    """Seconds of audio."""
    sample_rate: int
    """Hz."""
    language: str
    voice: str
    engine: str
    model: str
    cached: bool
    """Whether this key had the same text spoken before."""
    words: tuple[SpokenWord, ...] = ()
    """Words with their times, with `timestamps=True`."""
    word_urls: Mapping[str, str] = field(default_factory=dict)
    """Links to the words as `json`, `srt` and `vtt`, with `timestamps=True`."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            url=data["url"],
            key=data["key"],
            expires_in=data["expires_in"],
            expires_at=data["expires_at"],
            format=data["format"],
            duration=data["duration"],
            sample_rate=data["sample_rate"],
            language=data["language"],
            voice=data["voice"],
            engine=data["engine"],
            model=data["model"],
            cached=data["cached"],
            words=tuple(map(SpokenWord.of, data.get("words") or ())),
            word_urls=dict(data.get("word_urls") or {}),
        )


@dataclass(frozen=True, slots=True)
class SpeechPart:
    """The next part of a speech that comes with its words' times."""

    audio: bytes = b""
    """The audio of all parts, in a row, is the file."""
    words: tuple[SpokenWord, ...] = ()
    """Words whose sound is in this part or in later ones."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Who can speak."""

    id: str
    language: str
    """ISO 639-1."""
    locale: str
    """Accent, as a BCP 47 tag."""
    gender: str | None
    engine: str
    model: str
    sample_rate: int
    """Hz."""
    default: bool
    """Whether it speaks its language where no voice is named."""
    blendable: bool
    """Whether it can be mixed with others of its language."""
    phonemes: str = ""
    """Symbols of the phonetic alphabet that it takes; empty if it reads letters only."""
    sample: str = ""
    """Path of the server at which it can be heard."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            id=data["id"],
            language=data["language"],
            locale=data.get("locale", data["language"]),
            gender=data.get("gender"),
            engine=data["engine"],
            model=data.get("model", ""),
            sample_rate=data.get("sample_rate", 0),
            default=data.get("default", False),
            blendable=data.get("blendable", False),
            phonemes=data.get("phonemes", ""),
            sample=data.get("sample", ""),
        )


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """An engine and how busy it is."""

    engine: str
    model: str
    device: str
    compute_type: str
    languages: tuple[str, ...]
    requests: int
    """Requests in work or waiting."""
    max_requests: int
    """More than this many get 503."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            engine=data["engine"],
            model=data["model"],
            device=data["device"],
            compute_type=data["compute_type"],
            languages=tuple(data.get("languages") or ()),
            requests=data.get("requests", 0),
            max_requests=data.get("max_requests", 0),
        )


@dataclass(frozen=True, slots=True)
class Models:
    """What runs on the server."""

    stt: EngineStatus
    tts: EngineStatus
    instructions: str
    """The CPU's vector instructions that are in use."""
    notices: tuple[str, ...]
    """What an operator should know."""
    names: tuple[str, ...]
    """Names that `model` may have on the OpenAI routes."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            stt=EngineStatus.of(data["stt"]),
            tts=EngineStatus.of(data["tts"]),
            instructions=data.get("instructions", ""),
            notices=tuple(data.get("notices") or ()),
            names=tuple(one["id"] for one in data.get("data") or ()),
        )


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the server can take work."""

    ready: bool
    storage: str
    problems: tuple[str, ...]
    """Why it is not ready."""
    notices: tuple[str, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            ready=data["status"] == "ready",
            storage=data.get("storage", ""),
            problems=tuple(data.get("problems") or ()),
            notices=tuple(data.get("notices") or ()),
        )
