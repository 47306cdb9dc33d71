"""Kokoro on onnxruntime, for a CPU: whole sentences, or their frames and then their sound in slices."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.engines.base import Audio
from src.engines.kokoro.durations import DURATIONS, with_durations
from src.engines.kokoro.graph import FRAMES, HARMONICS, STYLE, USE_GIVEN, cut, given, own

log = logging.getLogger(__name__)

FRAME_SAMPLES = 300
"""Samples of a frame of the decoder: 80 frames a second."""
_FRAME_HARMONICS = 60
CONTEXT = 5
"""Frames on either side of a slice that its samples depend on, by the convolutions of the generator.

By their widths there are seven; with more than four, samples were no nearer to those of the whole sentence.
"""

Statistics = tuple[Audio, ...]
"""Mean and variance of each channel over time, wherever the generator normalises: shape (1, channels, 1)."""


@dataclass(frozen=True, slots=True)
class Frames:
    """What the front of the model makes of a sentence."""

    frames: Audio
    """Shape (1, 512, frames)."""
    harmonics: Audio
    """Shape (1, 22, 60 x frames + 1)."""
    style: Audio
    """Shape (1, 256)."""
    durations: Audio
    """Duration of each symbol; see `durations.py`."""

    def __len__(self) -> int:
        """Number of frames."""
        return int(self.frames.shape[2])


class OnnxModel:
    """See `SpeechModel`.

    Args:
        file: the ONNX file. An export whose graph cannot be cut speaks whole sentences alone.
        threads: of one call.
    """

    device = "cpu"
    compute_type = "int8"

    def __init__(self, file: Path, threads: int) -> None:
        from kokoro_onnx.config import DEFAULT_VOCAB
        from kokoro_onnx.session import embedded_vocab, input_dtypes

        self._statistics: tuple[str, ...] = ()
        self._generator: Any = None
        content = file.read_bytes()
        try:
            parts = cut(content)
        except ValueError as error:
            log.info("%s speaks whole sentences only: %s", file, error)
            self._front = _session(with_durations(content), threads)
        else:
            self._front, self._generator = _session(parts.front, threads), _session(parts.generator, threads)
            self._statistics = parts.statistics
        self._audio: str = (self._generator or self._front).get_outputs()[0].name
        self._outputs: list[str] = [output.name for output in self._front.get_outputs()]
        self._types = input_dtypes(self._front)
        # older exports name the phonemes "tokens", newer ones "input_ids"
        self._tokens = "input_ids" if "input_ids" in self._types else "tokens"
        self.vocabulary: Mapping[str, int] = embedded_vocab(self._front) or DEFAULT_VOCAB
        self._none: Statistics = (np.zeros((1, 1, 1), np.float32),) * len(self._statistics)
        """Placeholders for statistics that are not used."""

    @property
    def makes_slices(self) -> bool:
        """Whether `frames`, `slice` and `speak_with_statistics` can be called."""
        return self._generator is not None

    def speak(self, tokens: Sequence[int], style: Audio) -> tuple[Audio, Audio | None]:
        """See `SpeechModel`."""
        if self._generator is None:
            made = _run(self._front, self._outputs, self._inputs(tokens, style))
            return made[self._audio].ravel(), made.get(DURATIONS)
        frames = self.frames(tokens, style)
        return self._generate(frames, 0, len(frames), None), frames.durations

    def frames(self, tokens: Sequence[int], style: Audio) -> Frames:
        """The frames of a whole sentence, of which `slice` makes sound."""
        made = _run(self._front, self._outputs, self._inputs(tokens, style))
        return Frames(made[FRAMES], made[HARMONICS], style, made[DURATIONS])

    def slice(self, frames: Frames, begin: int, end: int, statistics: Statistics) -> Audio:
        """Samples of the frames from `begin` to `end` of a sentence, and of `CONTEXT` frames around them.

        Args:
            statistics: what the frames are normalised with.

        Returns:
            Samples from those of the frame max(0, begin - CONTEXT) on.
        """
        first, last = max(0, begin - CONTEXT), min(len(frames), end + CONTEXT)
        return self._generate(frames, first, last, statistics)

    def speak_with_statistics(self, tokens: Sequence[int], style: Audio) -> tuple[Audio, Statistics]:
        """A whole sentence, and the statistics that it is normalised with."""
        frames = self.frames(tokens, style)
        outputs = [self._audio, *map(own, self._statistics)]
        made = _run(self._generator, outputs, self._generator_inputs(frames, 0, len(frames), None))
        return made[self._audio].ravel(), tuple(made[own(name)] for name in self._statistics)

    def _generate(self, frames: Frames, first: int, last: int, statistics: Statistics | None) -> Audio:
        inputs = self._generator_inputs(frames, first, last, statistics)
        return _run(self._generator, [self._audio], inputs)[self._audio].ravel()

    def _generator_inputs(
        self, frames: Frames, first: int, last: int, statistics: Statistics | None
    ) -> dict[str, NDArray[Any]]:
        values = self._none if statistics is None else statistics
        return {
            FRAMES: frames.frames[:, :, first:last],
            HARMONICS: frames.harmonics[:, :, first * _FRAME_HARMONICS : last * _FRAME_HARMONICS + 1],
            STYLE: frames.style,
            USE_GIVEN: np.array([statistics is not None]),
            **{given(name): value for name, value in zip(self._statistics, values, strict=True)},
        }

    def _inputs(self, tokens: Sequence[int], style: Audio) -> dict[str, NDArray[Any]]:
        return {
            self._tokens: np.array([[0, *tokens, 0]], self._types[self._tokens]),
            STYLE: style.astype(self._types[STYLE]),
            "speed": np.ones(1, self._types["speed"]),
        }


def _run(session: Any, outputs: list[str], inputs: dict[str, NDArray[Any]]) -> dict[str, Audio]:
    made = session.run(outputs, inputs)
    return {name: np.asarray(value, np.float32) for name, value in zip(outputs, made, strict=True)}


def _session(content: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
