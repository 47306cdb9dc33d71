"""Who can speak. OpenAI has no such route; its clients ask others' servers for it by this name."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from src.api.dependencies import ServicesDep
from src.api.errors import problems
from src.api.policy import ErrorShape
from src.engines.voices import OPENAI_VOICES

router = APIRouter(tags=["OpenAI"])


class OpenAIVoice(BaseModel):
    id: str = Field(description="What `voice` takes.", examples=["af_heart"])
    name: str = Field(description="For people to choose by.", examples=["af_heart (en-US, female)"])


class OpenAIVoices(BaseModel):
    voices: list[OpenAIVoice]


@router.get("/audio/voices", summary="Voices", responses=problems(401, 429, 503, shape=ErrorShape.OPENAI))
async def voices(services: ServicesDep) -> OpenAIVoices:
    """The server's own voices, and OpenAI's names, which mean a voice of the text's language."""
    registry = services.tts.voices
    own = [
        OpenAIVoice(id=one.id, name=f"{one.id} ({', '.join(filter(None, (one.locale, one.gender)))})")
        for one in registry.voices
    ]
    names = [
        OpenAIVoice(id=name, name=f"{name} (the text's language)")
        for name in OPENAI_VOICES
        if registry.is_openai_name(name)
    ]
    return OpenAIVoices(voices=own + names)
