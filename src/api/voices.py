"""The list of voices, and how each of them sounds."""

from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from src.api import speaking
from src.api.dependencies import ServicesDep
from src.api.disconnect import while_connected
from src.api.errors import problems
from src.api.schemas import VoiceOut, VoicesOut
from src.engines.base import Voice
from src.engines.voices import OPENAI_VOICES
from src.errors import InvalidInput, NotFound
from src.services.audio import AudioFormat

router = APIRouter(tags=["text to speech"])

_SAMPLE_TEXTS = {
    "en": "Hello! This is my voice. I can read anything you write.",
    "es": "¡Hola! Esta es mi voz. Puedo leer todo lo que escribas.",
}
_SAMPLE_FORMAT = AudioFormat.MP3


@router.get("/voices", summary="Voices to choose from", responses=problems(401, 429, 503))
async def voices(request: Request, services: ServicesDep) -> VoicesOut:
    """Every voice of this server, by engine; the first of a language is its default."""
    registry = services.tts.voices
    defaults = {registry.default(language).id for language in registry.languages}
    return VoicesOut(
        voices=[_out(voice, sample_path(request, voice), voice.id in defaults) for voice in registry.voices],
        languages=list(registry.languages),
        openai_names={
            name: {language: registry.find(name, language).id for language in registry.languages}
            for name in OPENAI_VOICES
        },
    )


@router.get(
    "/voices/{voice:path}/sample",
    summary="Hear a voice",
    response_class=Response,
    responses=problems(401, 404, 408, 429, 500, 503)
    | {200: {"description": "The audio", "content": {_SAMPLE_FORMAT.content_type: {}}}},
)
async def sample(request: Request, services: ServicesDep, voice: str) -> Response:
    """A few words of the voice, as MP3. `voice` is an id of `GET /voices`, a blend, or one of OpenAI's names.

    They are spoken when they are first asked for, and come from storage after that, as `POST /tts` does it.
    """
    try:
        language = services.tts.voices.find(voice).language
    except InvalidInput as error:
        raise NotFound(str(error)) from None
    wanted = await speaking.speech_request(
        request,
        services,
        _SAMPLE_TEXTS[language],
        voice=voice,
        language=language,
        audio_format=_SAMPLE_FORMAT,
        speed=1.0,
    )
    speech = await while_connected(request, speaking.speak(request, services, wanted))
    return Response(
        await services.tts.audio(speech),
        media_type=_SAMPLE_FORMAT.content_type,
        headers={"Cache-Control": "private, max-age=3600"},
    )


def sample_path(request: Request, voice: Voice) -> str:
    """Path of a sample of a voice, on this host."""
    return f"{request.scope.get('root_path', '')}/voices/{quote(voice.id)}/sample"


def _out(voice: Voice, sample: str, default: bool) -> VoiceOut:
    return VoiceOut(
        id=voice.id,
        language=voice.language,
        locale=voice.locale,
        gender=voice.gender,
        engine=voice.engine,
        model=voice.model,
        sample_rate=voice.sample_rate,
        phonemes=voice.phonemes,
        sample=sample,
        default=default,
        blendable=voice.blendable,
    )
