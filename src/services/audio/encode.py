"""Encode speech as WAV, MP3, Opus or FLAC: the one place where audio bytes are made.

A stored file has a header that tells its exact length (WAV's sizes, MP3's Xing tag, FLAC's STREAMINFO), so
its bytes come out at the end, from a spool. A streamed one comes out as it is made, with a header that says
the length is unknown. Opus has no length in its header: it always comes out as it is made.

Every file, stored or streamed, decodes to the samples that were put in and no more, to within one frame of
the codec: what an encoder adds in front is trimmed by the player, as the header tells it to.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import numpy as np

from src.engines.base import Audio
from src.errors import StorageUnavailable
from src.services.audio.mp3 import MP3_BIT_RATE, Mp3Stream, mp3_rate
from src.services.audio.writers import Muxer, Spool, Wav, Writer

_CHUNK = 256 * 1024


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
    """Turns the audio of one answer into one mono file. The same samples make the same bytes.

    Samples are rounded to the nearest of 16 bits and cut at full scale. Nothing is dithered: bytes must be
    the same each time, and the noise of 16 bits lies 70 dB below speech.

    Blocking: run it in a thread, one at a time. An encoder that is dropped half-way leaves nothing behind.

    Args:
        format: of the file.
        sample_rate: Hz of what `encode` gets, and of the file if its format has it (Opus has 48 kHz only).
        streaming: hand bytes out as they are made.

    Raises:
        StorageUnavailable: by its methods; there is no room in the system's folder for temporary files.
    """

    def __init__(self, format: AudioFormat, sample_rate: int, streaming: bool) -> None:  # noqa: A002
        self._spool: Spool | None = None
        if not streaming and format is not AudioFormat.OPUS:
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
        """As `finish`, a few at a time: a long stored file need not be in memory as a whole."""
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


def _writer(format: AudioFormat, sample_rate: int, spool: Spool | None) -> Writer:  # noqa: A002
    rates = (sample_rate, sample_rate)
    match format:
        case AudioFormat.WAV:
            return Wav(sample_rate, spool)
        case AudioFormat.MP3 if spool is None:
            return Mp3Stream(sample_rate)
        case AudioFormat.MP3:
            rates = (sample_rate, mp3_rate(sample_rate))
            return Muxer("mp3", "libmp3lame", rates, spool, {"id3v2_version": "0"}, {"b": MP3_BIT_RATE})
        case AudioFormat.OPUS:
            # a page, the least that a player can start on, every 0.2 s
            options = {"page_duration": "200000"}
            codec_options = {"b": "40k", "application": "audio"}
            return Muxer("ogg", "libopus", (sample_rate, 48_000), spool, options, codec_options)
        case AudioFormat.FLAC:
            return Muxer("flac", "flac", rates, spool, {}, {})
