"""Kokoro on a CPU: the ONNX file, cut in three (`graph.py`). onnxruntime runs the front and the source.

The generator, nine tenths of the graph's work, has its convolutions in oneDNN where the CPU has AVX2
(`generator/`): it has the graph's weights, and comes nearer to their sound in float32. Elsewhere, and for a
file whose weights are quantised in another way, onnxruntime runs it, too.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.engines import cpu
from src.engines.base import Audio
from src.engines.kokoro.durations import DURATIONS, with_durations
from src.engines.kokoro.frames import Decoded, FrameGenerator, Frames, Statistics, columns_of
from src.engines.kokoro.graph import CYCLES, FRAMES, HARMONICS, PITCH, STYLE, Parts, cut
from src.engines.kokoro.onnx_generator import OnnxGenerator, run, session

log = logging.getLogger(__name__)

CONTEXT = 5
"""Frames on either side of a slice that its samples depend on, by the convolutions of the generator.

By their widths there are seven; with more than four, samples were no nearer to those of the whole sentence.
"""
_SOURCE_CONTEXT = 1
"""Frames on either side that a frame's harmonics depend on."""


class OnnxModel:
    """See `SpeechModel`.

    Args:
        file: the ONNX file. An export whose graph cannot be cut speaks whole sentences alone.
        threads: of one call.
        compute_type: with `float32`, onnxruntime runs all of the graph.
    """

    device = "cpu"
    compute_type = "int8"

    def __init__(self, file: Path, threads: int, compute_type: str = "auto") -> None:
        from kokoro_onnx.config import DEFAULT_VOCAB
        from kokoro_onnx.session import embedded_vocab, input_dtypes

        self._source: Any = None
        self._generator: FrameGenerator | None = None
        content = file.read_bytes()
        try:
            parts = cut(content)
        except ValueError as error:
            log.info("%s speaks whole sentences only: %s", file, error)
            self._front = session(with_durations(content), threads)
        else:
            self._front = session(parts.front, threads)
            self._source = session(parts.source, threads)
            self._generator = _generator(content, parts, threads, compute_type)
        self._outputs: list[str] = [output.name for output in self._front.get_outputs()]
        self._types = input_dtypes(self._front)
        # older exports name the phonemes "tokens", newer ones "input_ids"
        self._tokens = "input_ids" if "input_ids" in self._types else "tokens"
        self.vocabulary: Mapping[str, int] = embedded_vocab(self._front) or DEFAULT_VOCAB

    @property
    def makes_slices(self) -> bool:
        """Whether `decode`, `frames`, `slice` and `speak_with_statistics` can be called."""
        return self._generator is not None

    def speak(self, tokens: Sequence[int], style: Audio) -> tuple[Audio, Audio | None]:
        """See `SpeechModel`."""
        if self._generator is None:
            made = run(self._front, self._outputs, self._inputs(tokens, style))
            return made[self._outputs[0]].ravel(), made.get(DURATIONS)
        decoded = self.decode(tokens, style)
        return self._generator.samples(self.frames(decoded), None), decoded.durations

    def decode(self, tokens: Sequence[int], style: Audio) -> Decoded:
        """What the front makes of a whole sentence, and `slice` makes sound of."""
        made = run(self._front, self._outputs, self._inputs(tokens, style))
        return Decoded(made[FRAMES], made[PITCH], style, made[DURATIONS])

    def frames(self, decoded: Decoded, first: int = 0, last: int | None = None) -> Frames:
        """What the generator makes sound of.

        Args:
            first: the first frame.
            last: the frame behind the last one; None: the end.
        """
        last = len(decoded) if last is None else last
        begin, end = max(0, first - _SOURCE_CONTEXT), min(len(decoded), last + _SOURCE_CONTEXT)
        inputs = {PITCH: decoded.pitch[:, begin:end], CYCLES: decoded.cycles_before(begin)}
        harmonics = run(self._source, [HARMONICS], inputs)[HARMONICS]
        return Frames(
            decoded.frames[:, :, first:last],
            columns_of(harmonics, first - begin, last - begin),
            decoded.style,
        )

    def slice(self, decoded: Decoded, begin: int, end: int, statistics: Statistics) -> Audio:
        """Samples of the frames from `begin` to `end` of a sentence, and of `CONTEXT` frames around them.

        Args:
            statistics: what the frames are normalised with.

        Returns:
            Samples from those of the frame max(0, begin - CONTEXT) on.
        """
        first, last = max(0, begin - CONTEXT), min(len(decoded), end + CONTEXT)
        return self._cut_generator.samples(self.frames(decoded, first, last), statistics)

    def speak_with_statistics(self, tokens: Sequence[int], style: Audio) -> tuple[Audio, Statistics]:
        """A whole sentence, and the statistics that it is normalised with."""
        return self._cut_generator.samples_and_statistics(self.frames(self.decode(tokens, style)))

    def close(self) -> None:
        """See `SpeechModel`."""
        if self._generator is not None:
            self._generator.close()

    @property
    def _cut_generator(self) -> FrameGenerator:
        if self._generator is None:
            raise RuntimeError("this model speaks whole sentences only")
        return self._generator

    def _inputs(self, tokens: Sequence[int], style: Audio) -> dict[str, NDArray[Any]]:
        return {
            self._tokens: np.array([[0, *tokens, 0]], self._types[self._tokens]),
            STYLE: style.astype(self._types[STYLE]),
            "speed": np.ones(1, self._types["speed"]),
        }


def _generator(content: bytes, parts: Parts, threads: int, compute_type: str) -> FrameGenerator:
    if compute_type != "float32" and cpu.in_use("oneDNN") >= cpu.Level.AVX2:
        from src.engines.kokoro.generator import OneDnnGenerator

        try:
            return OneDnnGenerator(content, parts.statistics, threads)
        except ValueError as problem:
            log.warning("onnxruntime runs all of Kokoro, which takes longer: %s", problem)
    return OnnxGenerator(parts.generator, parts.statistics, threads)
