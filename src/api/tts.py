"""Text in, audio out: as a link to storage, or as a stream."""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from src.api import speaking
from src.api.dependencies import Services, ServicesDep
from src.api.disconnect import while_connected
from src.api.errors import problems
from src.api.links import absolute
from src.api.schemas import SpeechIn, SpeechOut, SpokenWordOut
from src.api.sse import Event, event_stream
from src.api.streaming import stream_response
from src.observability.telemetry import annotate
from src.services.audio import AudioFormat
from src.services.speech import SpeechChunk, SpeechRequest
from src.services.usage import Usage

router = APIRouter(prefix="/tts", tags=["text to speech"])

_AUDIO: dict[str, dict[str, str]] = {
    content_type: {}
    for content_type in (*(wanted.content_type for wanted in AudioFormat), "text/event-stream")
}


@router.post(
    "",
    summary="Speak a text and get a link to the audio",
    response_model_exclude_none=True,
    responses=problems(401, 408, 413, 422, 429, 500, 503),
)
async def speak(request: Request, services: ServicesDep, body: SpeechIn) -> SpeechOut:
    """The audio is kept in storage; `url` is a presigned link to it that works for `expires_in` seconds."""
    wanted = await _request(request, services, body)
    speech = await while_connected(request, speaking.speak(request, services, wanted))
    annotate(audio_seconds=round(speech.duration, 2), cached=speech.cached)
    voice = wanted.voice
    return SpeechOut(
        url=absolute(request, services, speech.url),
        key=speech.key,
        expires_in=speech.expires_in,
        expires_at=speech.expires_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        format=body.format,
        duration=round(speech.duration, 3),
        sample_rate=speech.sample_rate,
        language=voice.language,
        voice=voice.id,
        engine=voice.engine,
        model=voice.model,
        cached=speech.cached,
        words=None if speech.words is None else [SpokenWordOut.model_validate(word) for word in speech.words],
        word_urls={form: absolute(request, services, url) for form, url in speech.word_urls.items()} or None,
    )


@router.post(
    "/stream",
    summary="Speak a text and get the audio as it is made",
    response_class=StreamingResponse,
    responses=problems(401, 408, 413, 422, 429, 500, 503)
    | {200: {"description": "The audio", "content": _AUDIO}},
)
async def stream(request: Request, services: ServicesDep, body: SpeechIn) -> StreamingResponse:
    """Streams the audio: what is ready is sent at once, a part of a sentence too. Nothing is stored.

    With `timestamps=true` the answer is `text/event-stream`: events `words` (`{"words": [{"word", "start",
    "end"}]}`), each before or with its sound, events `audio` (`{"audio": "<base64>"}`, which in a row are the
    file), and at last `done`. A failure midway is an event `error` with a problem as its data.
    """
    wanted = await _request(request, services, body)
    chunks = speaking.speech_chunks(request, services, wanted)
    if body.timestamps:
        return await event_stream(request, _events(chunks, wanted.voice.sample_rate))
    return await stream_response(request, chunks, speaking.only_audio, media_type=body.format.content_type)


async def _events(
    chunks: AsyncGenerator[SpeechChunk | Usage, None], sample_rate: int
) -> AsyncGenerator[Event, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            if isinstance(chunk, Usage):
                yield "done", {"sample_rate": sample_rate, "duration": round(chunk.audio_seconds, 3)}
                continue
            if chunk.words:
                yield "words", {"words": [asdict(word) for word in chunk.words]}
            if chunk.audio:
                yield "audio", {"audio": base64.b64encode(chunk.audio).decode()}


async def _request(request: Request, services: Services, body: SpeechIn) -> SpeechRequest:
    return await speaking.speech_request(
        request,
        services,
        body.text,
        voice=body.voice,
        language=body.language,
        audio_format=body.format,
        speed=body.speed,
        timestamps=body.timestamps,
        markup=body.markup,
        lexicon=body.lexicon,
    )
