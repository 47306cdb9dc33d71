"""The engines of a running server, as the routes and services see them."""

from dataclasses import dataclass

from src.engines.base import SpeechToText, TextToSpeech


@dataclass(frozen=True, slots=True)
class Models:
    """The engines, open and warm."""

    stt: SpeechToText
    tts: TextToSpeech
    notices: tuple[str, ...] = ()
    """Messages for the operator about the engines, e.g. that Kokoro replaces Coqui."""
