"""Converts frames of any sample rate and layout to mono samples at 16 kHz."""

from collections.abc import Iterator, Sequence

import av
import numpy as np
from numpy.typing import NDArray

from src.engines.base import STT_SAMPLE_RATE
from src.errors import NotAudio

Pcm = NDArray[np.int16]
"""Mono samples, shape (n,)."""
Channels = NDArray[np.int16]
"""Samples of one or two channels, shape (n, channels)."""

_MAX_FORMAT_CHANGES = 100
_CANCELLED = 0.1
"""Power of the mix, relative to that of the stronger channel, below which the channels cancel each other out.
If only one channel has sound, it is a quarter."""


class Resampler:
    """Frames of one track to one or two channels at 16 kHz. A layout with more is mixed to stereo by FFmpeg.

    Some formats change their rate or layout midway, so a resampler of FFmpeg is made for each kind of frame.
    """

    def __init__(self) -> None:
        self._resampler: av.AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None
        self._changes = 0

    def push(self, frame: av.AudioFrame) -> Iterator[Channels]:
        """Resample a frame.

        Raises:
            NotAudio: the audio has an impossible layout, or changes its format without end.
        """
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or kind != self._kind:
            yield from self.flush()
            self._changes += 1
            if self._changes > _MAX_FORMAT_CHANGES:
                raise NotAudio("the audio changes its format over and over")
            layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
            # 16-bit, as faster-whisper does: FFmpeg normalises a mix-down to whole numbers only; in floats,
            # loud channels would come out above full scale
            self._resampler, self._kind = av.AudioResampler("s16", layout, STT_SAMPLE_RATE), kind
        frame.pts = None  # wild timestamps must not make FFmpeg invent silence
        yield from self._run(frame)

    def flush(self) -> Iterator[Channels]:
        """The samples that the resampler still holds."""
        if self._resampler is not None:
            yield from self._run(None)
            self._resampler = None

    def _run(self, frame: av.AudioFrame | None) -> Iterator[Channels]:
        assert self._resampler is not None  # noqa: S101 - only called with one
        try:
            frames = self._resampler.resample(frame)
        except Exception as error:
            raise NotAudio("the audio has channels that cannot be mixed into one") from error
        for resampled in frames:
            channels = resampled.layout.nb_channels
            samples = resampled.to_ndarray().reshape(-1, channels)
            if len(samples):
                yield samples.astype(np.int16, copy=False)


def joined(parts: Sequence[Channels]) -> Channels:
    """Consecutive parts as one, with as many channels as the widest has."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate([part if part.shape[1] == width else part.repeat(width, 1) for part in parts])


def mixed(channels: Channels) -> Pcm:
    """The mono mix. If the channels cancel each other out, only the stronger one is used.

    Stereo in opposite phase (one channel is the other, inverted) comes from miswired cables and balanced
    outputs; its mix is silence. Audio that is mixed already must not be given again: it would hide that the
    rest cancels.
    """
    width = channels.shape[1]
    if width == 1:
        return channels[:, 0]
    mix = (channels.astype(np.int32).sum(axis=1) >> 1).astype(np.int16)
    powers = [power(channels[:, index]) for index in range(width)]
    strongest = int(np.argmax(powers))
    return channels[:, strongest].copy() if power(mix) < _CANCELLED * powers[strongest] else mix


def power(samples: NDArray[np.int16]) -> float:
    """Mean square of the samples; full scale is 1."""
    return float(np.mean(np.square(samples.astype(np.float32) / 32768))) if samples.size else 0.0
