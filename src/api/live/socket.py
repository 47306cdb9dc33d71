"""`WS /stt/live`: audio in while it is spoken, words out while it is spoken."""

import json
from typing import Any, cast

from fastapi import APIRouter, WebSocket

from src.api.dependencies import Services
from src.api.live.audio_input import AudioInput, ContainerInput, RawInput
from src.api.live.connection import Connection
from src.api.live.conversation import Conversation
from src.api.live.messages import Resume, Start, error_message, options_of, parse, start_of
from src.api.live.opening import accept, opened
from src.api.live.pcm import PcmStream
from src.api.usage import LiveUsage
from src.errors import InvalidInput, VozError
from src.services.audio.stream import Container
from src.services.live.session import LiveSession

router = APIRouter()


@router.websocket("/stt/live")
async def live(socket: WebSocket) -> None:
    """See docs/live.md."""
    services: Services = socket.app.state.services
    async with opened(socket) as (connection, usage):
        try:
            start = await _start(connection, dict(socket.query_params))
            conversation = _conversation(services, start, usage, socket, connection)
        except VozError as error:
            await _refuse(connection, error)
            return
        with services.live_kept.holding(conversation):
            shown = {"session": conversation.id, "resumable": services.live_kept.resumable}
            model = {"model": services.models.stt.info.model}
            conversation.outbox.put({"type": "ready"} | shown | model | _shown(start))
            await conversation.serve(
                connection, services.live_kept.resumable, lambda: services.shutdown.begun
            )


@router.websocket("/stt/live/{session_id}")
async def resume(socket: WebSocket, session_id: str) -> None:
    """Go on with a session whose connection broke, or take it over from another connection."""
    services: Services = socket.app.state.services
    found = services.live_kept.find(session_id, socket.scope["state"]["key_name"])
    conversation = cast(Conversation, found)
    connection = await accept(socket, conversation.until)
    try:
        message = await connection.receive()
        wanted = parse(message) if isinstance(message, str) else None
        if not isinstance(wanted, Resume):
            raise InvalidInput("`resume` must be the first message")
        await conversation.talk(connection, wanted.seq)
    except VozError as error:
        await _refuse(connection, error)
    except ConnectionResetError:
        return


async def _start(connection: Connection, query: dict[str, Any]) -> Start:
    """The options: those of the first message, if it is `start`, else those of the query."""
    start = start_of(query)
    first = await connection.receive()
    if isinstance(first, str) and isinstance(message := parse(first), Start):
        return message
    connection.unread(first)
    return start


def _conversation(
    services: Services, start: Start, usage: LiveUsage, socket: WebSocket, connection: Connection
) -> Conversation:
    options = options_of(start, services.models.stt.info.languages, services.stt_languages)
    return Conversation(
        LiveSession(services.stt, options),
        _input(services, start),
        usage,
        words=start.word_timestamps,
        key_name=socket.scope["state"]["key_name"],
        until=connection.until,
    )


def _input(services: Services, start: Start) -> AudioInput:
    if isinstance(start.encoding, Container):
        return ContainerInput(services.stt.follow(start.encoding))
    return RawInput(PcmStream(start.encoding, start.sample_rate))


async def _refuse(connection: Connection, error: VozError) -> None:
    await connection.send(error_message(error))
    await connection.end(error)


def _shown(start: Start) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(start.model_dump_json(exclude={"api_key", "type", "prompt"}))
    return shown
