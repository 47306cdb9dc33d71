"""`POST /v1/realtime/client_secrets`: a short-lived key for a page or an app."""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from src.access.client_secrets import ClientSecret
from src.api.dependencies import ServicesDep
from src.api.errors import problems
from src.api.openai.realtime.session import RealtimeSession
from src.api.policy import ErrorShape
from src.errors import InvalidInput

router = APIRouter(prefix="/realtime", tags=["OpenAI"])


class _ExpiresAfter(BaseModel):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Field(ge=10, le=7200)] = 600


class ClientSecretRequest(BaseModel):
    """The request as OpenAI's SDK sends it."""

    expires_after: _ExpiresAfter = Field(default_factory=_ExpiresAfter)
    session: dict[str, Any] = Field(default_factory=dict, description="Settings of the session.")


class ClientSecretResponse(BaseModel):
    value: str = Field(examples=["ek_eyJrZXkiOi..."], description="A key for live sessions alone.")
    expires_at: int = Field(description="Unix time.")
    session: dict[str, Any]


@router.post(
    "/client_secrets",
    summary="Make a short-lived key for a live session",
    responses=problems(400, 401, 413, 429, 503, shape=ErrorShape.OPENAI),
)
async def create(request: Request, services: ServicesDep, body: ClientSecretRequest) -> ClientSecretResponse:
    """A client secret opens `/v1/realtime` until it expires, with these settings as defaults.

    It also opens `/stt/live`. It may open several sessions, and a running session outlives it.
    """
    session = RealtimeSession(
        services.catalogue, services.models.stt.info.languages, services.stt_languages, body.session
    )
    expires = int(time.time()) + body.expires_after.seconds
    secret = ClientSecret(request.state.key_name, expires, body.session)
    try:
        value = services.client_secrets.make(secret)
    except ValueError as error:
        raise InvalidInput(str(error), "session") from None
    shown = {"object": "realtime.transcription_session", "expires_at": expires}
    return ClientSecretResponse(value=value, expires_at=expires, session=shown | session.shown)
