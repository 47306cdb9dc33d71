"""The whole service on a GPU over a socket: `auto` finds it, every engine is on it, and each says so."""

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest

from src.config import Settings
from src.main import create_app
from src.weights.tts_engine import TtsEngine
from tests.support import coqui
from tests.support.server import RunningServer, serve
from tests.support.speech import clip_path
from tests.support.speech_text import word_error_rate

pytestmark = [pytest.mark.gpu, pytest.mark.models]


@pytest.fixture(scope="module")
def voz(
    make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("coqui")
    coqui.english(folder / "en")
    coqui.spanish(folder / "es")
    settings = make_settings(
        device="auto",
        tts_engine=TtsEngine.BOTH,
        tts_model_en=str(folder / "en"),
        tts_model_es=str(folder / "es"),
    )
    with serve(create_app(settings)) as server:
        yield server


def test_every_engine_runs_on_the_gpu_and_says_so(voz: RunningServer) -> None:
    with voz.client() as client:
        assert client.get("/health/ready").status_code == 200
        models = client.get("/models").json()
    assert (models["stt"]["device"], models["stt"]["compute_type"]) == ("cuda", "float16")
    assert models["tts"]["device"] == "cuda"
    assert models["tts"]["compute_type"] == "float32"


@pytest.mark.parametrize(("voice", "engine"), [("af_heart", "kokoro"), (None, "coqui")])
def test_each_engine_speaks(voz: RunningServer, voice: str | None, engine: str) -> None:
    with voz.client() as client:
        body = {"text": "The conference has been extended.", "language": "en", "voice": voice}
        answer = client.post("/tts", json={name: value for name, value in body.items() if value}).json()
        assert answer["engine"] == engine
        sound = httpx.get(answer["url"], trust_env=False).content
        assert sound.startswith(b"RIFF")
        if engine == "kokoro":
            text = client.post("/stt", files={"file": ("speech.wav", sound)}).json()["text"]
            assert word_error_rate("The conference has been extended.", text) == 0


def test_a_crowd_of_files_is_read(voz: RunningServer) -> None:
    async def main() -> list[str]:
        async with voz.async_client() as client:
            sound = clip_path("en-extended").read_bytes()
            answers = await asyncio.gather(
                *(client.post("/stt", files={"file": ("clip.flac", sound)}) for _ in range(64))
            )
        assert {answer.status_code for answer in answers} == {200}
        return [answer.json()["text"] for answer in answers]

    assert set(asyncio.run(main())) == {"The conference has been extended."}
