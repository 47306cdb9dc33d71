"""Streamed MP3 without the silence that the encoder adds.

An MP3 encoder adds about 50 ms of silence in front and pads its last frames. Players trim that if the first
frame has an Info tag, but FFmpeg's muxer writes a complete tag only if it can seek back at the end. So the
tag is written here with the delay, which is known at the start, and without the length. Frames that hold only
padding are left out, so that less than one frame of it remains at the end.
"""

import math
import struct

import av

from src.services.audio.writers import Pcm, frame_of

MP3_BIT_RATE = "96k"

_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_ENCODER_DELAY = 576
"""Number of samples that LAME adds in front; part of the tag."""
_DECODER_DELAY = 528 + 1
"""Number of samples that every decoder adds. Players take it into account."""
_HAS_SIZE = 0x2
_SIZE_UNKNOWN = 0x7FFFFFFF
"""Size in the tag. Some players (FFmpeg, thus Chrome) play a tag without length and size as sound."""
_VERSION_1, _MONO_SIDE_INFORMATION = 0b11, {True: 17, False: 9}


def mp3_rate(sample_rate: int) -> int:
    """The lowest rate (Hz) of MP3 that loses nothing of `sample_rate`; at most 48 kHz."""
    return next((rate for rate in _RATES if rate >= sample_rate), _RATES[-1])


class Mp3Stream:
    """MP3 frames, the first with an Info tag that tells the encoder's delay.

    Args:
        sample_rate: Hz of the samples.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._rate = mp3_rate(sample_rate)
        self._codec = av.CodecContext.create("libmp3lame", "w")
        self._codec.sample_rate = self._rate
        self._codec.layout = "mono"
        self._codec.format = "s16p"
        self._codec.options = {"b": MP3_BIT_RATE}
        self._samples = self._frames = 0

    def write(self, pcm: Pcm) -> bytes:
        frame = frame_of(pcm, self._sample_rate, self._samples)
        self._samples += len(pcm)
        return self._take(frame)

    def finish(self) -> bytes:
        return self._take(None) if self._samples else b""

    def _take(self, frame: av.AudioFrame | None) -> bytes:
        parts: list[bytes] = []
        packets = self._codec.encode(frame)
        if frame is None:
            samples = math.ceil(self._samples * self._rate / self._sample_rate)
            needed = math.ceil((samples + _ENCODER_DELAY + _DECODER_DELAY) / self._codec.frame_size)
            packets = packets[: max(0, needed - self._frames)]
        for packet in packets:
            data = bytes(packet)
            if self._frames == 0:
                parts.append(_info_frame(data))
            self._frames += 1
            parts.append(data)
        return b"".join(parts)


def _info_frame(frame: bytes) -> bytes:
    """A frame of silence like `frame`, with an Info tag in place of sound.

    The layout is LAME's (`mp3 info tag rev 1`).
    """
    header = frame[:4]
    is_version_1 = header[1] >> 3 & 0b11 == _VERSION_1
    begin = header + bytes(_MONO_SIDE_INFORMATION[is_version_1])
    tag = struct.pack(">4sII", b"Info", _HAS_SIZE, _SIZE_UNKNOWN)
    # version, revision and method, low-pass, peak, two gains, flags, bit rate: not said
    tag += b"LAME".ljust(9) + bytes(1 + 1 + 4 + 2 + 2 + 1 + 1)
    tag += (_ENCODER_DELAY << 12).to_bytes(3)
    # misc, gain, preset, length and checksum of the music: not said
    tag += bytes(1 + 1 + 2 + 4 + 2)
    whole = begin + tag
    whole += _crc16(whole).to_bytes(2)
    return whole.ljust(len(frame), b"\0")


def _crc16(data: bytes) -> int:
    """CRC-16/ARC."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
