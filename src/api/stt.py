"""Audio in, text out."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import Response
from pydantic import BeforeValidator

from src.api import transcribing
from src.api.dependencies import PlaceDep, ServicesDep
from src.api.disconnect import while_connected
from src.api.errors import problems
from src.api.schemas import LanguageDetection, SttFormat, Transcription, VerboseTranscription
from src.api.sse import Event, event_stream
from src.api.transcripts import PLAIN_FORMATS, document, event_of, guess_out, shape
from src.engines.base import MAX_BEAM_SIZE, Segment, SttOptions
from src.scheduling.executors import FORMATTING
from src.services.stt import Result

router = APIRouter(prefix="/stt", tags=["speech to text"])

Upload = Annotated[UploadFile, File(description="Audio or video, any container and codec FFmpeg reads.")]
Task = Annotated[Literal["transcribe", "translate"], BeforeValidator(lambda task: str(task).strip().lower())]
_LANGUAGE = "ISO 639-1, with a region (`es-MX`), or a name (`Spanish`); absent or `auto`: detected."
# no field may be null, though FastAPI could take it: a form has no such value
Languages = Annotated[
    list[str],
    Form(
        default_factory=list,
        description="Languages that detection chooses from (repeatable, or comma-separated).",
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
            "content": {**PLAIN_FORMATS, "text/event-stream": {}},
        }
    },
)
async def transcribe(
    request: Request,
    services: ServicesDep,
    place: PlaceDep,
    file: Upload,
    languages: Languages,
    language: Annotated[str, Form(max_length=100, description=_LANGUAGE)] = "",
    task: Annotated[Task, Form(description="`translate`: translate to English.")] = "transcribe",
    response_format: Annotated[
        SttFormat, Form(description="`verbose_json` adds segments with times; `srt`, `vtt`: subtitles.")
    ] = SttFormat.JSON,
    word_timestamps: Annotated[
        bool, Form(description="Return words with start, end and probability.")
    ] = False,
    prompt: Annotated[str, Form(max_length=2000, description="Spelling and context hints.")] = "",
    track: Annotated[
        int,
        Form(
            ge=0,
            le=1000,
            description="Audio track, from 1; 0: the default one, or the loudest if that is silent.",
        ),
    ] = 0,
    beam_size: Annotated[
        int,
        Form(
            ge=0,
            le=MAX_BEAM_SIZE,
            description="Hypotheses of the beam search; 1: greedy; 0: greedy, then 5 if that is doubtful.",
        ),
    ] = 0,
    stream: Annotated[bool, Form(description="Server-sent events: each segment as it is final.")] = False,
    max_line_width: Annotated[
        int, Form(ge=10, le=200, description="Maximum number of characters in a subtitle line.")
    ] = 42,
    max_line_count: Annotated[
        int, Form(ge=1, le=5, description="Maximum number of lines in a subtitle.")
    ] = 2,
) -> Response:
    """Send an audio file, get its text.

    `json` gives the text and its language; `verbose_json` adds the segments with their times, and words with
    `word_timestamps`; `text` is the bare text; `srt` and `vtt` are subtitles. With `stream=true` each segment
    is sent as soon as it is final (`event: segment`), then the whole (`event: done`, with `text`, `srt` or
    `vtt` as its `document` where that is the format); `event: error` says that the work broke off.
    """
    options = SttOptions(
        language=transcribing.known_language(services, language),
        languages=transcribing.candidate_languages(services, languages),
        task=task,
        word_timestamps=word_timestamps or response_format in (SttFormat.SRT, SttFormat.VTT),
        prompt=prompt or None,
        beam_size=beam_size or None,
    )
    if stream:
        items = transcribing.segments(request, services, place, file, options, track or None)
        writing = partial(
            document,
            wanted=response_format,
            max_line_width=max_line_width,
            max_line_count=max_line_count,
        )
        return await event_stream(request, _events(items, word_timestamps, writing))
    work = transcribing.transcribe(request, services, place, file, options, track or None)
    result = await while_connected(request, work)
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
    allowed = transcribing.candidate_languages(services, languages)
    guesses = await while_connected(
        request, transcribing.detect_language(request, services, place, file, allowed)
    )
    return LanguageDetection(
        language=guesses[0].language,
        language_probability=guess_out(guesses[0]).probability,
        candidates=[guess_out(guess) for guess in guesses],
    )


async def _events(
    items: AsyncGenerator[Segment | Result, None], words: bool, writing: Callable[[Result], str | None]
) -> AsyncGenerator[Event, None]:
    async with aclosing(items):
        index = 0
        async for item in items:
            whole = await FORMATTING.run(writing, item) if isinstance(item, Result) else None
            yield event_of(item, index, words, whole)
            index += 1
