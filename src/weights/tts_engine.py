"""Which engine's weights are wanted, by the words of TTS_ENGINE (own code: they are Voz's setting)."""

from enum import StrEnum


class TtsEngine(StrEnum):
    AUTO = "auto"
    COQUI = "coqui"
    KOKORO = "kokoro"
    BOTH = "both"
