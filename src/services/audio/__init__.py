"""Decoding of uploaded audio, and encoding of synthesised speech."""

from src.services.audio.decode import AudioSource
from src.services.audio.encode import AudioFormat, Encoder
from src.services.audio.level import fade, gain, level
from src.services.audio.tempo import Tempo

__all__ = ["AudioFormat", "AudioSource", "Encoder", "Tempo", "fade", "gain", "level"]
