"""Encode speech as WAV, MP3, Opus, AAC, FLAC or bare PCM: the one place where audio bytes are made.

A stored file has a header that tells its exact length (WAV's sizes, MP3's Xing tag, FLAC's STREAMINFO), so
its bytes come out at the end, from a spool. A streamed one comes out as it is made, with a header that says
the length is unknown. Opus, AAC (in ADTS) and PCM have no length in a header: they always come out as made.

Every file, stored or streamed, decodes to the samples that were put in and no more, to within one frame of
the codec: what an encoder adds in front is trimmed by the player, as the header tells it to. ADTS alone has
no place to say so: its sound begins 1024 samples late.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from src.engines.base import Audio
from src.errors import StorageUnavailable
from src.services.audio.mp3 import MP3_BIT_RATE, Mp3Stream, mp3_rate
from src.services.audio.writers import Muxer, Spool, Wav, Writer

PCM_SAMPLE_RATE = 24_000
"""Hz of bare PCM, which cannot say it: OpenAI's clients take it for granted."""
_CHUNK = 256 * 1024


class AudioFormat(StrEnum):
    WAV = "wav"
    MP3 = "mp3"
    OPUS = "opus"
    AAC = "aac"
    """AAC in ADTS frames."""
    FLAC = "flac"
    PCM = "pcm"
    """Bare samples: 16 bits, little-endian, mono, 24 kHz whatever the voice has."""

    @property
    def content_type(self) -> str:
        return {
            "wav": "audio/wav",
            "mp3": "audio/mpeg",
            "opus": "audio/ogg",
            "aac": "audio/aac",
            "flac": "audio/flac",
            "pcm": "audio/pcm",
        }[self]

    @property
    def tells_length(self) -> bool:
        """Whether a stored file begins with its length."""
        return self in (AudioFormat.WAV, AudioFormat.MP3, AudioFormat.FLAC)

    @property
    def extension(self) -> str:
        return self.value


class Encoder:
    """Turns the audio of one answer into one mono file. The same samples make the same bytes.

    Samples are rounded to the nearest of 16 bits and cut at full scale. Nothing is dithered: bytes must be
    the same each time, and the noise of 16 bits lies 70 dB below speech.

    Blocking: run it in a thread, one at a time. An encoder that is dropped half-way leaves nothing behind.

    Args:
        format: of the file.
        sample_rate: Hz of what `encode` gets, and of the file if its format has it (Opus has 48 kHz only, PCM
            24 kHz).
        streaming: hand bytes out as they are made.

    Raises:
        StorageUnavailable: by its methods; there is no room in the system's folder for temporary files.
    """

    def __init__(self, format: AudioFormat, sample_rate: int, streaming: bool) -> None:  # noqa: A002
        self._spool: Spool | None = None
        if not streaming and format.tells_length:
            self._spool = Spool()
            weakref.finalize(self, self._spool.close)
        self._writer = _writer(format, sample_rate, self._spool)

    def encode(self, audio: Audio) -> bytes:
        """Bytes that are ready after these samples; maybe none.

        Args:
            audio: shape (n,), in [-1, 1].
        """
        if not len(audio):
            return b""
        with _spooling():
            return self._writer.write(np.rint(np.clip(audio, -1.0, 1.0) * 32767.0).astype(np.int16))

    def finish(self) -> bytes:
        """The last bytes; of a stored file, all of them."""
        return b"".join(self.finish_in_chunks())

    def finish_in_chunks(self) -> Iterator[bytes]:
        """What `finish` returns, in chunks: a long stored file need not be in memory as a whole."""
        with _spooling():
            last = self._writer.finish()
            if last:
                yield last
            if self._spool is not None:
                self._spool.seek(0)
                while chunk := self._spool.read(_CHUNK):
                    yield chunk
                self._spool.close()


@contextmanager
def _spooling() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageUnavailable(f"the audio cannot be kept while it is made: {reason}", 60) from error


@dataclass(frozen=True, slots=True)
class _Muxed:
    """How FFmpeg makes a format; the names and options are its own."""

    container: str
    codec: str
    rate: int | None = None
    """Hz of the file; None: that of the samples."""
    container_options: dict[str, str] = field(default_factory=dict)
    codec_options: dict[str, str] = field(default_factory=dict)


_MUXED = {
    AudioFormat.MP3: _Muxed(
        "mp3",
        "libmp3lame",
        container_options={"id3v2_version": "0"},
        codec_options={"b": MP3_BIT_RATE},
    ),
    AudioFormat.OPUS: _Muxed(
        "ogg",
        "libopus",
        48_000,
        # a page, the least that a player can start on, every 0.2 s
        container_options={"page_duration": "200000"},
        codec_options={"b": "40k", "application": "audio"},
    ),
    AudioFormat.AAC: _Muxed("adts", "aac", codec_options={"b": "64k"}),
    AudioFormat.FLAC: _Muxed("flac", "flac"),
    AudioFormat.PCM: _Muxed("s16le", "pcm_s16le", PCM_SAMPLE_RATE),
}


_AAC_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Hz that AAC has."""


def _writer(format: AudioFormat, sample_rate: int, spool: Spool | None) -> Writer:  # noqa: A002
    if format is AudioFormat.WAV:
        return Wav(sample_rate, spool)
    if format is AudioFormat.MP3 and spool is None:
        return Mp3Stream(sample_rate)
    muxed = _MUXED[format]
    rate = muxed.rate or sample_rate
    if format is AudioFormat.MP3:
        rate = mp3_rate(sample_rate)
    elif format is AudioFormat.AAC:
        rate = next((known for known in _AAC_RATES if known >= sample_rate), _AAC_RATES[-1])
    return Muxer(
        muxed.container,
        muxed.codec,
        (sample_rate, rate),
        spool,
        muxed.container_options,
        muxed.codec_options,
    )
