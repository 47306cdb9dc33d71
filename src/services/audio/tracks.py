"""Chooses the audio track with sound among several.

Screen recorders often write a silent first track and a second one with the microphone.
"""

from collections.abc import Iterator, Sequence

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from src.engines.base import STT_SAMPLE_RATE
from src.services.audio.mixdown import Resampler, power

_WEAK = 0.01
"""Minimum power of the default track as a share of the loudest one's. Below it, the loudest is chosen."""
_SILENT = 1e-6
"""Mean power (-60 dB) below which a track is silent."""
_ENOUGH_SECONDS = 30.0
"""Seconds of the file after which the first track with sound is chosen."""


class TrackMeter:
    """Measures the power of each track, in one pass over the file until one of them has sound.

    Args:
        container: a container opened for this purpose; it is read from its present position.
        streams: the tracks, the default one first.
    """

    def __init__(self, container: InputContainer, streams: Sequence[AudioStream]) -> None:
        self._container = container
        self._streams = streams
        self._energy = dict.fromkeys((stream.index for stream in streams), 0.0)
        self._samples = dict.fromkeys(self._energy, 0)

    def measure(self) -> Iterator[float]:
        """Read the tracks, and yield at times the seconds that were read. Errors end it."""
        resamplers = {stream.index: Resampler() for stream in self._streams}
        told = 0
        try:
            for packet in self._container.demux(list(self._streams)):
                index = packet.stream.index
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    continue
                for frame in frames:
                    if not isinstance(frame, av.AudioFrame):
                        continue
                    for samples in resamplers[index].push(frame):
                        self._energy[index] += power(samples) * len(samples)
                        self._samples[index] += len(samples)
                longest = max(self._samples.values())
                if longest - told >= STT_SAMPLE_RATE:
                    told = longest
                    yield longest / STT_SAMPLE_RATE
                    if longest >= _ENOUGH_SECONDS * STT_SAMPLE_RATE and max(self._powers()) > _SILENT:
                        return
        except Exception:
            return

    def chosen(self) -> AudioStream:
        """The default track; if that is far weaker than the loudest one, the loudest."""
        powers = self._powers()
        loudest = max(range(len(powers)), key=powers.__getitem__)
        return self._streams[loudest if powers[0] < _WEAK * powers[loudest] else 0]

    def _powers(self) -> list[float]:
        return [self._energy[index] / max(1, self._samples[index]) for index in self._energy]
