"""Audio in any language in, English text out."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from src.api import transcribing
from src.api.dependencies import PlaceDep, ServicesDep
from src.api.disconnect import while_connected
from src.api.errors import problems
from src.api.openai.answers import answer
from src.api.openai.forms import TranslationForm, Upload
from src.api.policy import ErrorShape
from src.api.schemas import SttFormat
from src.api.transcripts import PLAIN_FORMATS
from src.engines.base import SttOptions
from src.scheduling.executors import FORMATTING
from src.services.model_names import ModelKind

router = APIRouter(tags=["OpenAI"])


@router.post(
    "/audio/translations",
    summary="Translate to English",
    response_model=None,
    responses=problems(400, 401, 404, 408, 413, 415, 429, 500, 503, shape=ErrorShape.OPENAI)
    | {
        200: {
            "description": "The text, in the format asked for",
            "content": {
                "application/json": {},
                **PLAIN_FORMATS,
            },
        }
    },
)
async def translate(
    request: Request,
    services: ServicesDep,
    place: PlaceDep,
    file: Upload,
    form: Annotated[TranslationForm, Form()],
) -> Response:
    """As `POST /stt` with `task=translate`, in OpenAI's shape."""
    services.catalogue.find(form.model, ModelKind.STT)
    wanted = form.response_format.ours
    options = SttOptions(
        languages=transcribing.candidate_languages(services, ()),
        task="translate",
        word_timestamps=wanted in (SttFormat.SRT, SttFormat.VTT),
        prompt=form.prompt or None,
        temperature=form.temperature,
    )
    result = await while_connected(request, transcribing.transcribe(request, services, place, file, options))
    return await FORMATTING.run(answer, result, wanted, (), False, "translate")
