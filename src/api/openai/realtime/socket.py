"""`WS /v1/realtime`: OpenAI's transcription sessions, as its GA interface has them."""

from contextlib import suppress

from fastapi import APIRouter, WebSocket

from src.api.dependencies import Services
from src.api.errors import log_failure
from src.api.live.opening import opened
from src.api.openai.realtime.conversation import Conversation
from src.api.openai.realtime.events import error_event
from src.api.openai.realtime.session import RealtimeSession
from src.errors import TooSlow, VozError

router = APIRouter()


@router.websocket("/realtime")
async def realtime(socket: WebSocket) -> None:
    """See docs/live.md."""
    services: Services = socket.app.state.services
    async with opened(socket) as (connection, usage):
        begun_with = socket.scope["state"].get("client_session")
        session = RealtimeSession(
            services.catalogue, services.models.stt.info.languages, services.stt_languages, begun_with
        )
        try:
            await Conversation(services, connection, usage, session).serve()
        except VozError as error:
            log_failure(error)
            with suppress(TooSlow):  # it does not read
                await connection.send(error_event(str(error), None, None, None))
            await connection.end(error)
