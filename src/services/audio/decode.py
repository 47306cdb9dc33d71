"""Decode an upload, a block at a time, without trusting it.

FFmpeg (through PyAV) may open nothing but the uploaded bytes. Playlists, concat scripts, session
descriptions and subtitle pairs name other files or addresses; three things keep FFmpeg from following:
it is shown a stream without a name, no protocol at all is allowed, and only the container formats listed
here are probed for.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self

import av
import av.error
import av.logging
import numpy as np

from src.core.errors import NotAudio, TooLarge
from src.engines.base import STT_SAMPLE_RATE, Audio

av.logging.set_level(None)  # FFmpeg writes to standard error; what matters is raised

_FORMATS = (
    "3dostr,aa,aac,ac3,adx,aiff,alaw,amr,amrnb,amrwb,ape,asf,asf_o,ast,au,avi,caf,dsf,dts,dtshd,dv,eac3,f4v,"
    "flac,flv,gsm,ircam,iamf,kux,latm,loas,matroska,webm,matroska,webm,mka,mlp,mmf,mov,mp4,m4a,3gp,3g2,mj2,"
    "mov,mp4,m4a,3gp,3g2,mj2,mp2,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,opus,paf,pvf,qcp,rm,"
    "sbc,sln,sox,spx,swf,tak,truehd,tta,voc,vqf,w64,wav,wsd,wtv,wv"
)
"""Containers that hold their audio themselves (names of FFmpeg's demuxers)."""
_OPTIONS = {"protocol_whitelist": "none", "format_whitelist": _FORMATS}
_TELLS_LENGTH = {"wav", "w64", "aiff", "flac", "caf", "au", "mov,mp4,m4a,3gp,3g2,mj2"}
"""Containers whose header says how long the audio is, so that a cut can be seen."""
_BLOCK = STT_SAMPLE_RATE
_RATES = range(1_000, 768_001)
_MAX_CHANNELS = 64


class AudioSource:
    """The audio of an upload as 16 kHz mono blocks. Blocking: run it in a thread.

    Args:
        file: the upload, seekable, positioned anywhere; it is not closed.
        max_seconds: more audio than this is refused while it is being decoded.

    Raises:
        NotAudio: nothing here can be decoded as audio; the message says why.
    """

    def __init__(self, file: BinaryIO, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        if file.seek(0, 2) == 0:
            raise NotAudio("the file is empty")
        file.seek(0)
        try:
            self._container = av.open(
                _Nameless(file), mode="r", options=_OPTIONS, metadata_errors="ignore", timeout=None
            )
        except (av.error.FFmpegError, ValueError, OSError, OverflowError) as error:
            raise NotAudio("the file is not in an audio or video format that can be decoded") from error
        try:
            self._stream = self._audio_stream()
        except BaseException:
            self._container.close()
            raise

    def _audio_stream(self) -> av.AudioStream:
        streams = self._container.streams.audio
        if not streams:
            raise NotAudio("the file has no audio track")
        stream = streams[0]
        context = stream.codec_context
        if context is None:
            raise NotAudio("the audio track is in a codec that cannot be decoded")
        if context.sample_rate not in _RATES or not 0 < context.channels <= _MAX_CHANNELS:
            raise NotAudio(
                f"the audio track claims {context.channels} channels at {context.sample_rate} Hz, "
                "which is no recording"
            )
        context.thread_count = 1
        return stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what the decoder holds."""
        self._container.close()

    @property
    def duration_hint(self) -> float | None:
        """Seconds of audio that the container claims to hold, not to be trusted; None if it does not say."""
        stream = self._stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return self._container.duration / av.time_base if self._container.duration else None

    def blocks(self) -> Iterator[Audio]:
        """About a second at a time, float32 of shape (n,), in order.

        A few damaged packets are passed over, as every player does.

        Raises:
            NotAudio: nothing could be decoded, or the file is cut off. That can be seen where the
                container says how long it is (WAV, FLAC, MP4, ...), not in a bare MP3, AAC or Ogg stream.
            TooLarge: there is more than `max_seconds`.
        """
        parts: list[Audio] = []
        held = total = 0
        for audio in self._decoded():
            held += len(audio)
            total += len(audio)
            if total > self._max_seconds * STT_SAMPLE_RATE:
                raise TooLarge(f"the audio is longer than {self._max_seconds:g} seconds (MAX_AUDIO_SECONDS)")
            parts.append(audio)
            if held >= _BLOCK:
                yield np.concatenate(parts)
                parts, held = [], 0
        if parts:
            yield np.concatenate(parts)
        self._check_whole(total / STT_SAMPLE_RATE)

    def _check_whole(self, seconds: float) -> None:
        if seconds == 0:
            raise NotAudio("the file holds no audio that can be decoded")
        hint = self.duration_hint
        if hint is None or self._container.format.name not in _TELLS_LENGTH:
            return
        if seconds < 0.99 * hint - 0.25:
            raise NotAudio(
                f"the file is cut off: it should hold {hint:.1f} s of audio, but {seconds:.1f} s are there"
            )

    def _decoded(self) -> Iterator[Audio]:
        # 16-bit, as faster-whisper does: FFmpeg normalises a mix-down to whole numbers only; in floats, two
        # loud channels would come out above full scale
        resampler = av.AudioResampler("s16", "mono", STT_SAMPLE_RATE)
        shape: tuple[str, str, int] | None = None
        for frame in self._frames():
            if frame.sample_rate not in _RATES:
                continue
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if now != shape:
                # some formats change rate or channels midway; a resampler is made for one kind of frame
                if shape is not None:
                    yield from _arrays(resampler.resample(None))
                    resampler = av.AudioResampler("s16", "mono", STT_SAMPLE_RATE)
                shape = now
            frame.pts = None  # wild timestamps must not make the resampler invent silence
            yield from _arrays(resampler.resample(frame))
        if shape is not None:
            yield from _arrays(resampler.resample(None))

    def _frames(self) -> Iterator[av.AudioFrame]:
        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                except (av.error.FFmpegError, ValueError, UnicodeDecodeError):
                    continue
        except (av.error.FFmpegError, ValueError, OSError, OverflowError):
            return  # the demuxer can go no further; whether that is the end is judged by the length


class _Nameless:
    """Only what FFmpeg needs of a file: with a name, it would guess the format (and more) from it."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


def _arrays(frames: list[av.AudioFrame]) -> Iterator[Audio]:
    for frame in frames:
        pcm = frame.to_ndarray().reshape(-1)
        if len(pcm):
            yield pcm.astype(np.float32) / 32768.0
