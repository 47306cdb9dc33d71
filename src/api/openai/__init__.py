"""OpenAI's audio API over the services of `/stt` and `/tts`: thin routers, and its fields and answers."""

from fastapi import APIRouter

from src.api.openai import models, speech, transcriptions, translations, voices
from src.api.openai.realtime import client_secrets
from src.api.openai.realtime import socket as realtime

router = APIRouter()
for _prefix in ("/v1", ""):
    # some clients leave `/v1` out
    _shown = bool(_prefix)
    router.include_router(transcriptions.router, prefix=_prefix, include_in_schema=_shown)
    router.include_router(translations.router, prefix=_prefix, include_in_schema=_shown)
    router.include_router(speech.router, prefix=_prefix, include_in_schema=_shown)
    router.include_router(voices.router, prefix=_prefix, include_in_schema=_shown)
    router.include_router(models.router, prefix=_prefix, include_in_schema=_shown)
    router.include_router(realtime.router, prefix=_prefix)
    router.include_router(client_secrets.router, prefix=_prefix, include_in_schema=_shown)
router.include_router(
    models.listing, prefix="/v1"
)  # `/models` is a route of our own, which holds this list, too
