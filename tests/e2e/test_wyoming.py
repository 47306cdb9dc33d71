"""The Wyoming port, with Home Assistant's own client."""

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from src.config import Settings
from tests.support.ports import free_port
from tests.support.server import app_with, serve
from tests.support.speech import clip, silence
from tests.support.speech_text import word_error_rate

if TYPE_CHECKING:
    from src.engines.models import Models

pytestmark = [pytest.mark.models, pytest.mark.anyio]

SAID = "That agent is already logged on. Please enter your agent number followed by the pound key."


@pytest.fixture(scope="module")
def port(models_once: "Models", make_settings: Callable[..., Settings]) -> Iterator[int]:
    number = free_port()
    with serve(app_with(models_once, make_settings(wyoming_port=number))):
        yield number


async def test_it_describes_what_it_has(port: int) -> None:
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event is not None
        info = Info.from_event(event)
    assert info.asr[0].supports_transcript_streaming
    assert "es" in info.asr[0].models[0].languages
    assert info.tts[0].supports_synthesize_streaming
    assert {"af_heart", "ef_dora"} <= {voice.name for voice in info.tts[0].voices}


@pytest.mark.parametrize("rate", [16_000, 22_050])
async def test_speech_becomes_text_while_it_is_spoken(port: int, rate: int) -> None:
    audio = np.concatenate([silence(0.4), clip("en-agent"), silence(0.8)])
    at = np.arange(int(len(audio) * rate / 16_000)) * 16_000 / rate
    samples = (np.interp(at, np.arange(len(audio)), audio) * 32767).astype("<i2").tobytes()
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(AudioStart(rate, 2, 1).event())
        for start in range(0, len(samples), 2048):
            await client.write_event(AudioChunk(rate, 2, 1, samples[start : start + 2048]).event())
            await asyncio.sleep(0.02)
        await client.write_event(AudioStop().event())
        chunks, text = [], ""
        while (event := await client.read_event()) is not None and not TranscriptStop.is_type(event.type):
            if TranscriptChunk.is_type(event.type):
                chunks.append(TranscriptChunk.from_event(event).text)
            if Transcript.is_type(event.type):
                text = Transcript.from_event(event).text
    assert word_error_rate(SAID, text) == 0
    assert word_error_rate(SAID, "".join(chunks)) < 0.3


async def heard(client: AsyncTcpClient) -> bytes:
    """One group of audio."""
    event = await client.read_event()
    assert event is not None
    assert AudioStart.is_type(event.type)
    audio = b""
    while (event := await client.read_event()) is not None and not AudioStop.is_type(event.type):
        audio += AudioChunk.from_event(event).audio
    return audio


async def test_text_becomes_speech(port: int) -> None:
    async with AsyncTcpClient("127.0.0.1", port) as client:
        voice = SynthesizeVoice(name="ef_dora")
        await client.write_event(Synthesize(text="Buenos días.", voice=voice).event())
        assert len(await heard(client)) > 24_000


async def test_text_that_comes_in_pieces_is_spoken_by_sentences(port: int) -> None:
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(SynthesizeStart(voice=SynthesizeVoice(name="af_heart")).event())
        for piece in ("Good mor", "ning. How are", " you today"):
            await client.write_event(SynthesizeChunk(text=piece).event())
        first = await heard(client)
        await client.write_event(Synthesize(text="Good morning. How are you today").event())
        await client.write_event(SynthesizeStop().event())
        second = await heard(client)
        event = await client.read_event()
    assert len(first) > 12_000
    assert len(second) > 24_000
    assert event is not None
    assert SynthesizeStopped.is_type(event.type)


async def test_an_unknown_voice_is_an_error_and_the_connection_stays(port: int) -> None:
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Synthesize(text="Hi.", voice=SynthesizeVoice(name="nobody")).event())
        event = await client.read_event()
        assert event is not None
        assert Error.is_type(event.type)
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event is not None
        assert Info.is_type(event.type)


async def test_who_speaks_another_protocol_is_dropped(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await reader.read() == b""
    writer.close()
