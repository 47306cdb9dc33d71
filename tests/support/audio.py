"""Small audio files for tests, written with PyAV or by hand."""

import io
import struct
from collections.abc import Sequence
from typing import Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream

from src.engines.base import Audio
from src.services.audio import AudioSource

KINDS: dict[str, tuple[int, str, str, str, bool]] = {
    "wav 8 bit": (16_000, "wav", "pcm_u8", "mono", False),
    "wav 16 bit": (22_050, "wav", "pcm_s16le", "mono", False),
    "wav 32 bit": (16_000, "wav", "pcm_s32le", "stereo", False),
    "wav 24 bit stereo": (44_100, "wav", "pcm_s24le", "stereo", False),
    "wav float": (48_000, "wav", "pcm_f32le", "mono", False),
    "wav telephone": (8_000, "wav", "pcm_mulaw", "mono", False),
    "mp3": (22_050, "mp3", "libmp3lame", "mono", False),
    "mp3 stereo": (44_100, "mp3", "libmp3lame", "stereo", False),
    "opus": (48_000, "ogg", "libopus", "mono", False),
    "browser": (48_000, "webm", "libopus", "mono", False),
    "m4a": (44_100, "mp4", "aac", "stereo", False),
    "flac": (24_000, "flac", "flac", "mono", False),
    "ogg flac": (16_000, "ogg", "flac", "mono", False),
    "phone recorder": (8_000, "amr", "libopencore_amrnb", "mono", False),
    "phone film": (8_000, "3gp", "libopencore_amrnb", "mono", False),
    "aac": (16_000, "adts", "aac", "mono", False),
    "mp2": (16_000, "mp2", "mp2", "mono", False),
    "au": (16_000, "au", "pcm_s16be", "mono", False),
    "caf": (16_000, "caf", "pcm_s16le", "mono", False),
    "wave64": (16_000, "w64", "pcm_s16le", "mono", False),
    "true audio": (16_000, "tta", "tta", "mono", False),
    "wavpack": (16_000, "wv", "wavpack", "mono", False),
    "quicktime": (48_000, "mov", "pcm_s16le", "stereo", False),
    "avi": (44_100, "avi", "libmp3lame", "stereo", True),
    "flash": (44_100, "flv", "aac", "mono", False),
    "transport stream": (48_000, "mpegts", "aac", "mono", False),
    "5.1": (48_000, "mp4", "aac", "5.1", False),
    "aiff": (32_000, "aiff", "pcm_s16be", "mono", False),
    "film": (44_100, "mp4", "aac", "mono", True),
    "matroska film": (48_000, "matroska", "ac3", "stereo", True),
}
"""Recording formats: name -> rate, container, codec, layout, whether there is video."""


def tone(seconds: float, rate: int = 16_000, frequency: float = 440.0, level: float = 0.4) -> Audio:
    """A sine, mono, with peaks at `level`."""
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def sweep(seconds: float, rate: int, low: float = 200.0, high: float = 1500.0) -> Audio:
    """A sine whose pitch and level rise. No two parts of it are equal, so a test sees shifts and gaps."""
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (low * time + (high - low) * time**2 / (2 * seconds))
    return ((0.2 + 0.4 * time / seconds) * np.sin(phase)).astype(np.float32)


def encoded(
    audio: Audio,
    rate: int,
    container: str,
    codec: str,
    layout: str = "mono",
    video: bool = False,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    **settings: Any,
) -> bytes:
    """A media file of `audio`, with a few black frames if `video`.

    `audio` is of shape (n,), the same in every channel, or (channels, n).
    """
    target = io.BytesIO()
    with av.open(target, "w", format=container, options={"fflags": "+bitexact"} | (options or {})) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout, options=codec_options, **settings)
        assert isinstance(stream, AudioStream)
        if video:
            pictures = output.add_stream("mpeg4", rate=10)
            pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
            for index in range(round(10 * audio.shape[-1] / rate)):
                picture = av.VideoFrame(32, 32, "yuv420p")
                picture.pts = index
                output.mux(pictures.encode(picture))
            output.mux(pictures.encode(None))
        channels = np.atleast_2d(audio)
        if len(channels) == 1:
            channels = np.repeat(channels, stream.codec_context.layout.nb_channels, axis=0)
        for start in range(0, audio.shape[-1], 4096):
            block = np.ascontiguousarray(channels[:, start : start + 4096])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate = rate
            frame.pts = start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()


def stereo(left: Audio, right: Audio, rate: int, container: str, codec: str) -> bytes:
    """A media file of two channels."""
    return encoded(np.stack([left, right]), rate, container, codec, "stereo")


def film(
    tracks: Sequence[Audio],
    container: str,
    *,
    codec: str = "aac",
    pictures: float = 0.0,
    offset: float = 0.0,
    hole: tuple[float, float] = (0.0, 0.0),
) -> bytes:
    """A file of several audio tracks of 48 kHz.

    Args:
        tracks: mono, of equal length.
        container: FFmpeg's name of the muxer.
        codec: of the sound.
        pictures: seconds of black frames, from the start.
        offset: seconds by which the sound begins later than the file.
        hole: where a gap in the audio begins and how long it is, in seconds. Later packets are delayed by it.
    """
    target = io.BytesIO()
    at, width = hole
    with av.open(target, "w", format=container) as output:
        streams = [cast("AudioStream", output.add_stream(codec, rate=48_000, layout="mono")) for _ in tracks]
        if pictures:
            video = output.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
            for index in range(round(10 * pictures)):
                picture = av.VideoFrame(32, 32, "yuv420p")
                picture.pts = index
                output.mux(video.encode(picture))
            output.mux(video.encode(None))

        def mux(found: list[Any]) -> None:
            for packet in found:
                time = float(packet.pts * packet.time_base)
                moved = offset + (width if time >= at and width else 0)
                packet.pts += round(moved / packet.time_base)
                packet.dts = packet.pts
                output.mux(packet)

        for start in range(0, len(tracks[0]), 4096):
            for stream, audio in zip(streams, tracks, strict=True):
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(audio[None, start : start + 4096]), format="fltp", layout="mono"
                )
                frame.sample_rate, frame.pts = 48_000, start
                mux(stream.encode(frame))
        for stream in streams:
            mux(stream.encode(None))
    return target.getvalue()


def tone_wav(seconds: float, rate: int = 16_000) -> bytes:
    """A WAV file of a sine."""
    return wav_of(tone(seconds, rate), rate)


def wav_of(audio: Audio, rate: int = 16_000, data_size: int | None = None) -> bytes:
    """16-bit mono WAV; `data_size` is what its header claims, if not the truth."""
    return wav_around(np.round(audio * 32767).astype("<i2").tobytes(), rate, data_size=data_size)


def wav_around(
    body: bytes, rate: int, channels: int = 1, *, tag: int = 1, bits: int = 16, data_size: int | None = None
) -> bytes:
    """A WAV header before `body`."""
    size = len(body) if data_size is None else data_size
    align = channels * bits // 8
    header = struct.pack("<HHIIHH", tag, channels % 65536, rate, (rate * align) % 2**32, align % 65536, bits)
    riff = (4 + 8 + len(header) + 8 + size) % 2**32 if data_size not in {0, 0xFFFFFFFF} else 0xFFFFFFFF
    return (
        b"RIFF"
        + struct.pack("<I", riff)
        + b"WAVEfmt "
        + struct.pack("<I", len(header))
        + header
        + b"data"
        + struct.pack("<I", size)
        + body
    )


def sound_of(source: AudioSource) -> Audio:
    """All audio of a source, in the form that engines take."""
    return np.concatenate(list(source.blocks())).astype(np.float32) / np.float32(32768)


def box(kind: bytes, *contents: bytes) -> bytes:
    """An ISO media (MP4) box."""
    body = b"".join(contents)
    return struct.pack(">I", 8 + len(body)) + kind + body


def decode(data: bytes) -> tuple[Audio, int]:
    """The file decoded as by a simple player: mono samples at the file's own rate, and that rate."""
    pieces: list[Audio] = []
    rate = 0
    with av.open(io.BytesIO(data), mode="r") as source:
        resampler = av.AudioResampler(format="flt", layout="mono")
        for frame in source.decode(audio=0):
            rate = frame.sample_rate
            frame.pts = None
            pieces.extend(part.to_ndarray()[0] for part in resampler.resample(frame))
        pieces.extend(part.to_ndarray()[0] for part in resampler.resample(None))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32), rate


def lag(reference: Audio, other: Audio, most: int) -> int:
    """Delay of `other` in samples, by correlation; at most `most`."""
    size = 1 << (len(reference) + len(other) + 2 * most).bit_length()
    spectrum = np.conj(np.fft.rfft(reference, size)) * np.fft.rfft(other, size)
    correlation = np.fft.irfft(spectrum, size)
    shifts: Sequence[int] = range(-most, most + 1)
    return max(shifts, key=lambda shift: float(correlation[shift]))
