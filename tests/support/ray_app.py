"""The application of Ray Serve with engines that are ready at once, for tests of the cluster itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from src.cluster import application
from src.config import Settings
from src.engines.models import Models
from tests.support.faults_engines import open_engines

STEP_SECONDS = 0.2
"""Of a batch, so that some rows are in work whenever a node is killed."""


@asynccontextmanager
async def open_quick(settings: Settings, *, transcribes: bool, speaks: bool) -> AsyncIterator[Models]:
    async with open_engines(settings, step_seconds=STEP_SECONDS) as models:
        yield models


def build(args: dict[str, Any]) -> Any:
    return application.build(args, open_quick)
