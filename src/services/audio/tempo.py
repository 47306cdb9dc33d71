"""Faster or slower speech at the same pitch: FFmpeg's `atempo` (waveform-similarity overlap-add)."""

from fractions import Fraction

import av
import av.error
import av.filter
import numpy as np

from src.engines.base import Audio


class Tempo:
    """Changes the rate of speech of a stream of samples.

    Args:
        sample_rate: Hz.
        speed: 0.5 to 2; at 1 the samples pass through untouched.
    """

    def __init__(self, sample_rate: int, speed: float) -> None:
        self._sample_rate = sample_rate
        self._at = 0
        self._graph = None if speed == 1.0 else self._make_graph(speed)

    def _make_graph(self, speed: float) -> av.filter.Graph:
        graph = av.filter.Graph()
        source = graph.add_abuffer(
            sample_rate=self._sample_rate,
            format="flt",
            layout="mono",
            time_base=Fraction(1, self._sample_rate),
        )
        tempo = graph.add("atempo", f"{speed:.4f}")
        sink = graph.add("abuffersink")
        source.link_to(tempo)
        tempo.link_to(sink)
        graph.configure()
        return graph

    def push(self, audio: Audio) -> Audio:
        """Samples that are ready after these; what is missing comes later."""
        if self._graph is None or not len(audio):
            return audio
        frame = av.AudioFrame.from_ndarray(audio.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = self._sample_rate
        frame.time_base = Fraction(1, self._sample_rate)
        frame.pts = self._at
        self._at += len(audio)
        self._graph.push(frame)
        return self._pull(self._graph)

    def finish(self) -> Audio:
        """The last samples."""
        if self._graph is None or self._at == 0:
            return np.zeros(0, np.float32)
        self._graph.push(None)
        return self._pull(self._graph)

    @staticmethod
    def _pull(graph: av.filter.Graph) -> Audio:
        parts = [np.zeros(0, np.float32)]
        while True:
            try:
                frame = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return np.concatenate(parts)
            parts.append(frame.to_ndarray().reshape(-1).astype(np.float32, copy=False))
