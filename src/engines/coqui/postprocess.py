"""What is done to the samples of a sentence after the vocoder, as in Coqui's `Synthesizer.tts`."""

from typing import Any

import numpy as np

from src.engines.base import Audio
from src.engines.coqui.loading import Networks


def postprocess(samples: Audio, networks: Networks) -> Audio:
    """The vocoder's samples (n,), clipped to [-1, 1], without silence at the end if the config wants that."""
    if networks.trims_silence:
        samples = samples[: end_of_speech(samples, networks.model.ap)]
    return np.clip(np.asarray(samples, np.float32), -1.0, 1.0)


def end_of_speech(samples: Audio, audio: Any) -> int:
    """Index of the sample at which trailing silence is cut.

    It is that of Coqui's `AudioProcessor.find_endpoint`, but in the last long pause: Coqui cuts in the first.

    Args:
        samples: shape (n,).
        audio: the speech model's `AudioProcessor`, which defines silence.
    """
    window = int(audio.sample_rate * 0.8)
    hop = window // 4
    loud = np.flatnonzero(samples >= audio.base ** (-audio.trim_db / audio.spec_gain))
    last = int(loud[-1]) if len(loud) else -1
    silent = (start for start in range(hop, len(samples) - window, hop) if start > last)
    start = next(silent, None)
    return len(samples) if start is None else start + hop
