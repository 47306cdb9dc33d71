"""Decodes an untrusted upload, one second at a time.

FFmpeg (through PyAV) may open nothing but the uploaded bytes. Playlists, concat scripts, session
descriptions and subtitle pairs name other files or addresses. FFmpeg is kept from following in three ways: it
is shown a stream without a name; no protocol at all is allowed; and only the container formats listed here
are probed for, all of which hold their audio themselves. Video decoders, where most of FFmpeg's holes have
been, are never opened.

The work is limited by what the file really holds: bytes read (a file can make some demuxers loop), packets,
streams, channels, the length of a frame, changes of format, and seconds of audio. Every exception from PyAV
counts as damage, since damaged files raise errors in its Python code as well.
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
from av.container import InputContainer
from av.stream import Discard

from src.engines.base import STT_SAMPLE_RATE
from src.errors import InvalidInput, NotAudio, TooLarge
from src.services.audio.decode_stats import DecodeStats
from src.services.audio.limited_reader import LimitedReader
from src.services.audio.mixdown import Channels, Pcm, Resampler, joined, mixed
from src.services.audio.timeline import Timeline
from src.services.audio.tracks import TrackMeter
from src.services.audio.truncation import missing_part, mp3_counts_its_frames

av.logging.set_level(None)  # FFmpeg would write to standard error; errors are raised

_FORMATS = (
    # PCM and similar formats
    "wav", "w64", "aiff", "au", "caf", "voc", "sox", "nistsphere", "ircam", "xwma",
    # compressed audio
    "mp3", "aac", "latm", "loas", "ac3", "eac3", "dts", "dtshd", "mlp", "truehd", "flac", "wv", "tta",
    # voice recorders and phones
    "amr", "amrnb", "amrwb", "gsm", "qcp", "dss", "3gp",
    # containers of audio and video
    "ogg", "matroska", "webm", "mov", "mp4", "m4a", "avi", "asf", "flv", "mpeg", "mpegts", "nut", "dv",
)  # fmt: skip
"""Names of FFmpeg's demuxers (where one has several names, one is enough).

Left out: formats that can name other files, formats of games, and music formats with an unchecked index (APE,
Musepack, TAK, RealMedia, MXF).
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
RATES = range(1_000, 768_001)
_MAX_CHANNELS = 64
_MAX_FRAME_VALUES = 2**24
"""Maximum number of samples times channels in one frame."""
_MAX_FRAME_SECONDS = 60
_MAX_TRACKS = 8
"""Maximum number of audio tracks among which the one with sound is searched."""
_DTX = {"amrnb": range(8, 16), "amrwb": (9, 14, 15), "amr_nb": range(8, 16), "amr_wb": (9, 14, 15)}
"""Frame types of AMR that hold no speech: comfort noise, or nothing. FFmpeg cannot decode them."""
_DTX_SECONDS = 0.02
_MAX_LOST_SECONDS = 0.2
"""Maximum length in seconds of the silence for a packet that could not be decoded."""
_BLOCK = STT_SAMPLE_RATE


class AudioSource:
    """The audio of an upload as 16 kHz mono blocks. Blocking: it runs in a decoder process.

    A file that is cut off is read as far as it goes; `warnings` says so then.

    Args:
        file: the upload, seekable, positioned anywhere; it is not closed.
        max_seconds: more audio than this is refused while it is being decoded.
        track: the audio track to read, from 1; None: the default one, or the loudest if that is silent.
        whole_only: refuse a file that is cut off.

    Raises:
        NotAudio: nothing here can be decoded as audio; the message says why.
        InvalidInput: there is no such track.
    """

    def __init__(
        self, file: BinaryIO, max_seconds: float, track: int | None = None, *, whole_only: bool = False
    ) -> None:
        self._max_seconds = max_seconds
        self._whole_only = whole_only
        self.warnings: list[str] = []
        """Warnings about the file for the caller. Complete when `blocks` has ended."""
        self._file = file
        self._size = file.seek(0, io.SEEK_END)
        if self._size == 0:
            raise NotAudio("the file is empty")
        self._cut = missing_part(file, self._size)
        if self._cut and whole_only:
            raise NotAudio(f"the file is cut off: {self._cut}")
        self._counted = mp3_counts_its_frames(file)
        self._closed = False
        self._open()
        try:
            candidates = self._decodable()
            self._choices = candidates if track is None else []
            self._use(candidates[0] if track is None else self._numbered(track, candidates))
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._file.seek(0)
        self._bytes = LimitedReader(self._file, self._size)
        try:
            self._container: InputContainer = av.open(
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
            if self._cut:
                raise NotAudio(f"the file is cut off: {self._cut}") from error
            raise NotAudio("the file is not in an audio or video format that can be decoded") from error

    def _decodable(self) -> list[AudioStream]:
        """The audio tracks that can be decoded, the default one first."""
        best = self._container.streams.best("audio")
        found: list[AudioStream] = []
        reason = "the file has no audio track"
        for stream in sorted(self._container.streams.audio, key=lambda stream: stream is not best):
            context = stream.codec_context
            if context is None:
                reason = "the audio track is in a codec that cannot be decoded"
            elif context.sample_rate not in RATES or not 0 < context.channels <= _MAX_CHANNELS:
                reason = (
                    f"the audio track claims {context.channels} channels at {context.sample_rate} Hz, "
                    "which is no recording"
                )
            else:
                context.thread_count = 1
                context.options = {"max_samples": str(_MAX_FRAME_VALUES // context.channels)}
                found.append(stream)
        if not found:
            raise NotAudio(reason)
        return found

    def _numbered(self, track: int, candidates: list[AudioStream]) -> AudioStream:
        streams = self._container.streams.audio
        if not 0 < track <= len(streams):
            count = "1 audio track" if len(streams) == 1 else f"{len(streams)} audio tracks"
            raise InvalidInput(f"track: the file has {count}; there is no track {track}", "track")
        if streams[track - 1] not in candidates:
            raise NotAudio(f"track {track} cannot be decoded")
        return streams[track - 1]

    def _use(self, stream: AudioStream) -> None:
        self._stream = stream
        streams = self._container.streams.audio
        self.track, self.tracks = streams.index(stream) + 1, len(streams)
        name = self._container.format.name
        self._stats = DecodeStats(name, stream, counted=name == "mp3" and self._counted)
        self._timeline = Timeline(self._container, stream, self._max_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the decoder's resources."""
        self._closed = True
        self._container.close()

    @property
    def duration_hint(self) -> float | None:
        """Seconds of audio according to the container, which may be wrong; None if it does not say."""
        stream = self._stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return self._container.duration / av.time_base if self._container.duration else None

    def blocks(self) -> Iterator[Pcm]:
        """The audio in blocks of one second (the last may be shorter), 16-bit, in order. Call it only once.

        A few damaged packets are skipped, as every player does. If there are several tracks, empty blocks
        come first, while the track to read is searched.

        Raises:
            NotAudio: nothing or too little could be decoded, or the file is cut off and `whole_only`.
                `truncation.py` says which files can be recognised as cut off.
            TooLarge: there is more than `max_seconds`.
        """
        if len(self._choices) > 1:
            yield from self._choose_track()
        parts: list[Channels] = []
        held = total = 0
        for samples in self._decoded():
            total += len(samples)
            if total > self._max_seconds * STT_SAMPLE_RATE:
                raise TooLarge(f"the audio is longer than {self._max_seconds:g} seconds (MAX_AUDIO_SECONDS)")
            parts.append(samples)
            held += len(samples)
            if held >= _BLOCK:
                channels = joined(parts)
                whole = held // _BLOCK * _BLOCK
                for start in range(0, whole, _BLOCK):
                    yield mixed(channels[start : start + _BLOCK])
                parts, held = [channels[whole:]], held - whole
        if held:
            yield mixed(joined(parts))
        elif not total:  # one or two samples, of which none is left at 16 kHz
            raise NotAudio("the file holds no audio that can be decoded")

    def _choose_track(self) -> Iterator[Pcm]:
        meter = TrackMeter(self._container, self._choices[:_MAX_TRACKS])
        for _ in meter.measure():
            yield np.zeros(0, np.int16)
        chosen = self._container.streams.audio.index(meter.chosen())
        if self._closed:
            return
        self._container.close()
        self._open()
        streams = self._container.streams.audio
        if len(streams) <= chosen or streams[chosen] not in self._decodable():
            raise NotAudio("the file changes while it is read")
        self._use(streams[chosen])

    def _decoded(self) -> Iterator[Channels]:
        resampler = Resampler()
        for frame in self._frames():
            silence = self._timeline.silence_before(frame)
            if silence:
                yield from resampler.flush()
                yield from _silence(silence)
            yield from resampler.push(frame)
        yield from resampler.flush()
        yield from _silence(self._timeline.silence_before(None))
        missing = self._stats.check_end()
        self._cut = self._cut or missing
        if self._cut:
            self._broken_off(f"the file is cut off: {self._cut}")

    def _broken_off(self, reason: str, cause: Exception | None = None) -> None:
        if self._whole_only:
            raise NotAudio(reason) from cause
        if not self.warnings:
            self.warnings.append(f"{reason}; what is there was read, up to {self._timeline.position:.1f} s")

    def _frames(self) -> Iterator[av.AudioFrame]:
        for packet in self._packets():
            self._stats.packet(packet)
            try:
                frames = packet.decode()
            except MemoryError as error:
                raise NotAudio(TOO_MUCH_MEMORY) from error
            except Exception:
                if self._is_pause(packet):
                    self._timeline.lost(_DTX_SECONDS)
                    continue
                self._stats.damaged()
                seconds = float((packet.duration or 0) * (packet.time_base or 0))
                self._timeline.lost(min(max(seconds, 0.0), _MAX_LOST_SECONDS))
                continue
            for frame in frames:
                check_frame(frame)
                self._stats.frame(frame)
                yield frame

    def _is_pause(self, packet: "av.Packet[AudioStream]") -> bool:
        """Whether a packet of AMR marks a pause (discontinuous transmission)."""
        kinds = _DTX.get(self._stream.codec_context.name, ())
        return bool(kinds) and packet.size > 0 and bytes(packet)[0] >> 3 & 15 in kinds

    def _packets(self) -> "Iterator[av.Packet[AudioStream]]":
        for other in self._container.streams:
            if other is not self._stream:
                other.discard = Discard.all
        packets = self._container.demux(self._stream)
        while not self._closed:  # FFmpeg must not be called again once it is
            try:
                packet = next(packets, None)
            except IndexError:
                return  # PyAV raises this at the end if a track has appeared midway
            except MemoryError as error:
                raise NotAudio(TOO_MUCH_MEMORY) from error
            except Exception as error:
                self._bytes.check()
                seconds = self._timeline.position
                self._broken_off(
                    f"the file is damaged or cut off: it cannot be read past {seconds:.1f} s", error
                )
                return
            self._bytes.check()
            if packet is None:
                return
            yield packet


def check_frame(frame: av.AudioFrame) -> None:
    """Refuse a frame that no recording has.

    Raises:
        NotAudio: it claims an impossible rate or length.
    """
    rate = frame.sample_rate
    if rate not in RATES or frame.samples > _MAX_FRAME_SECONDS * rate:
        raise NotAudio(f"the audio claims a frame of {frame.samples} samples at {rate} Hz")


def _silence(seconds: float) -> Iterator[Channels]:
    """Silence in blocks of one second, because a gap may be long."""
    left = round(seconds * STT_SAMPLE_RATE)
    while left > 0:
        yield np.zeros((min(left, _BLOCK), 1), np.int16)
        left -= _BLOCK
