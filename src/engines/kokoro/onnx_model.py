"""Kokoro on onnxruntime, for a CPU."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from src.engines.base import Audio
from src.engines.kokoro.durations import DURATIONS, with_durations


class OnnxModel:
    """See `SpeechModel`.

    Args:
        file: the ONNX file.
        threads: of one call.
    """

    device = "cpu"
    compute_type = "int8"

    def __init__(self, file: Path, threads: int) -> None:
        import onnxruntime
        from kokoro_onnx.config import DEFAULT_VOCAB
        from kokoro_onnx.session import embedded_vocab, input_dtypes

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        model = with_durations(file.read_bytes())
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._types = input_dtypes(self._session)
        # older exports name the phonemes "tokens", newer ones "input_ids"
        self._tokens = "input_ids" if "input_ids" in self._types else "tokens"
        self.vocabulary: Mapping[str, int] = embedded_vocab(self._session) or DEFAULT_VOCAB

    def speak(self, tokens: Sequence[int], style: Audio) -> tuple[Audio, Audio | None]:
        """See `SpeechModel`."""
        inputs = {
            self._tokens: np.array([[0, *tokens, 0]], self._types[self._tokens]),
            "style": style.astype(self._types["style"]),
            "speed": np.ones(1, self._types["speed"]),
        }
        made = dict(zip(self._outputs, self._session.run(None, inputs), strict=True))
        return np.asarray(made[self._outputs[0]], np.float32).ravel(), made.get(DURATIONS)
