"""A server in speaches' manner: handlers run in a pool of threads, each model does one call at a time.

It uses faster-whisper and kokoro-onnx as they are, with Voz's weights. It has no batches, and no bound on its
queue.
"""

import argparse
import threading
from typing import Any

import uvicorn
from fastapi import FastAPI, Response, UploadFile
from pydantic import BaseModel

from benchmarks import tts_peers
from benchmarks.load.workloads import VOICES
from src.config import Settings, load_settings
from src.weights.store import ModelStore
from tests.support.speech import wav

_RATE = 24_000


class Speech(BaseModel):
    """What `/tts` is sent, as far as the peer reads it."""

    text: str
    language: str


def create_app(settings: Settings) -> FastAPI:
    """`/stt` and `/tts` as Voz has them, around the peers' own code.

    Args:
        settings: which weights, and how many threads.
    """
    from faster_whisper import WhisperModel

    store = ModelStore(settings.models_dir)
    whisper = WhisperModel(
        str(store.whisper(settings.stt_model).folder),
        device="cpu",
        compute_type="int8",
        cpu_threads=settings.threads,
    )
    files = store.kokoro()
    speakers = {
        language: tts_peers.kokoro(files.model, files.voices[voice], language, settings.threads)
        for language, voice in VOICES.items()
    }
    reads, speaks = threading.Lock(), threading.Lock()
    app = FastAPI()

    @app.get("/health/ready")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    # both handlers are plain functions: the framework runs them in its pool of threads
    @app.post("/stt")
    def stt(file: UploadFile) -> dict[str, Any]:
        with reads:
            segments, info = whisper.transcribe(file.file)
            text = " ".join(segment.text.strip() for segment in segments)
        return {"text": text, "language": info.language}

    @app.post("/tts")
    def tts(speech: Speech) -> Response:
        with speaks:
            audio = speakers[speech.language](speech.text)
        return Response(wav(audio, _RATE).getvalue(), media_type="audio/wav")

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    uvicorn.run(create_app(load_settings()), host="127.0.0.1", port=given.port)


if __name__ == "__main__":
    main()
