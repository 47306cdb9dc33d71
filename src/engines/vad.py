"""Silero voice activity detection, as shipped with faster-whisper, on audio that arrives in blocks.

faster-whisper runs it over a whole file in memory; here the recurrent state and the last few samples are
carried from block to block, which gives the same probabilities. The network is rewritten in `silero.py`.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.engines.base import Audio
from src.engines.silero import CONTEXT, FRAME, rewritten

STATE = (1, 1, 128)
"""Shape of each of its two recurrent states."""

Probabilities = NDArray[np.float32]
"""Probability of speech in each frame, shape (frames,)."""


@lru_cache(maxsize=1)
def _session() -> Any:
    """The network, 2 MB. ONNX Runtime sessions may be run from several threads at once."""
    import onnxruntime
    from faster_whisper.utils import get_assets_path

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    network = rewritten(Path(get_assets_path()) / "silero_vad_v6.onnx")
    return onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"], sess_options=options)


def load() -> None:
    """Import the packages and load the network ahead of the first audio. Blocking."""
    _session()


class SpeechDetector:
    """Probability of speech in one stream of 16 kHz audio."""

    def __init__(self) -> None:
        self._session = _session()
        self._h = np.zeros(STATE, np.float32)
        self._c = np.zeros(STATE, np.float32)
        self._context = np.zeros(CONTEXT, np.float32)
        self._rest = np.zeros(0, np.float32)

    def push(self, block: Audio) -> Probabilities:
        """Probabilities of the frames that are whole now; what is left over waits for the next block."""
        audio = np.concatenate([self._rest, block])
        frames = len(audio) // FRAME
        self._rest = audio[frames * FRAME :]
        return self._run(audio[: frames * FRAME])

    def finish(self) -> Probabilities:
        """The probability of the last frame, filled up with silence, if samples are left over."""
        if not len(self._rest):
            return np.zeros(0, np.float32)
        last = np.pad(self._rest, (0, FRAME - len(self._rest)))
        self._rest = self._rest[:0]
        return self._run(last)

    def _run(self, audio: Audio) -> Probabilities:
        if not len(audio):
            return np.zeros(0, np.float32)
        frames = audio.reshape(-1, FRAME)
        before = np.concatenate([self._context[None], frames[:-1, -CONTEXT:]])
        self._context = frames[-1, -CONTEXT:].copy()
        fed = {"input": np.concatenate([before, frames], axis=1), "h": self._h, "c": self._c}
        probabilities, self._h, self._c = self._session.run(None, fed)
        return np.asarray(probabilities, np.float32).reshape(-1)
