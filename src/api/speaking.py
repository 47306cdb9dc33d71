"""What every route that speaks does: it finds the voice, takes a place, and gives it back."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi import Request

from src.api.dependencies import Services
from src.api.languages import language_tag
from src.api.schemas import LexiconIn
from src.api.usage import metered
from src.engines.base import Voice
from src.scheduling.executors import TEXT
from src.services.audio import AudioFormat
from src.services.speech import Speech, SpeechChunk, SpeechRequest
from src.services.text.detect import language_of
from src.services.text.lexicon import EMPTY, from_request
from src.services.usage import Usage


async def voice_for(services: Services, text: str, name: str | None, language: str | None) -> Voice:
    """The voice that is to speak a text.

    One of OpenAI's names without a language means a voice of the text's language.

    Raises:
        InvalidInput: there is no such voice, or it does not speak the language.
    """
    voices = services.tts.voices
    if language is None and name is not None and voices.is_openai_name(name):
        found = await TEXT.run(language_of, text[: services.tts.config.max_text_chars])
        language = found if found in voices.languages else None
    return voices.find(name, language)


async def speech_request(
    request: Request,
    services: Services,
    text: str,
    *,
    voice: str | None,
    language: str | None,
    audio_format: AudioFormat,
    speed: float,
    timestamps: bool = False,
    markup: bool = False,
    lexicon: LexiconIn | None = None,
) -> SpeechRequest:
    """What is to be spoken, by which voice and for whom.

    Args:
        voice: as the caller names it; None: the first of the language.
        language: as the caller writes it: a code, a tag or a name; None: the voice's own.

    Raises:
        InvalidInput: there is no such voice, it does not speak the language, or the lexicon is wrong.
    """
    tag = language_tag(language, services.tts.voices.languages)
    found = await voice_for(services, text, voice, tag)
    owner = request.scope.get("state", {}).get("key_name") or ""
    entries = await TEXT.run(from_request, lexicon) if lexicon else EMPTY
    return SpeechRequest(text, found, audio_format, speed, tag or "", owner, timestamps, markup, entries)


async def speak(request: Request, services: Services, wanted: SpeechRequest) -> Speech:
    """Speak a text into storage. What is there already needs no engine: it is found under full load, too."""
    if (found := await services.tts.find(wanted)) is not None:
        return found
    with metered(request) as meter:
        async with services.tts_admission.enter():
            return await services.tts.speak(wanted, meter)


async def speech_chunks(
    request: Request, services: Services, wanted: SpeechRequest
) -> AsyncGenerator[SpeechChunk | Usage, None]:
    """Speak a text as it is made, within a place of its own; at last what it used."""
    with metered(request) as meter:
        # closed here, not when it is collected: the place must not be free before the work has stopped
        async with (
            services.tts_admission.enter() as work,
            aclosing(services.tts.stream_with_words(wanted, meter)) as chunks,
        ):
            async for chunk in chunks:
                with work.paused():
                    yield chunk
            yield meter.usage


async def only_audio(chunks: AsyncIterator[SpeechChunk | Usage]) -> AsyncIterator[bytes]:
    """A stream's bytes alone."""
    async for chunk in chunks:
        if isinstance(chunk, SpeechChunk) and chunk.audio:
            yield chunk.audio
