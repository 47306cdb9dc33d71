"""From the mel of a sentence to its samples, as `Synthesizer.tts` has them."""

from typing import Any

import numpy as np
import torch

from src.engines.base import Audio
from src.engines.coqui.loading import Networks


def finished(mel: torch.Tensor, networks: Networks) -> Audio:
    """Run the vocoder on a mel (frames, mels), and cut silence off the end if the config wants that."""
    if networks.vocoder is None:
        raise ValueError("the model makes no mel")
    samples = networks.vocoder(mel).float().cpu().numpy()
    if networks.trims_silence:
        samples = samples[: end_of_speech(samples, networks.model.ap)]
    return np.clip(np.asarray(samples, np.float32), -1.0, 1.0)


def end_of_speech(samples: Audio, audio: Any) -> int:
    """Where `AudioProcessor.find_endpoint` cuts, but at the last such place: Coqui cuts at the first pause.

    Args:
        audio: the speech model's `AudioProcessor`, which says what silence is.
    """
    window = int(audio.sample_rate * 0.8)
    hop = window // 4
    loud = np.flatnonzero(samples >= audio.base ** (-audio.trim_db / audio.spec_gain))
    last = int(loud[-1]) if len(loud) else -1
    silent = (start for start in range(hop, len(samples) - window, hop) if start > last)
    start = next(silent, None)
    return len(samples) if start is None else start + hop
