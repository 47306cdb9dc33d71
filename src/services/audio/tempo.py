"""Faster or slower speech at the same pitch: FFmpeg's `atempo` (waveform-similarity overlap-add)."""

from fractions import Fraction

import av
import av.error
import av.filter
import numpy as np

from src.engines.base import Audio

_FILLING_SECONDS = 0.25
"""Seconds of silence that are added at the end: more than two of `atempo`'s windows."""
_LEAST, _MOST = 0.5, 2.0
"""What one `atempo` does well: it knows no lower rate, and at a higher one it leaves samples out."""


class Tempo:
    """Changes the rate of speech of a stream of samples.

    Args:
        sample_rate: Hz.
        speed: 0.25 to 4; at 1 the samples pass through untouched.
    """

    def __init__(self, sample_rate: int, speed: float) -> None:
        self._sample_rate = sample_rate
        self._speed = speed
        self._at = self._given = 0
        self._parts = [speed] if _LEAST <= speed <= _MOST else [speed**0.5] * 2
        self._graph = None if speed == 1.0 else self._make_graph()

    def _make_graph(self) -> av.filter.Graph:
        graph = av.filter.Graph()
        source = graph.add_abuffer(
            sample_rate=self._sample_rate,
            format="flt",
            layout="mono",
            time_base=Fraction(1, self._sample_rate),
        )
        sink = graph.add("abuffersink")
        before = source
        for part in self._parts:
            tempo = graph.add("atempo", f"{part:.6f}")
            before.link_to(tempo)
            before = tempo
        before.link_to(sink)
        graph.configure()
        return graph

    def push(self, audio: Audio) -> Audio:
        """The samples that are ready after these. The others come later."""
        if self._graph is None or not len(audio):
            return audio
        ready = self._through(self._graph, audio)
        self._at += len(audio)
        self._given += len(ready)
        return ready

    def finish(self) -> Audio:
        """The last samples. The total is then exactly 1 / `speed` of the samples that went in."""
        if self._graph is None or self._at == 0:
            return np.zeros(0, np.float32)
        # `atempo` drops samples that do not fill its last window: silence fills it, and is cut off again
        seconds = _FILLING_SECONDS * len(self._parts) * max(1.0, self._speed)
        filling = np.zeros(round(seconds * self._sample_rate), np.float32)
        ready = [self._through(self._graph, filling)]
        self._graph.push(None)
        ready.append(self._pull(self._graph))
        missing = max(0, round(self._at / self._speed) - self._given)
        rest = np.concatenate(ready)[:missing]
        return np.pad(rest, (0, missing - len(rest)))

    def _through(self, graph: av.filter.Graph, audio: Audio) -> Audio:
        frame = av.AudioFrame.from_ndarray(audio.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = self._sample_rate
        frame.time_base = Fraction(1, self._sample_rate)
        graph.push(frame)
        return self._pull(graph)

    @staticmethod
    def _pull(graph: av.filter.Graph) -> Audio:
        parts = [np.zeros(0, np.float32)]
        while True:
            try:
                frame = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return np.concatenate(parts)
            parts.append(frame.to_ndarray().reshape(-1).astype(np.float32, copy=False))
