"""What every route that transcribes does: it checks languages, bounds the time of the work, and ends it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fastapi import Request, UploadFile

from src.api.dependencies import Services
from src.api.languages import language_code
from src.api.usage import metered
from src.engines.base import LanguageGuess, Segment, SttOptions
from src.errors import InvalidInput
from src.scheduling.admission import Place
from src.services.stt import Result

_MAX_LANGUAGES = 1000
"""Characters of all `languages` together: Whisper's hundred codes have 300."""


async def transcribe(
    request: Request,
    services: Services,
    place: Place,
    file: UploadFile,
    options: SttOptions,
    track: int | None = None,
) -> Result:
    """Read a whole file (of a video with several audio tracks, one) within REQUEST_TIMEOUT."""
    with metered(request) as meter:
        async with place.work_time():
            return await services.stt.transcribe(file.file, options, meter, track)


async def segments(
    request: Request,
    services: Services,
    place: Place,
    file: UploadFile,
    options: SttOptions,
    track: int | None = None,
) -> AsyncGenerator[Segment | Result, None]:
    """Segments as they become final, then the result, within REQUEST_TIMEOUT without the caller's pauses."""
    with metered(request) as meter:
        # closed here, not when it is collected: the place must not be free before the work has stopped
        async with (
            place.work_time() as work,
            aclosing(services.stt.stream(file.file, options, meter, track)) as items,
        ):
            async for item in items:
                with work.paused():
                    yield item


async def detect_language(
    request: Request, services: Services, place: Place, file: UploadFile, languages: tuple[str, ...]
) -> list[LanguageGuess]:
    """Which language is spoken, likeliest first."""
    with metered(request) as meter:
        async with place.work_time():
            return await services.stt.detect_language(file.file, languages, meter)


def known_language(services: Services, language: str) -> str | None:
    """The code of the language that a caller names; None: it is to be detected.

    Raises:
        InvalidInput: the engine does not know it.
    """
    return language_code(language, services.models.stt.info.languages)


def candidate_languages(services: Services, languages: Sequence[str]) -> tuple[str, ...]:
    """Those that detection chooses among: the caller's (one may be several, with commas) or STT_LANGUAGES.

    Raises:
        InvalidInput: one is unknown, or they are too many.
    """
    if sum(map(len, languages)) > _MAX_LANGUAGES:
        raise InvalidInput(f"languages: more than {_MAX_LANGUAGES} characters", "languages")
    known = services.models.stt.info.languages
    asked = [language_code(code, known, "languages") for item in languages for code in item.split(",")]
    return tuple(code for code in asked if code) or services.stt_languages
