"""Writers that turn 16-bit samples into the bytes of a file."""

import contextlib
import struct
import tempfile
from fractions import Fraction
from typing import Protocol, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
"""16-bit mono samples, shape (n,)."""


class Spool(tempfile.SpooledTemporaryFile[bytes]):
    """A temporary file for a stored file until its header can be written; in memory while it is small."""

    def __init__(self) -> None:
        super().__init__(max_size=2**20)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the disk is full, and what is in it is thrown away
            super().close()


class Writer(Protocol):
    """A writer of one file. It returns the bytes, or writes them to a spool."""

    def write(self, pcm: Pcm) -> bytes: ...

    def finish(self) -> bytes: ...


def frame_of(pcm: Pcm, sample_rate: int, at: int) -> av.AudioFrame:
    """The samples as a frame for FFmpeg, `at` samples from the start."""
    frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = sample_rate
    frame.time_base = Fraction(1, sample_rate)
    frame.pts = at
    return frame


class Wav:
    """RIFF with 16-bit PCM. Without a spool, its sizes are 0xFFFFFFFF, which means until the stream ends."""

    _UNKNOWN = 0xFFFFFFFF

    def __init__(self, sample_rate: int, spool: Spool | None) -> None:
        self._sample_rate = sample_rate
        self._spool = spool
        self._size = 0
        self._begun = False
        if spool is not None:
            spool.write(self._header(0))

    def _header(self, size: int | None) -> bytes:
        riff, data = (self._UNKNOWN, self._UNKNOWN) if size is None else (36 + size, size)
        rate = self._sample_rate
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", data,
        )  # fmt: skip

    def write(self, pcm: Pcm) -> bytes:
        data = pcm.astype("<i2", copy=False).tobytes()
        if self._spool is None:
            return self._first() + data
        self._size += self._spool.write(data)
        return b""

    def finish(self) -> bytes:
        if self._spool is None:
            return self._first()
        self._spool.seek(0)
        self._spool.write(self._header(self._size))
        return b""

    def _first(self) -> bytes:
        header = b"" if self._begun else self._header(None)
        self._begun = True
        return header


class Muxer:
    """A file that FFmpeg encodes and muxes.

    Args:
        container: FFmpeg's name of the container.
        codec: FFmpeg's name of the codec.
        sample_rates: sample rates in Hz of the samples, and of the file.
        spool: the file; None: bytes are returned at once, and the header is never updated.
        container_options: options of the muxer.
        codec_options: options of the encoder.
    """

    def __init__(
        self,
        container: str,
        codec: str,
        sample_rates: tuple[int, int],
        spool: Spool | None,
        container_options: dict[str, str],
        codec_options: dict[str, str],
    ) -> None:
        self._sample_rate, rate = sample_rates
        self._sink = _Sink() if spool is None else None
        # bitexact: no dates, versions or random serial numbers in the file
        options = {"fflags": "+bitexact", **container_options}
        self._container = av.open(self._sink or spool, "w", format=container, options=options)
        stream = self._container.add_stream(
            codec, rate=rate, layout="mono", options={"flags": "+bitexact", **codec_options}
        )
        self._stream = cast(AudioStream, stream)
        self._at = 0

    def write(self, pcm: Pcm) -> bytes:
        frame = frame_of(pcm, self._sample_rate, self._at)
        self._at += len(pcm)
        self._container.mux(self._stream.encode(frame))
        return self._sink.take() if self._sink else b""

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take() if self._sink else b""


class _Sink:
    """The output of a muxer whose bytes are returned at once. It cannot seek, and the muxer respects that."""

    def __init__(self) -> None:
        self._fresh: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._fresh.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What has been written since the last call."""
        data = b"".join(self._fresh)
        self._fresh.clear()
        return data
