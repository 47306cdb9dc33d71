"""The generator as a part of the ONNX graph, run by onnxruntime."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.engines.base import Audio
from src.engines.kokoro.frames import Frames, Statistics
from src.engines.kokoro.graph import FRAMES, HARMONICS, STYLE, USE_GIVEN, given, own


def session(content: bytes, threads: int) -> Any:
    """A session of onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # otherwise its threads look for work for a while after a call, on the cores that the generator needs then
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(
    opened: Any, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[np.float32]]:
    """Outputs of a session by name, as float32."""
    made = opened.run(list(outputs), dict(inputs))
    return {name: np.asarray(value, np.float32) for name, value in zip(outputs, made, strict=True)}


class OnnxGenerator:
    """See `FrameGenerator`.

    Args:
        content: `graph.Parts.generator`.
        statistics: `graph.Parts.statistics`.
        threads: of a call.
    """

    def __init__(self, content: bytes, statistics: Sequence[str], threads: int) -> None:
        self._session = session(content, threads)
        self._statistics = tuple(statistics)
        self._audio: str = self._session.get_outputs()[0].name
        self._none: Statistics = (np.zeros((1, 1, 1), np.float32),) * len(self._statistics)
        """In place of statistics that are not used."""

    def samples(self, frames: Frames, statistics: Statistics | None) -> Audio:
        """See `FrameGenerator`."""
        return run(self._session, [self._audio], self._inputs(frames, statistics))[self._audio].ravel()

    def samples_and_statistics(self, frames: Frames) -> tuple[Audio, Statistics]:
        """See `FrameGenerator`."""
        outputs = [self._audio, *map(own, self._statistics)]
        made = run(self._session, outputs, self._inputs(frames, None))
        return made[self._audio].ravel(), tuple(made[own(name)] for name in self._statistics)

    def close(self) -> None:
        """See `FrameGenerator`."""

    def _inputs(self, frames: Frames, statistics: Statistics | None) -> dict[str, NDArray[Any]]:
        values = self._none if statistics is None else statistics
        return {
            FRAMES: frames.frames,
            HARMONICS: frames.harmonics,
            STYLE: frames.style,
            USE_GIVEN: np.array([statistics is not None]),
            **{given(name): value for name, value in zip(self._statistics, values, strict=True)},
        }
