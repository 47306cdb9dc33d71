"""Who can speak. OpenAI has no such route; its clients ask others' servers for it by this name."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from src.api.dependencies import ServicesDep
from src.api.errors import problems
from src.api.policy import ErrorShape
from src.api.voices import sample_path
from src.engines.voices import OPENAI_VOICES

router = APIRouter(tags=["OpenAI"])


class OpenAIVoice(BaseModel):
    id: str = Field(description="Value of `voice` in requests for speech.", examples=["af_heart"])
    name: str = Field(description="Name to show in a list of voices.", examples=["af_heart (en-US, female)"])
    language: str | None = Field(
        default=None, description="ISO 639-1; absent if the voice follows the language of the text."
    )
    gender: str | None = Field(default=None, description="`female` or `male`; absent if unknown.")
    engine: str | None = Field(default=None, examples=["kokoro"])
    sample: str | None = Field(
        default=None,
        description="Path of a sample of the voice on this host. It needs a key.",
        examples=["/voices/af_heart/sample"],
    )


class OpenAIVoices(BaseModel):
    voices: list[OpenAIVoice]


@router.get(
    "/audio/voices",
    summary="Voices",
    response_model_exclude_none=True,
    responses=problems(401, 429, 503, shape=ErrorShape.OPENAI),
)
async def voices(request: Request, services: ServicesDep) -> OpenAIVoices:
    """The server's own voices, and OpenAI's names, which mean a voice of the text's language."""
    registry = services.tts.voices
    own = [
        OpenAIVoice(
            id=one.id,
            name=f"{one.id} ({', '.join(filter(None, (one.locale, one.gender)))})",
            language=one.language,
            gender=one.gender,
            engine=one.engine,
            sample=sample_path(request, one),
        )
        for one in registry.voices
    ]
    names = [
        OpenAIVoice(id=name, name=f"{name} (the text's language)", gender=gender)
        for name, (gender, _) in OPENAI_VOICES.items()
        if registry.is_openai_name(name)
    ]
    return OpenAIVoices(voices=own + names)
