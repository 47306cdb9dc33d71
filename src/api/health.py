"""Health checks: liveness, readiness, and the engines in use."""

from fastapi import APIRouter, Response

from src.api.dependencies import Services, ServicesDep
from src.api.errors import problems
from src.api.openai.models import model_list
from src.api.schemas import EngineOut, EnginesOut, LiveOut, LiveSessionsOut, ModelsOut, ReadyOut, engine_out
from src.engines import cpu
from src.engines.base import Engine
from src.errors import StorageUnavailable
from src.scheduling.admission import AdmissionController
from src.scheduling.live_load import INTERVAL

public = APIRouter(prefix="/health", tags=["health"])
router = APIRouter(tags=["models"])


@public.get("/live", summary="Is the process alive?")
async def live() -> LiveOut:
    """Answers at once, whatever the models do. If it does not answer, restart the process."""
    return LiveOut()


@public.get(
    "/ready",
    summary="Can it take work?",
    responses={503: {"model": ReadyOut, "description": "Not ready; `problems` says why"}},
)
async def ready(services: ServicesDep, response: Response) -> ReadyOut:
    """200 if every model is warm, storage answers and the engines make progress; else 503."""
    wrong = []
    for name, engine in (("stt", services.models.stt), ("tts", services.models.tts)):
        if (problem := engine.load.problem) is not None:
            wrong.append(f"{name}: {problem}")
    if services.shutdown.begun:
        wrong.append("the server is stopping")
    try:
        await services.storage.check()
    except StorageUnavailable as error:
        wrong.append(f"storage: {error}")
    response.status_code = 503 if wrong else 200
    return ReadyOut(
        status="not ready" if wrong else "ready",
        storage=services.storage.name,
        problems=wrong,
        **_engines(services).model_dump(),
    )


@router.get("/models", summary="What runs, where, and how busy it is", responses=problems(401, 429, 503))
async def models(services: ServicesDep) -> ModelsOut:
    """The engines in use, their device and compute type, and the state of their queues.

    `object` and `data` are OpenAI's list of names."""
    return ModelsOut(**_engines(services).model_dump(), **model_list(services).model_dump())


def _engines(services: Services) -> EnginesOut:
    return EnginesOut(
        stt=_engine(services.models.stt, services.stt_admission),
        tts=_engine(services.models.tts, services.tts_admission),
        live=LiveSessionsOut(
            sessions=services.live_admission.in_flight,
            max_sessions=services.live_admission.limit,
            cost=round(services.stt.live.cost.of_session(INTERVAL), 4),
            interval=round(services.stt.live.interval(INTERVAL), 2),
            lag=round(services.live_admission.lag, 2),
        ),
        instructions=cpu.in_words(),
        notices=list(services.models.notices),
    )


def _engine(engine: Engine, admission: AdmissionController) -> EngineOut:
    return engine_out(engine.info, engine.load, admission.in_flight, admission.limit)
