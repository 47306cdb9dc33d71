"""Text in, audio out."""

import base64
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from src.api import speaking
from src.api.dependencies import ServicesDep
from src.api.errors import problems
from src.api.policy import ErrorShape
from src.api.schemas import MARKS, LexiconIn, NullIsAbsent
from src.api.sse import Event, event_stream
from src.api.streaming import stream_response
from src.errors import InvalidInput
from src.services.audio import AudioFormat
from src.services.model_names import ModelKind
from src.services.speech import SpeechChunk
from src.services.usage import Usage

router = APIRouter(tags=["OpenAI"])

_OUTPUT_TOKENS_PER_SECOND = 20
"""Tokens of a second of audio: about what OpenAI's speech models write."""


class StreamFormat(StrEnum):
    AUDIO = "audio"
    SSE = "sse"


class VoiceId(BaseModel):
    id: Annotated[str, Field(min_length=1, max_length=300)]


class SpeechBody(NullIsAbsent):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model": "tts-1", "voice": "alloy", "input": "Hello, and welcome to Voz."}]
        }
    )

    input: str = Field(min_length=1, description="The text to speak; MAX_TEXT_CHARS characters at most.")
    model: str = Field(max_length=200, description="One of `GET /v1/models`.", examples=["tts-1"])
    voice: Annotated[str, Field(min_length=1, max_length=300)] | VoiceId = Field(
        description="One of `GET /v1/audio/voices`, or a blend of them. One of OpenAI's names means a voice "
        "of the text's language.",
        examples=["alloy"],
    )
    instructions: str | None = Field(default=None, max_length=4096, description="Ignored.")
    response_format: AudioFormat = Field(
        default=AudioFormat.MP3, description="`pcm`: 16 bits, little-endian, mono, 24 kHz."
    )
    speed: float = Field(default=1.0, ge=0.25, le=4.0, description="Rate of speech; the pitch stays.")
    stream_format: StreamFormat = Field(
        default=StreamFormat.AUDIO, description="`sse`: server-sent events with base64 audio."
    )
    language: str | None = Field(
        default=None, max_length=35, description="Extension: language of the text. Default: detected."
    )
    markup: StrictBool | None = Field(
        default=None, description=f"Not OpenAI's: whether {MARKS}; by default OPENAI_MARKUP."
    )
    lexicon: LexiconIn | None = None
    timestamps: StrictBool = Field(
        default=False,
        description="Extension: tell when each word is said, in events `speech.audio.words`; with "
        "`stream_format=sse` only.",
    )


@router.post(
    "/audio/speech",
    summary="Speak a text",
    response_class=StreamingResponse,
    responses=problems(400, 401, 404, 408, 413, 429, 500, 503, shape=ErrorShape.OPENAI)
    | {
        200: {
            "description": "The audio, as it is made",
            "content": {wanted.content_type: {} for wanted in AudioFormat} | {"text/event-stream": {}},
        }
    },
)
async def speak(request: Request, services: ServicesDep, body: SpeechBody) -> StreamingResponse:
    """As `POST /tts/stream`, in OpenAI's shape."""
    services.catalogue.find(body.model, ModelKind.TTS)
    if body.timestamps and body.stream_format is not StreamFormat.SSE:
        raise InvalidInput("timestamps=true needs stream_format=sse", "timestamps")
    wanted = await speaking.speech_request(
        request,
        services,
        body.input,
        voice=body.voice if isinstance(body.voice, str) else body.voice.id,
        language=body.language,
        audio_format=body.response_format,
        speed=body.speed,
        markup=services.openai_markup if body.markup is None else body.markup,
        lexicon=body.lexicon,
        timestamps=body.timestamps,
    )
    chunks = speaking.speech_chunks(request, services, wanted)
    if body.stream_format is StreamFormat.SSE:
        return await event_stream(request, _events(chunks))
    return await stream_response(
        request, chunks, speaking.only_audio, media_type=body.response_format.content_type
    )


async def _events(chunks: AsyncGenerator[SpeechChunk | Usage, None]) -> AsyncGenerator[Event, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            if isinstance(chunk, Usage):
                yield "speech.audio.done", {"type": "speech.audio.done", "usage": _usage(chunk)}
                continue
            if chunk.words:
                words = [asdict(word) for word in chunk.words]
                yield "speech.audio.words", {"type": "speech.audio.words", "words": words}
            if chunk.audio:
                audio = base64.b64encode(chunk.audio).decode()
                yield "speech.audio.delta", {"type": "speech.audio.delta", "audio": audio}


def _usage(usage: Usage) -> dict[str, int]:
    output = math.ceil(usage.audio_seconds * _OUTPUT_TOKENS_PER_SECOND)
    return {
        "input_tokens": usage.characters,
        "output_tokens": output,
        "total_tokens": usage.characters + output,
    }
