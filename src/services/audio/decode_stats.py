"""Counts what was decoded of a file, to find out whether the file is complete."""

from contextlib import suppress

import av
from av.audio.stream import AudioStream

from src.errors import NotAudio

_COUNTED = {"aiff", "au", "flac", "tta", "wv", "ape"}
"""Containers whose header has the number of samples."""
_JUDGED = {"wav", "au", "caf", "ogg"}
"""Containers where a short last packet does not matter: `truncation.py` checks their framing."""
_BARE = {"mp3", "aac", "flac", "ac3", "eac3"}
"""Formats without a container. Tags and other bytes after the last frame look like a damaged packet."""
_MARKS = (b"\xff", b"\x0b\x77")
"""First bytes of a frame in these formats."""
_SPARE_PACKETS = 100_000
_PACKETS_PER_SECOND = 4_000
"""Maximum number of packets per second of audio. The shortest packets in use have 2.5 ms."""
_SLACK_SECONDS = 0.02
_MP3_SLACK_SECONDS = 0.1
"""Seconds that may be missing from an MP3: some encoders count the tag itself as a frame."""


class DecodeStats:
    """Counts packets and seconds of one track.

    Args:
        container: FFmpeg's name of the container.
        stream: the track.
        counted: whether the header has the number of samples, whatever the container.
    """

    def __init__(self, container: str, stream: AudioStream, counted: bool) -> None:
        self._container = container
        self._codec = stream.codec_context.name
        self._claimed = 0.0
        if (counted or container in _COUNTED) and stream.duration and stream.time_base:
            self._claimed = float(stream.duration * stream.time_base)
        self._seconds = self._reached = self._longest = 0.0
        self._packets = self._damaged = 0
        self._last: av.Packet[AudioStream] | None = None
        self._last_damaged = False

    def packet(self, packet: "av.Packet[AudioStream]") -> None:
        """Count a packet that is about to be decoded."""
        if packet.size:
            self._packets += 1
            self._last, self._last_damaged = packet, False
            if self._packets > _SPARE_PACKETS + _PACKETS_PER_SECOND * self._seconds:
                raise NotAudio("the file has many packets and next to no audio in them")

    def damaged(self) -> None:
        """Count the packet as damaged: it could not be decoded."""
        self._damaged += 1
        self._last_damaged = True

    def frame(self, frame: av.AudioFrame) -> None:
        """Count a frame of the packet."""
        seconds = frame.samples / frame.sample_rate
        self._seconds += seconds
        self._reached = max(self._seconds, (frame.time or 0.0) + seconds)
        self._longest = max(self._longest, seconds)

    def check_end(self) -> str | None:
        """What is missing at the end; None if the file seems complete.

        Raises:
            NotAudio: there was no audio, or almost nothing could be decoded.
        """
        if self._seconds == 0:
            raise NotAudio("the file holds no audio that can be decoded")
        if self._damaged > self._packets / 2:
            raise NotAudio(
                f"the audio is damaged: {self._damaged} of {self._packets} packets cannot be decoded"
            )
        slack = _MP3_SLACK_SECONDS if self._container == "mp3" else _SLACK_SECONDS
        # skipped packets are missing as well, but that does not mean that the file is cut off
        expected = self._claimed - self._damaged * self._longest - slack
        if self._reached < expected:
            return f"it should hold {self._claimed:.1f} s of audio, but {self._seconds:.1f} s are there"
        if self._last is not None and self._ends_within(self._last):
            return f"its last frame, at {self._seconds:.1f} s, is not complete"
        return None

    def _ends_within(self, last: "av.Packet[AudioStream]") -> bool:
        if self._container in _BARE:
            begun = bytes(last).startswith(_MARKS)
            return begun and (self._last_damaged or (self._container == "mp3" and not self._complete(last)))
        return self._last_damaged or (last.is_corrupt and self._container not in _JUDGED)

    def _complete(self, last: "av.Packet[AudioStream]") -> bool:
        # the MP3 decoder plays half a frame without an error; the parser knows how long a frame must be
        with suppress(av.error.FFmpegError, ValueError):
            return bool(av.CodecContext.create(self._codec, "r").parse(bytes(last)))
        return True
