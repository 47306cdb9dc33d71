"""Dependencies of the routes, as annotated aliases."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from src.access.client_secrets import ClientSecrets
from src.access.kept_sessions import KeptSessions
from src.access.sessions import SessionsPerKey
from src.api.graceful_shutdown import GracefulShutdown
from src.api.middleware.admission import place_of
from src.api.policy import AdmissionClass
from src.engines.models import Models
from src.jobs.service import Jobs
from src.scheduling.admission import AdmissionController, Place
from src.scheduling.live_admission import LiveAdmission
from src.services.model_names import Catalogue
from src.services.stt import SttService
from src.services.tts import TtsService
from src.storage.base import Storage


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Limits of one live session, in seconds."""

    idle: float
    """Longest wait for a message of the client."""
    total: float
    """Longest session."""


@dataclass(frozen=True, slots=True)
class Services:
    """Objects that the lifespan builds and the routes use."""

    models: Models
    storage: Storage
    stt: SttService
    tts: TtsService
    stt_admission: AdmissionController
    tts_admission: AdmissionController
    live_admission: LiveAdmission
    live_limits: LiveLimits
    live_per_key: SessionsPerKey
    live_kept: KeptSessions
    client_secrets: ClientSecrets
    jobs_admission: AdmissionController
    jobs: Jobs
    shutdown: GracefulShutdown
    catalogue: Catalogue
    stt_languages: tuple[str, ...]
    """Languages that detection chooses from if the caller names none; empty: all (STT_LANGUAGES)."""
    openai_markup: bool
    """Whether texts of the OpenAI routes have marks if the caller does not say (OPENAI_MARKUP)."""
    public_url: str
    """Address of the server in links to local files; empty: that of the request (PUBLIC_URL)."""

    def admission(self, kind: AdmissionClass) -> AdmissionController:
        """The controller that counts the requests in flight of this class."""
        return {
            AdmissionClass.STT: self.stt_admission,
            AdmissionClass.TTS: self.tts_admission,
            AdmissionClass.LIVE: self.live_admission,
            AdmissionClass.JOBS: self.jobs_admission,
        }[kind]


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


async def _place(request: Request) -> Place:
    return place_of(request.scope)


PlaceDep = Annotated[Place, Depends(_place)]
"""The place that was taken before the upload was read. It is released when the answer has been sent."""
