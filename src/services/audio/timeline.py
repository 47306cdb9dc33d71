"""Where the frames of a track stand in the file, as a player shows it.

A track may begin later than the film (a microphone that was switched on late), and may have holes: recorders
leave out pauses, and packets get lost. A player is silent there; so are we, and times hold.
"""

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

_TIMED = frozenset({"matroska", "mov", "mpegts", "mpeg", "flv", "asf", "ogg", "nut"})
"""Containers whose packets have times; in others, time is what has been decoded."""
_FROM_ZERO = frozenset({"matroska", "mov"})
"""Containers whose time begins at zero, whatever comes first."""
_HOLE_SECONDS = 0.25
"""A hole of less is jitter,"""
_JITTER_SECONDS = 0.01
"""unless a packet was lost there."""
_MAX_HOLE_SECONDS = 3600.0
_MAX_OFFSET_SECONDS = 60.0
"""A start later than this, and than the file is long, is that of a live stream which was joined late."""
_SLACK_SECONDS = 1.0


class Timeline:
    """Tells how much silence belongs before each frame.

    Times that the container's own length rules out are not followed: a file must not be able to claim hours
    of silence with one wild number.

    Args:
        container: opened.
        stream: the track.
        max_seconds: of audio that are allowed; how long a file may be that does not say it.
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
        """Seconds so far."""
        return self._position

    def lost(self, seconds: float) -> None:
        """A packet of so many seconds could not be decoded."""
        self._lost += seconds

    def silence_before(self, frame: av.AudioFrame | None) -> float:
        """Seconds of silence that belong before the next frame, or at the end (None)."""
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
