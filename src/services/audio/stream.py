"""Decodes an untrusted recording while it is made: Opus in WebM or Ogg, as browsers record it.

What `decode.py` says of FFmpeg holds here. A stream is not searched for its format, since its client says
which one it is, and it cannot be read twice.
"""

from collections.abc import Iterator
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

import av
import av.logging
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from src.engines.base import STT_SAMPLE_RATE
from src.errors import NotAudio
from src.services.audio.decode import RATES, TOO_MUCH_MEMORY, check_frame
from src.services.audio.mixdown import Pcm, Resampler, mixed
from src.services.audio.timeline import Timeline

_DEMUXERS = {"webm": "matroska", "ogg": "ogg"}
_OPTIONS = {
    "protocol_whitelist": "none",
    "codec_whitelist": "opus,libopus",
    "max_streams": "8",
    # what the headers say is enough
    "probesize": "32",
    "analyzeduration": "0",
    "fflags": "nobuffer",
}
_READ_BYTES = 4096
_MAX_SILENCE = 60.0
"""Longest gap in seconds between two packets that becomes silence."""


class Container(StrEnum):
    """Containers that a stream may have."""

    WEBM = "webm"
    OGG = "ogg"


class Bytes(Protocol):
    """Where a stream comes from."""

    def read(self, size: int) -> bytes:
        """Wait for the next bytes, `size` at the most; none at the end."""


class StreamSource:
    """The audio of a stream as 16 kHz mono. Blocking: it runs in a decoder process.

    Args:
        stream: the bytes.
        container: of the audio.
        max_seconds: longest stream.

    Raises:
        NotAudio: this is no such stream.
    """

    def __init__(self, stream: Bytes, container: Container, max_seconds: float) -> None:
        self._name = container.value
        try:
            self._container: InputContainer = av.open(
                stream,
                mode="r",
                format=_DEMUXERS[container],
                container_options=_OPTIONS,
                metadata_errors="ignore",
                buffer_size=_READ_BYTES,
            )
        except MemoryError as error:
            raise NotAudio(TOO_MUCH_MEMORY) from error
        except Exception as error:
            raise NotAudio(f"the stream is no {self._name}") from error
        self._track = self._chosen()
        self._timeline = Timeline(self._container, self._track, max_seconds)

    def _chosen(self) -> AudioStream:
        for track in self._container.streams.audio:
            context = track.codec_context
            if context is not None and context.sample_rate in RATES and 0 < context.channels <= 2:
                context.thread_count = 1
                return track
        self._container.close()
        raise NotAudio(f"the {self._name} has no track of Opus with one or two channels")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def blocks(self) -> Iterator[Pcm]:
        """The audio as soon as it is decoded, in blocks of a second at the most. Call it only once.

        Raises:
            NotAudio: the stream is broken.
        """
        resampler = Resampler()
        for frame in self._frames():
            silence = min(self._timeline.silence_before(frame), _MAX_SILENCE)
            if silence:
                yield from (mixed(part) for part in resampler.flush())
                for _ in range(int(silence)):
                    yield np.zeros(STT_SAMPLE_RATE, np.int16)
                yield np.zeros(round(silence % 1 * STT_SAMPLE_RATE), np.int16)
            for part in resampler.push(frame):
                for start in range(0, len(part), STT_SAMPLE_RATE):
                    yield mixed(part[start : start + STT_SAMPLE_RATE])
        yield from (mixed(part) for part in resampler.flush())

    def _frames(self) -> Iterator[av.AudioFrame]:
        for packet in self._packets():
            try:
                frames = packet.decode()
            except MemoryError as error:
                raise NotAudio(TOO_MUCH_MEMORY) from error
            except Exception:  # a player skips it, too
                self._timeline.lost(min(max(float((packet.duration or 0) * (packet.time_base or 0)), 0), 0.2))
                continue
            for frame in frames:
                check_frame(frame)
                yield frame

    def _packets(self) -> "Iterator[av.Packet[AudioStream]]":
        packets = self._container.demux(self._track)
        while True:
            try:
                packet = next(packets, None)
            except MemoryError as error:
                raise NotAudio(TOO_MUCH_MEMORY) from error
            except Exception as error:
                raise NotAudio(f"the {self._name} is broken after {self._timeline.position:.1f} s") from error
            if packet is None:
                return
            yield packet
