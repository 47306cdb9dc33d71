"""What a caller asks to be spoken, and what comes of it."""

from dataclasses import dataclass, field
from datetime import datetime

from src.engines.base import Voice
from src.services.audio import AudioFormat
from src.services.text.lexicon import EMPTY, Lexicon
from src.services.usage import Usage
from src.services.word_times import Phrase


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    text: str
    voice: Voice
    """A voice of the service's registry."""
    format: AudioFormat = AudioFormat.WAV
    speed: float = 1.0
    language: str = ""
    """Language of the text, `es`, or with a region `es-MX`, by which dates are read; empty: the voice's."""
    owner: str = ""
    """Name of the API key. Each key has its own cache, so that nobody learns what another key has spoken."""
    timestamps: bool = False
    """Whether the times of the words are wanted."""
    markup: bool = False
    """Whether the text has marks for pauses and phonemes (`services/text/markup.py`)."""
    lexicon: Lexicon = EMPTY
    """Lexicon of this request; it comes before that of the server."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A spoken text in storage."""

    url: str
    key: str
    expires_in: int
    expires_at: datetime
    duration: float
    """Length of the audio in seconds."""
    sample_rate: int
    """Sample rate in Hz."""
    cached: bool
    """Whether the audio was not synthesised for this request alone."""
    usage: Usage
    """Usage of this request: none if the audio was in storage, a share if several callers asked for it."""
    words: Phrase | None = None
    """Words with their times; None if the request did not ask for them."""
    word_urls: dict[str, str] = field(default_factory=dict)
    """Links to the words as `json`, `srt` and `vtt`. They work as long as `url`."""


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A part of a stream."""

    audio: bytes
    words: Phrase = ()
    """Words whose sound is in this part, or in this and the next: an encoder holds some samples back."""
