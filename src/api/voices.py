"""The list of voices."""

from fastapi import APIRouter

from src.api.dependencies import ServicesDep
from src.api.errors import problems
from src.api.schemas import VoiceOut, VoicesOut
from src.engines.base import Voice
from src.engines.voices import OPENAI_VOICES

router = APIRouter(tags=["text to speech"])


@router.get("/voices", summary="Voices to choose from", responses=problems(401, 429, 503))
async def voices(services: ServicesDep) -> VoicesOut:
    """Every voice of this server, by engine; the first of a language is its default."""
    registry = services.tts.voices
    defaults = {registry.default(language).id for language in registry.languages}
    return VoicesOut(
        voices=[_out(voice, voice.id in defaults) for voice in registry.voices],
        languages=list(registry.languages),
        openai_names={
            name: {language: registry.find(name, language).id for language in registry.languages}
            for name in OPENAI_VOICES
        },
    )


def _out(voice: Voice, default: bool) -> VoiceOut:
    return VoiceOut(
        id=voice.id,
        language=voice.language,
        locale=voice.locale,
        gender=voice.gender,
        engine=voice.engine,
        model=voice.model,
        sample_rate=voice.sample_rate,
        default=default,
        blendable=voice.blendable,
    )
