"""Audio in, text out."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import Response

from src.api.dependencies import PlaceDep, Services, ServicesDep
from src.api.disconnect import while_connected
from src.api.errors import problems
from src.api.schemas import (
    LanguageCandidate,
    LanguageDetection,
    SttFormat,
    Transcription,
    VerboseTranscription,
)
from src.api.sse import Event, event_stream
from src.api.transcripts import event_of, shape
from src.api.usage import metered
from src.engines.base import LanguageGuess, SttOptions
from src.errors import InvalidInput
from src.scheduling.admission import Place
from src.scheduling.executors import FORMATTING
from src.services.stt import Result

router = APIRouter(prefix="/stt", tags=["speech to text"])

Upload = Annotated[UploadFile, File(description="Audio or video, any container and codec FFmpeg reads.")]
_MAX_LANGUAGES = 1000
"""Characters of all `languages` together: Whisper's hundred codes have 300."""
# no field may be null, though FastAPI could take it: a form has no such value
Languages = Annotated[
    list[str],
    Form(
        default_factory=list,
        description="Detection chooses among these only (repeatable, or comma-separated).",
    ),
]


@router.post(
    "",
    summary="Transcribe, or translate to English",
    response_model=None,
    responses=problems(401, 408, 413, 415, 422, 429, 500, 503)
    | {
        200: {
            "model": VerboseTranscription | Transcription,
            "description": "The text, in the format asked for",
            "content": {
                "text/plain": {},
                "text/vtt": {},
                "application/x-subrip": {},
                "text/event-stream": {},
            },
        }
    },
)
async def transcribe(
    request: Request,
    services: ServicesDep,
    place: PlaceDep,
    file: Upload,
    languages: Languages,
    language: Annotated[str, Form(description="ISO 639-1; absent: detected.")] = "",
    task: Annotated[str, Form(pattern="^(transcribe|translate)$", description="`translate`: to English.")] = (
        "transcribe"
    ),
    response_format: Annotated[
        SttFormat, Form(description="`verbose_json` adds segments with times; `srt`, `vtt`: subtitles.")
    ] = SttFormat.JSON,
    word_timestamps: Annotated[bool, Form(description="Words with start, end and probability.")] = False,
    prompt: Annotated[str, Form(max_length=2000, description="Spelling and context hints.")] = "",
    stream: Annotated[bool, Form(description="Server-sent events: each segment as it is final.")] = False,
    max_line_width: Annotated[int, Form(ge=10, le=200, description="Characters in a subtitle line.")] = 42,
    max_line_count: Annotated[int, Form(ge=1, le=5, description="Lines in a subtitle.")] = 2,
) -> Response:
    """Send an audio file, get its text.

    `json` gives the text and its language; `verbose_json` adds the segments with their times, and words with
    `word_timestamps`; `text` is the bare text; `srt` and `vtt` are subtitles. With `stream=true` each segment
    is sent as soon as it is final (`event: segment`), then the whole (`event: done`); `event: error` says
    that the work broke off.
    """
    known = services.models.stt.info.languages
    options = SttOptions(
        language=_known(language, known) if language else None,
        languages=_allowed(services, languages),
        task=task,
        word_timestamps=word_timestamps or response_format in (SttFormat.SRT, SttFormat.VTT),
        prompt=prompt or None,
    )
    if stream:
        return await event_stream(request, _events(request, services, place, file, options))
    result = await while_connected(request, _transcribe(request, services, place, file, options))
    return await FORMATTING.run(
        shape, result, response_format, word_timestamps, max_line_width, max_line_count
    )


@router.post(
    "/language", summary="Detect the language", responses=problems(401, 408, 413, 415, 422, 429, 500, 503)
)
async def detect_language(
    request: Request, services: ServicesDep, place: PlaceDep, file: Upload, languages: Languages
) -> LanguageDetection:
    """Which language is spoken, without transcribing."""
    among = _allowed(services, languages)
    guesses = await while_connected(request, _detect(request, services, place, file, among))
    return LanguageDetection(
        language=guesses[0].language,
        language_probability=guesses[0].probability,
        candidates=[LanguageCandidate(language=g.language, probability=g.probability) for g in guesses],
    )


async def _transcribe(
    request: Request, services: Services, place: Place, file: UploadFile, options: SttOptions
) -> Result:
    with metered(request) as meter:
        async with place.work_time():
            return await services.stt.transcribe(file.file, options, meter)


async def _detect(
    request: Request, services: Services, place: Place, file: UploadFile, languages: tuple[str, ...]
) -> list[LanguageGuess]:
    with metered(request) as meter:
        async with place.work_time():
            return await services.stt.detect_language(file.file, languages, meter)


async def _events(
    request: Request, services: Services, place: Place, file: UploadFile, options: SttOptions
) -> AsyncGenerator[Event, None]:
    index = 0
    with metered(request) as meter:
        # closed here, not when it is collected: the place must not be free before the work has stopped
        async with (
            place.work_time() as work,
            aclosing(services.stt.stream(file.file, options, meter)) as items,
        ):
            async for item in items:
                with work.paused():
                    yield event_of(item, index, options.word_timestamps)
                index += 1


def _allowed(services: Services, languages: list[str]) -> tuple[str, ...]:
    if sum(map(len, languages)) > _MAX_LANGUAGES:
        raise InvalidInput(f"languages: more than {_MAX_LANGUAGES} characters")
    asked = [code.strip() for item in languages for code in item.split(",") if code.strip()]
    known = services.models.stt.info.languages
    return tuple(_known(code, known) for code in asked) or tuple(services.settings.stt_languages)


def _known(code: str, known: tuple[str, ...]) -> str:
    code = code.strip().lower()
    if code not in known:
        raise InvalidInput(f"unknown language {code!r}; use an ISO 639-1 code such as {', '.join(known[:5])}")
    return code
