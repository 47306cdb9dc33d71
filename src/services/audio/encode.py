"""Encode speech as WAV, MP3, Opus or FLAC: the one place where audio bytes are made.

A stored file has a header that tells its exact length (WAV's sizes, MP3's Xing tag, FLAC's STREAMINFO),
so its bytes come out at the end. A streamed one comes out as it is made, with a header that says the length
is unknown. Opus has no length in its header: it always comes out as it is made.
"""

import io
import struct
from enum import StrEnum
from fractions import Fraction
from typing import Any, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from src.engines.base import Audio

Pcm = NDArray[np.int16]


class AudioFormat(StrEnum):
    WAV = "wav"
    MP3 = "mp3"
    OPUS = "opus"
    FLAC = "flac"

    @property
    def content_type(self) -> str:
        return {"wav": "audio/wav", "mp3": "audio/mpeg", "opus": "audio/ogg", "flac": "audio/flac"}[self]

    @property
    def extension(self) -> str:
        return self.value


class Encoder:
    """Turns the audio of one answer into one file. The same samples make the same bytes.

    Samples are rounded to 16 bits and cut at full scale.

    Args:
        format: of the file.
        sample_rate: Hz of what `encode` gets. Opus is made at 48 kHz whatever this is.
        streaming: hand bytes out as they are made.
    """

    def __init__(self, format: AudioFormat, sample_rate: int, streaming: bool) -> None:  # noqa: A002
        self._writer: _Writer = (
            _Wav(sample_rate, streaming)
            if format is AudioFormat.WAV
            else _Muxed(format, sample_rate, streaming)
        )

    def encode(self, audio: Audio) -> bytes:
        """Bytes that are ready after these samples; maybe none."""
        if not len(audio):
            return b""
        return self._writer.write(np.rint(np.clip(audio, -1.0, 1.0) * 32767.0).astype(np.int16))

    def finish(self) -> bytes:
        """The last bytes; of a stored file, all of them."""
        return self._writer.finish()


class _Writer(Protocol):
    def write(self, pcm: Pcm) -> bytes: ...

    def finish(self) -> bytes: ...


class _Wav:
    """RIFF with 16-bit PCM."""

    _UNKNOWN = 0xFFFFFFFF
    """What players take for: until the stream ends."""

    def __init__(self, sample_rate: int, streaming: bool) -> None:
        self._sample_rate = sample_rate
        self._pending = bytearray(self._header(None)) if streaming else bytearray()
        self._streaming = streaming

    def _header(self, size: int | None) -> bytes:
        riff, data = (self._UNKNOWN, self._UNKNOWN) if size is None else (36 + size, size)
        rate = self._sample_rate
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", data,
        )  # fmt: skip

    def write(self, pcm: Pcm) -> bytes:
        self._pending += pcm.astype("<i2").tobytes()
        return self._take() if self._streaming else b""

    def finish(self) -> bytes:
        return self._take() if self._streaming else self._header(len(self._pending)) + self._take()

    def _take(self) -> bytes:
        data, self._pending = bytes(self._pending), bytearray()
        return data


_MUXERS: dict[AudioFormat, tuple[str, str, dict[str, str], dict[str, str]]] = {
    # container, codec, options of the container, options of the codec
    AudioFormat.MP3: ("mp3", "libmp3lame", {"id3v2_version": "0"}, {"b": "96k"}),
    AudioFormat.OPUS: ("ogg", "libopus", {"page_duration": "200000"}, {"b": "40k", "application": "audio"}),
    AudioFormat.FLAC: ("flac", "flac", {}, {}),
}


class _Muxed:
    """Anything that FFmpeg encodes and muxes."""

    def __init__(self, format: AudioFormat, sample_rate: int, streaming: bool) -> None:  # noqa: A002
        container, codec, container_options, codec_options = _MUXERS[format]
        self._handed_out = streaming or format is AudioFormat.OPUS
        self._sink: io.BytesIO | _Sink = _Sink() if self._handed_out else io.BytesIO()
        # bitexact: no dates, versions or random serial numbers in the file
        options = {"fflags": "+bitexact", **container_options}
        self._container = av.open(self._sink, "w", format=container, options=options)
        self._stream: Any = self._container.add_stream(
            codec,
            rate=48_000 if format is AudioFormat.OPUS else sample_rate,
            layout="mono",
            options={"flags": "+bitexact", **codec_options},
        )
        self._sample_rate = sample_rate
        self._at = 0

    def write(self, pcm: Pcm) -> bytes:
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._sample_rate
        frame.time_base = Fraction(1, self._sample_rate)
        frame.pts = self._at
        self._at += len(pcm)
        self._container.mux(self._stream.encode(frame))
        return self._take()

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._take() if self._handed_out else self._sink.getvalue()  # type: ignore[union-attr]

    def _take(self) -> bytes:
        return self._sink.take() if isinstance(self._sink, _Sink) else b""


class _Sink(io.RawIOBase):
    """Where a muxer writes when its bytes are handed out at once.

    It may believe that it can go back and patch its header; what has been handed out stays as it is, which
    leaves the header saying that the length is unknown, and the tags before it (such as LAME's encoder delay,
    which players trim) in place.
    """

    def __init__(self) -> None:
        self._fresh = bytearray()
        self._given = 0
        self._at = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        end = self._given + len(self._fresh)
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: end}[whence] + offset
        return self._at

    def write(self, data: Any, /) -> int:
        stale = min(len(data), max(0, self._given - self._at))
        start = self._at + stale - self._given
        self._fresh[start : start + len(data) - stale] = data[stale:]
        self._at += len(data)
        return len(data)

    def take(self) -> bytes:
        """What has been written since the last call."""
        data, self._fresh = bytes(self._fresh), bytearray()
        self._given += len(data)
        return data
