"""The Python client of Voz: `voz.Client` and `voz.AsyncClient`.

with voz.Client("http://127.0.0.1:8000", api_key="...") as client:
    print(client.transcribe("recording.mp3").text)
"""

from voz.async_client import AsyncClient
from voz.calls import SpeechOptions, TranscriptionOptions
from voz.client import Client
from voz.errors import (
    ApiError,
    BrokenOff,
    Conflict,
    ConnectionFailed,
    FieldError,
    Forbidden,
    InvalidInput,
    NotAudio,
    NotFound,
    RateLimited,
    ServerError,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unavailable,
    VozError,
)
from voz.jobs import Job, JobError, JobPage, SpeechJobOptions, TranscriptionJobOptions
from voz.jobs_client import AsyncJobs, Jobs
from voz.live import LiveEvent, LiveOptions, LiveSession
from voz.results import (
    EngineStatus,
    LanguageGuess,
    Models,
    Readiness,
    Segment,
    Speech,
    SpeechPart,
    SpokenWord,
    Transcription,
    Voice,
    Word,
)
from voz.sources import AudioSource
from voz.streams import AsyncTranscriptionStream, TranscriptionStream

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncJobs",
    "AsyncTranscriptionStream",
    "AudioSource",
    "BrokenOff",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "EngineStatus",
    "FieldError",
    "Forbidden",
    "InvalidInput",
    "Job",
    "JobError",
    "JobPage",
    "Jobs",
    "LanguageGuess",
    "LiveEvent",
    "LiveOptions",
    "LiveSession",
    "Models",
    "NotAudio",
    "NotFound",
    "RateLimited",
    "Readiness",
    "Segment",
    "ServerError",
    "Speech",
    "SpeechJobOptions",
    "SpeechOptions",
    "SpeechPart",
    "SpokenWord",
    "TimedOut",
    "TooLarge",
    "Transcription",
    "TranscriptionJobOptions",
    "TranscriptionOptions",
    "TranscriptionStream",
    "Unauthorized",
    "Unavailable",
    "Voice",
    "VozError",
    "Word",
]
