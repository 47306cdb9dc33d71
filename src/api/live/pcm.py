"""Raw audio of a live session, converted to what engines take."""

from enum import StrEnum
from typing import cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from src.engines.base import STT_SAMPLE_RATE, Audio
from src.services.audio.mixdown import Resampler

RATES = range(8_000, 48_001)
"""Sample rates in Hz that a session may have."""


class Encoding(StrEnum):
    """How samples are written, with the names of FFmpeg's codecs."""

    PCM_S16LE = "pcm_s16le"
    MULAW = "mulaw"
    ALAW = "alaw"


class PcmStream:
    """Mono samples of one encoding and rate to float32 at 16 kHz, in pieces of any length.

    Args:
        encoding: of the samples.
        rate: Hz.
    """

    def __init__(self, encoding: Encoding = Encoding.PCM_S16LE, rate: int = STT_SAMPLE_RATE) -> None:
        self._rate = rate
        self._codec: AudioCodecContext | None = None
        if encoding is not Encoding.PCM_S16LE:
            self._codec = cast("AudioCodecContext", av.CodecContext.create(f"pcm_{encoding}", "r"))
            self._codec.sample_rate = rate
            self._codec.layout = "mono"
        self._resampler = Resampler()
        self._odd = b""

    def push(self, data: bytes) -> Audio:
        """The audio that is whole now, shape (n,). A byte of half a sample waits for the next piece."""
        if self._codec is not None:
            if not data:
                return np.zeros(0, np.float32)
            frames = self._codec.decode(av.Packet(data))
            samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
        else:
            data = self._odd + data
            whole = len(data) // 2 * 2
            self._odd = data[whole:]
            samples = np.frombuffer(data[:whole], "<i2")
        if not len(samples):
            return np.zeros(0, np.float32)
        if self._rate != STT_SAMPLE_RATE:
            frame = av.AudioFrame.from_ndarray(samples[None].astype(np.int16), "s16", "mono")
            frame.sample_rate = self._rate
            parts = [part[:, 0] for part in self._resampler.push(frame)]
            samples = np.concatenate(parts) if parts else np.zeros(0, np.int16)
        return samples.astype(np.float32) / np.float32(32768)
