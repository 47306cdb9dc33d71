"""Decode an upload, a second at a time, without trusting it.

FFmpeg (through PyAV) may open nothing but the uploaded bytes. Playlists, concat scripts, session
descriptions and subtitle pairs name other files or addresses. FFmpeg is kept from following in three ways: it
is shown a stream without a name; no protocol at all is allowed; and only the container formats listed here
are probed for, all of which hold their audio themselves. Video decoders, where most of FFmpeg's holes have
been, are never opened.

Work is bounded by what the file really holds: bytes read (some demuxers can be sent round in circles),
packets, streams, channels, the length of a frame, changes of format, and in the end seconds of audio. Around
FFmpeg every kind of exception counts as damage: PyAV stumbles over such files in Python too.
"""

import io
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO, Self

import av
import av.error
import av.logging
import numpy as np
from av.audio.stream import AudioStream
from av.codec import Codec
from av.stream import Discard
from numpy.typing import NDArray

from src.engines.base import STT_SAMPLE_RATE
from src.errors import NotAudio, TooLarge
from src.services.audio.bounded import BoundedReader
from src.services.audio.tally import Tally
from src.services.audio.whole import check_whole, mp3_counts_its_frames

Pcm = NDArray[np.int16]
"""Mono samples, shape (n,)."""

av.logging.set_level(None)  # FFmpeg writes to standard error; what matters is raised

_FORMATS = (
    # PCM and its kin
    "wav", "w64", "aiff", "au", "caf", "voc", "sox", "nistsphere", "ircam", "xwma",
    # compressed audio
    "mp3", "aac", "latm", "loas", "ac3", "eac3", "dts", "dtshd", "mlp", "truehd", "flac", "wv", "tta",
    # voice recorders and phones
    "amr", "amrnb", "amrwb", "gsm", "qcp", "dss", "3gp",
    # containers of audio and video
    "ogg", "matroska", "webm", "mov", "mp4", "m4a", "avi", "asf", "flv", "mpeg", "mpegts", "nut", "dv",
)  # fmt: skip
"""Names of FFmpeg's demuxers (where one has several names, one is enough).

Not here: whatever can name another file, formats of games, and of music with an index whose claims
nobody checks (APE, Musepack, TAK, RealMedia, MXF).
"""


def _audio_decoders() -> Iterator[str]:
    for name in sorted(av.codecs_available):
        with suppress(av.error.FFmpegError, ValueError):  # encoders only
            if Codec(name, "r").type == "audio":
                yield name


_OPTIONS = {
    "protocol_whitelist": "none",
    "format_whitelist": ",".join(_FORMATS),
    "codec_whitelist": ",".join(_audio_decoders()),
    "max_streams": "64",
}
TOO_MUCH_MEMORY = "the file takes more memory to decode than any recording should"
_RATES = range(1_000, 768_001)
_MAX_CHANNELS = 64
_MAX_FRAME_VALUES = 2**24
"""Samples times channels that a codec may put into one frame."""
_MAX_FRAME_SECONDS = 60
_MAX_FORMAT_CHANGES = 100
_BLOCK = STT_SAMPLE_RATE


class AudioSource:
    """The audio of an upload as 16 kHz mono blocks. Blocking: it runs in a decoder process.

    Args:
        file: the upload, seekable, positioned anywhere; it is not closed.
        max_seconds: more audio than this is refused while it is being decoded.

    Raises:
        NotAudio: nothing here can be decoded as audio, or the file is cut off; the message says why.
    """

    def __init__(self, file: BinaryIO, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        size = file.seek(0, io.SEEK_END)
        if size == 0:
            raise NotAudio("the file is empty")
        check_whole(file, size)
        counted = mp3_counts_its_frames(file)
        file.seek(0)
        self._closed = False
        self._bytes = BoundedReader(file, size)
        try:
            self._container = av.open(
                self._bytes,
                mode="r",
                container_options=_OPTIONS,
                metadata_errors="ignore",
                buffer_size=65_536,
            )
        except MemoryError as error:
            raise NotAudio(TOO_MUCH_MEMORY) from error
        except Exception as error:
            self._bytes.check()
            raise NotAudio("the file is not in an audio or video format that can be decoded") from error
        try:
            self._stream = self._choose_stream()
            name = self._container.format.name
            self._tally = Tally(name, self._stream, counted=name == "mp3" and counted)
        except BaseException:
            self.close()
            raise

    def _choose_stream(self) -> AudioStream:
        best = self._container.streams.best("audio")
        streams = sorted(self._container.streams.audio, key=lambda stream: stream is not best)
        if not streams:
            raise NotAudio("the file has no audio track")
        reason = ""
        for stream in streams:
            context = stream.codec_context
            if context is None:
                reason = "the audio track is in a codec that cannot be decoded"
            elif context.sample_rate not in _RATES or not 0 < context.channels <= _MAX_CHANNELS:
                reason = (
                    f"the audio track claims {context.channels} channels at {context.sample_rate} Hz, "
                    "which is no recording"
                )
            else:
                break
        else:
            raise NotAudio(reason)
        for other in self._container.streams:
            if other is not stream:
                other.discard = Discard.all
        context = stream.codec_context
        context.thread_count = 1
        context.options = {"max_samples": str(_MAX_FRAME_VALUES // context.channels)}
        return stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what the decoder holds."""
        self._closed = True
        self._container.close()

    @property
    def duration_hint(self) -> float | None:
        """Seconds of audio that the container claims to hold, not to be trusted; None if it does not say."""
        stream = self._stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return self._container.duration / av.time_base if self._container.duration else None

    def blocks(self) -> Iterator[Pcm]:
        """A second at a time (the last one may be shorter), 16-bit, in order. Once only.

        A few damaged packets are passed over, as every player does.

        Raises:
            NotAudio: nothing or too little could be decoded, or the file is cut off. `whole.py` tells what
                can be seen of that, and when.
            TooLarge: there is more than `max_seconds`.
        """
        parts: list[Pcm] = []
        held = total = 0
        for audio in self._decoded():
            total += len(audio)
            if total > self._max_seconds * STT_SAMPLE_RATE:
                raise TooLarge(f"the audio is longer than {self._max_seconds:g} seconds (MAX_AUDIO_SECONDS)")
            parts.append(audio)
            held += len(audio)
            if held >= _BLOCK:
                joined = np.concatenate(parts)
                whole = held // _BLOCK * _BLOCK
                for start in range(0, whole, _BLOCK):
                    yield joined[start : start + _BLOCK]
                parts, held = [joined[whole:]], held - whole
        if held:
            yield np.concatenate(parts)
        elif not total:  # a sample or two, of which none is left at our rate
            raise NotAudio("the file holds no audio that can be decoded")

    def _decoded(self) -> Iterator[Pcm]:
        resampler: av.AudioResampler | None = None
        shape: tuple[str, str, int] | None = None
        changes = 0
        for frame in self._frames():
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or now != shape:
                # some formats change rate or channels midway; a resampler is made for one kind of frame
                if resampler is not None:
                    yield from _resample(resampler, None)
                changes += 1
                if changes > _MAX_FORMAT_CHANGES:
                    raise NotAudio("the audio changes its format over and over")
                # 16-bit, as faster-whisper does: FFmpeg normalises a mix-down to whole numbers only; in
                # floats, two loud channels would come out above full scale
                resampler = av.AudioResampler("s16", "mono", STT_SAMPLE_RATE)
                shape = now
            frame.pts = None  # wild timestamps must not make the resampler invent silence
            yield from _resample(resampler, frame)
        if resampler is not None:
            yield from _resample(resampler, None)
        self._tally.check_end()

    def _frames(self) -> Iterator[av.AudioFrame]:
        for packet in self._packets():
            self._tally.packet(packet)
            try:
                frames = packet.decode()
            except MemoryError as error:
                raise NotAudio(TOO_MUCH_MEMORY) from error
            except Exception:
                self._tally.damaged()
                continue
            for frame in frames:
                _check_frame(frame)
                self._tally.frame(frame)
                yield frame

    def _packets(self) -> "Iterator[av.Packet[AudioStream]]":
        packets = self._container.demux(self._stream)
        while not self._closed:  # FFmpeg must not be called again once it is
            try:
                packet = next(packets, None)
            except IndexError:
                return  # PyAV, at the end: a track has appeared midway, which it has no place for
            except MemoryError as error:
                raise NotAudio(TOO_MUCH_MEMORY) from error
            except Exception as error:
                self._bytes.check()
                raise self._tally.stopped() from error
            self._bytes.check()
            if packet is None:
                return
            yield packet


def _check_frame(frame: av.AudioFrame) -> None:
    rate = frame.sample_rate
    if rate not in _RATES or frame.samples > _MAX_FRAME_SECONDS * rate:
        raise NotAudio(f"the audio claims a frame of {frame.samples} samples at {rate} Hz")


def _resample(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[Pcm]:
    try:
        frames = resampler.resample(frame)
    except Exception as error:
        raise NotAudio("the audio has channels that cannot be mixed into one") from error
    for resampled in frames:
        pcm = resampled.to_ndarray().reshape(-1)
        if len(pcm):
            yield pcm.astype(np.int16, copy=False)
