"""What each method sends and how its answer is read: the part that both clients share. No input or output."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypedDict, TypeVar

import httpx

from voz.errors import ApiError
from voz.results import (
    LanguageGuess,
    Models,
    Readiness,
    Speech,
    Transcription,
    Voice,
)
from voz.retries import retry_after
from voz.sources import AudioSource, Opening, opening

T = TypeVar("T")

_SAFE = frozenset({"GET", "HEAD"})

TextFormat = Literal["text", "srt", "vtt"]
AudioFormat = Literal["wav", "mp3", "opus", "aac", "flac", "pcm"]


class TranscriptionOptions(TypedDict, total=False):
    """Options of a transcription. None of them is needed."""

    language: str | None
    """ISO 639-1, with a region (`es-MX`), or a name (`Spanish`); None: detected."""
    languages: Sequence[str]
    """Detection chooses among these only."""
    task: Literal["transcribe", "translate"]
    """`translate`: to English."""
    words: bool
    """Words with start, end and probability."""
    prompt: str
    """Spelling and context hints."""
    track: int
    """Audio track of a video, from 1; 0: the one with sound."""
    beam_size: int
    """Hypotheses of the beam search, at most 10; 1: greedy; 0: greedy, then 5 if that is doubtful."""
    max_line_width: int
    """Characters in a subtitle line."""
    max_line_count: int
    """Lines in a subtitle."""


class SpeechOptions(TypedDict, total=False):
    """Options of a speech. None of them is needed."""

    language: str | None
    """ISO 639-1, or with a region (`es-MX`); None: the voice's own."""
    voice: str | None
    """A name of `voices()`, a blend, or one of OpenAI's names; None: the first of the language."""
    format: AudioFormat
    """`wav` if absent."""
    speed: float
    """Rate of speech, 0.5 to 2."""
    markup: bool
    """Whether `[pause:1.5s]` is silence and `[word](/phonemes/)` IPA."""
    lexicon: Mapping[str, str | Mapping[str, str]]
    """How words are said: a respelling, or IPA in slashes; also by language."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    json: Any = None
    form: Mapping[str, str | list[str]] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    upload: Opening | None = None
    repeatable: bool = True
    """Whether the body can be sent again."""
    idempotent: bool = False
    """Whether doing it twice is as doing it once, though it is no GET."""
    accepted: frozenset[int] = frozenset()
    """Statuses above 399 that are no errors here."""

    @property
    def safe(self) -> bool:
        """Whether it may be repeated even where nobody knows if the server has done it."""
        return self.idempotent or self.method in _SAFE

    @contextmanager
    def arguments(self) -> Iterator[dict[str, Any]]:
        """Arguments of httpx's `build_request` for one attempt. The upload is open while the block runs."""
        common: dict[str, Any] = {"method": self.method, "url": self.path, "headers": self.headers}
        if self.params:
            common["params"] = self.params
        if self.upload is not None:
            with self.upload() as file:
                yield common | {"data": self.form, "files": {"file": file}}
        elif self.json is not None:
            yield common | {"json": self.json}
        else:
            yield common


def read_nothing(_: httpx.Response) -> None:
    """Read nothing of an answer that is streamed, or empty."""


def transcribe(file: AudioSource, options: TranscriptionOptions) -> Call[Transcription]:
    form = transcription_form(options) | {"response_format": "verbose_json"}
    return _uploaded("/stt", file, form, lambda answer: Transcription.of(answer.json()))


def transcribe_as(file: AudioSource, wanted: TextFormat, options: TranscriptionOptions) -> Call[str]:
    form = transcription_form(options) | {"response_format": wanted}
    return _uploaded("/stt", file, form, lambda answer: answer.text)


def stream_transcription(
    file: AudioSource, document: TextFormat | None, options: TranscriptionOptions
) -> Call[None]:
    form = transcription_form(options) | {"stream": "true", "response_format": document or "json"}
    return _uploaded("/stt", file, form, read_nothing)


def detect_language(file: AudioSource, languages: Sequence[str]) -> Call[tuple[LanguageGuess, ...]]:
    def read(answer: httpx.Response) -> tuple[LanguageGuess, ...]:
        return tuple(map(LanguageGuess.of, answer.json()["candidates"]))

    return _uploaded("/stt/language", file, {"languages": list(languages)}, read)


def speak(text: str, timestamps: bool, options: SpeechOptions) -> Call[Speech]:
    body = {"text": text, **options, "timestamps": timestamps}
    return Call("POST", "/tts", lambda answer: Speech.of(answer.json()), json=body)


def stream_speech(text: str, timestamps: bool, options: SpeechOptions) -> Call[None]:
    body = {"text": text, **options, "timestamps": timestamps}
    return Call("POST", "/tts/stream", read_nothing, json=body)


def voices() -> Call[tuple[Voice, ...]]:
    def read(answer: httpx.Response) -> tuple[Voice, ...]:
        return tuple(map(Voice.of, answer.json()["voices"]))

    return Call("GET", "/voices", read)


def models() -> Call[Models]:
    return Call("GET", "/models", lambda answer: Models.of(answer.json()))


def ready() -> Call[Readiness]:
    return Call(
        "GET",
        "/health/ready",
        lambda answer: Readiness.of(answer.json()),
        accepted=frozenset({503}),
    )


def error_of(response: httpx.Response) -> ApiError:
    """The error that an answer, read already, stands for. A proxy's may be no problem details."""
    try:
        problem = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": f"the server answered {response.status_code} {response.reason_phrase}".strip()}
    return ApiError.of(
        response.status_code,
        problem,
        request_id=response.headers.get("x-request-id", ""),
        retry_after=retry_after(response.headers),
    )


def _uploaded(
    path: str, file: AudioSource, form: Mapping[str, str | list[str]], read: Callable[[httpx.Response], T]
) -> Call[T]:
    upload, again = opening(file)
    return Call("POST", path, read, form=form, upload=upload, repeatable=again)


def transcription_form(options: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Fields of a form. What is None is left out."""
    form: dict[str, str | list[str]] = {}
    for name, value in options.items():
        if value is None:
            continue
        field_name = "word_timestamps" if name == "words" else name
        if isinstance(value, bool):
            form[field_name] = str(value).lower()
        elif isinstance(value, str | int):
            form[field_name] = str(value)
        elif isinstance(value, Sequence):
            form[field_name] = [str(one) for one in value]
        else:
            raise TypeError(f"{name}: {type(value).__name__} is no value for it")
    return form
