"""Voices to choose from, over a socket, with Kokoro's real weights."""

import asyncio
import io
import wave
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest

from src.config import Settings
from src.engines.base import Audio
from tests.support.server import RunningServer, app_with, serve
from tests.support.speech_text import word_error_rate

if TYPE_CHECKING:
    from src.engines.models import Models

pytestmark = pytest.mark.models

ENGLISH = "The water in the kettle is hot."
SPANISH = "El agua ya está caliente en la cocina."


def speak(client: httpx.Client, **body: str) -> Audio:
    answer = client.post("/tts/stream", json=body)
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content[44:], "<i2").astype(np.float32) / np.float32(32768)


def test_every_voice_is_listed(voz: RunningServer) -> None:
    with voz.client(key=None) as stranger:
        assert stranger.get("/voices").status_code == 401
    with voz.client() as client:
        answer = client.get("/voices").json()
    voices = {voice["id"]: voice for voice in answer["voices"]}
    assert Counter(voice["locale"] for voice in voices.values()) == {"en-US": 20, "en-GB": 8, "es-ES": 3}
    assert answer["languages"] == ["en", "es"]
    assert {voice["id"] for voice in voices.values() if voice["default"]} == {"af_heart", "ef_dora"}
    assert "ə" in voices["bm_george"].pop("phonemes")
    assert voices["bm_george"] == {
        "id": "bm_george", "language": "en", "locale": "en-GB", "gender": "male", "engine": "kokoro",
        "model": "kokoro-82m", "sample_rate": 24_000, "sample": "/voices/bm_george/sample",
        "default": False, "blendable": True,
    }  # fmt: skip
    assert answer["openai_names"]["alloy"] == {"en": "af_alloy", "es": "ef_dora"}


@pytest.mark.parametrize(
    ("voice", "text", "language"),
    [
        ("bf_emma", ENGLISH, "en"),
        ("am_michael", ENGLISH, "en"),
        ("em_alex", SPANISH, "es"),
        ("af_heart(2)+bf_emma(1)", ENGLISH, "en"),
        ("onyx", SPANISH, "es"),
    ],
)
def test_what_a_voice_says_is_read_back(voz: RunningServer, voice: str, text: str, language: str) -> None:
    with voz.client() as client:
        answer = client.post("/tts", json={"text": text, "voice": voice, "language": language})
        assert answer.status_code == 200, answer.text
        assert answer.json()["language"] == language
        audio = httpx.get(answer.json()["url"], trust_env=False).content
        transcript = client.post("/stt", files={"file": audio}, data={"language": language}).json()["text"]
    assert word_error_rate(text, transcript) <= 0.10
    with wave.open(io.BytesIO(audio)) as wav:
        assert wav.getframerate() == 24_000


def test_a_voice_speaks_its_own_language_where_none_is_named(voz: RunningServer) -> None:
    with voz.client() as client:
        answer = client.post("/tts", json={"text": "Buenos días.", "voice": "em_santa"}).json()
    assert (answer["language"], answer["voice"], answer["model"]) == ("es", "em_santa", "kokoro-82m")


def test_voices_accents_and_blends_sound_different(voz: RunningServer) -> None:
    text = "Oh."
    voices = ["af_heart", "af_bella", "bf_emma", "af_heart+af_bella", "af_heart(3)+af_bella(1)"]
    with voz.client() as client:
        sounds = {voice: speak(client, text=text, voice=voice) for voice in voices}
        again = speak(client, text=text, voice="af_bella(1)+af_heart(3)")
    assert len({sound.tobytes() for sound in sounds.values()}) == len(voices)
    np.testing.assert_array_equal(again, sounds["af_heart(3)+af_bella(1)"])


def test_callers_at_once_each_get_their_own_voice(
    models: "Models", make_settings: Callable[..., Settings]
) -> None:
    voices = ["af_heart", "am_adam", "bf_emma", "bm_george"]

    async def at_once(server: RunningServer) -> list[bytes]:
        async with server.async_client() as client:

            async def ask(voice: str) -> bytes:
                answer = await client.post("/tts/stream", json={"text": "Two.", "voice": voice})
                return answer.content

            return await asyncio.gather(*map(ask, voices))

    with serve(app_with(models, make_settings())) as server, server.client() as client:
        alone = [speak(client, text="Two.", voice=voice) for voice in voices]
        together = asyncio.run(at_once(server))
    for answer, lonely in zip(together, alone, strict=True):
        np.testing.assert_array_equal(np.frombuffer(answer[44:], "<i2"), np.round(lonely * 32768))
