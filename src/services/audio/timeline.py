"""Positions of a track's frames in the file, as a player shows them.

A track may begin later than the video, e.g. if the microphone was switched on late. It may have gaps, because
recorders leave out pauses and packets get lost. A player plays silence there. So silence is inserted here,
and the times of the transcript match the player's.
"""

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

_TIMED = frozenset({"matroska", "mov", "mpegts", "mpeg", "flv", "asf", "ogg", "nut"})
"""Containers whose packets have times. In others, the time is that of the decoded audio."""
_FROM_ZERO = frozenset({"matroska", "mov"})
"""Containers whose time begins at zero, whatever the first packet's time is."""
_HOLE_SECONDS = 0.25
"""Minimum length of a gap in seconds, if no packet was lost. Shorter ones are jitter."""
_JITTER_SECONDS = 0.01
"""Minimum length of a gap in seconds where a packet was lost."""
_MAX_HOLE_SECONDS = 3600.0
_MAX_OFFSET_SECONDS = 60.0
"""Seconds. A start later than this and than the file's length is that of a live stream joined late."""
_SLACK_SECONDS = 1.0


class Timeline:
    """Computes how much silence belongs before each frame.

    Times that the container's length rules out are ignored, so that a single wrong number in a file cannot
    claim hours of silence.

    Args:
        container: the open container.
        stream: the track.
        max_seconds: maximum seconds of audio; used as the length of a file that does not give its own.
    """

    def __init__(self, container: InputContainer, stream: AudioStream, max_seconds: float) -> None:
        names = set(container.format.name.split(","))
        start = (container.start_time or 0) / av.time_base
        length = (container.duration or 0) / av.time_base
        self._timed = bool(names & _TIMED)
        begins_at_zero = names & _FROM_ZERO and start <= max(length, _MAX_OFFSET_SECONDS)
        self._origin = min(start, 0.0) if begins_at_zero else start
        self._end = start + length - self._origin + _SLACK_SECONDS if length else max_seconds
        self._time_base = stream.time_base
        self._position = 0.0
        self._lost = 0.0

    @property
    def position(self) -> float:
        """Seconds of audio and silence so far."""
        return self._position

    def lost(self, seconds: float) -> None:
        """Report that a packet of `seconds` could not be decoded."""
        self._lost += seconds

    def silence_before(self, frame: av.AudioFrame | None) -> float:
        """Seconds of silence before the frame; None: before the end of the file."""
        lost, self._lost = self._lost, 0.0
        silence = 0.0 if self._timed and frame is not None else lost
        if self._timed and frame is not None and frame.pts is not None and self._time_base:
            hole = float(frame.pts * self._time_base) - self._origin - self._position
            end = self._position + hole + frame.samples / frame.sample_rate
            least = _JITTER_SECONDS if lost else _HOLE_SECONDS
            if least <= hole <= _MAX_HOLE_SECONDS and end <= self._end:
                silence = hole
            elif abs(hole) > _HOLE_SECONDS:  # time begins anew
                self._origin += hole
        self._position += silence
        if frame is not None:
            self._position += frame.samples / frame.sample_rate
        return silence
