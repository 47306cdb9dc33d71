"""What routes ask for, as annotated aliases, so that a signature reads like its contract."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from src.api.draining import Draining
from src.config import Settings
from src.core.loader import Models
from src.core.storage import Storage
from src.scheduling.admission import AdmissionController
from src.services.stt import SttService
from src.services.tts import TtsService


@dataclass(frozen=True, slots=True)
class Services:
    """What the lifespan builds and the routes use."""

    settings: Settings
    models: Models
    storage: Storage
    stt: SttService
    tts: TtsService
    stt_admission: AdmissionController
    tts_admission: AdmissionController
    draining: Draining


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]

require_key = Security(
    APIKeyHeader(
        name="X-API-Key",
        scheme_name="ApiKey",
        description="One of the keys in the server's API_KEY. `make run` prints it.",
        auto_error=False,
    )
)
"""Documents the key in the OpenAPI document; `api/middleware.py` is what checks it."""
