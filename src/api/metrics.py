"""Metrics for Prometheus, and the task that updates the gauges."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Response

from src.api.dependencies import Services, ServicesDep
from src.api.errors import problems
from src.observability import metrics
from src.scheduling.executors import METRICS

SAMPLE_SECONDS = 5.0

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses=problems(401, 429, 503)
    | {200: {"description": "Prometheus text", "content": {"text/plain": {}}}},
)
async def prometheus(services: ServicesDep) -> Response:
    """Metrics of all workers. Needs a key (`X-API-Key`, or `Authorization: Bearer`) unless METRICS_PUBLIC is
    set."""
    _sample(services)
    text = await METRICS.run(metrics.exposition, services.models.replica_metrics)
    return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})


@asynccontextmanager
async def measuring(services: Services) -> AsyncIterator[None]:
    """Update the gauges of this process while the block runs. Any worker may then answer for all."""
    sampling = asyncio.create_task(_sample_for_ever(services))
    try:
        yield
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)


async def _sample_for_ever(services: Services) -> None:
    while True:
        _sample(services)
        await asyncio.sleep(SAMPLE_SECONDS)


def _sample(services: Services) -> None:
    for task, engine in (("stt", services.models.stt), ("tts", services.models.tts)):
        info, load = engine.info, engine.load
        if load.replicas is not None:
            continue  # each replica has gauges of its own
        metrics.engine_state(
            info.engine, load.waiting, load.active, load.stalled_for, load.stall_limit, load.problem is None
        )
        metrics.engine_runs(task, info.engine, info.model, info.device, info.compute_type)
    for admission in (
        services.stt_admission,
        services.tts_admission,
        services.jobs_admission,
        services.live_admission,
    ):
        metrics.admission_state(admission.name, admission.in_flight, admission.limit)
    metrics.process_state()
