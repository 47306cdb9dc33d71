"""Audio in, text out."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from src.api import transcribing
from src.api.dependencies import PlaceDep, Services, ServicesDep
from src.api.disconnect import while_connected
from src.api.errors import problems
from src.api.openai.answers import answer, delta, done
from src.api.openai.forms import Granularity, TranscriptionForm, Upload
from src.api.policy import ErrorShape
from src.api.schemas import SttFormat
from src.api.sse import Event, event_stream
from src.api.transcripts import PLAIN_FORMATS
from src.engines.base import Segment, SttOptions
from src.scheduling.executors import FORMATTING
from src.services.model_names import ModelKind
from src.services.stt import Result

router = APIRouter(tags=["OpenAI"])


@router.post(
    "/audio/transcriptions",
    summary="Transcribe",
    response_model=None,
    responses=problems(400, 401, 404, 408, 413, 415, 429, 500, 503, shape=ErrorShape.OPENAI)
    | {
        200: {
            "description": "The text, in the format asked for",
            "content": {
                "application/json": {},
                **PLAIN_FORMATS,
                "text/event-stream": {},
            },
        }
    },
)
async def transcribe(
    request: Request,
    services: ServicesDep,
    place: PlaceDep,
    file: Upload,
    form: Annotated[TranscriptionForm, Form()],
) -> Response:
    """As `POST /stt`, in OpenAI's shape."""
    services.catalogue.find(form.model, ModelKind.STT)
    form.check()
    wanted, logprobs = form.response_format.ours, bool(form.include)
    options = _options(services, form)
    if form.stream:
        items = transcribing.segments(request, services, place, file, options)
        return await event_stream(request, _events(items, form.timestamp_granularities, logprobs))
    result = await while_connected(request, transcribing.transcribe(request, services, place, file, options))
    return await FORMATTING.run(answer, result, wanted, form.timestamp_granularities, logprobs, "transcribe")


def _options(services: Services, form: TranscriptionForm) -> SttOptions:
    subtitles = form.response_format.ours in (SttFormat.SRT, SttFormat.VTT)
    return SttOptions(
        language=transcribing.known_language(services, form.language),
        languages=transcribing.candidate_languages(services, form.languages),
        word_timestamps=subtitles or Granularity.WORD in form.timestamp_granularities,
        prompt=form.hints() or None,
        temperature=form.temperature,
        token_logprobs=bool(form.include),
    )


async def _events(
    items: AsyncGenerator[Segment | Result, None], granularities: Sequence[Granularity], logprobs: bool
) -> AsyncGenerator[Event, None]:
    async with aclosing(items):
        async for item in items:
            event = done(item, granularities, logprobs) if isinstance(item, Result) else delta(item, logprobs)
            yield event["type"], event
