"""From a mel spectrogram to samples."""

from typing import Any

import numpy as np
import torch


class GanVocoder:
    """A generator (HiFi-GAN, MelGAN, ...) with the hand-over of `Synthesizer._run_vocoder`.

    The mel is denormalised as the speech model has it, normalised as the vocoder has it, and stretched in
    time if their sample rates differ.

    Args:
        generator: Coqui's module, weights loaded.
        audio: the vocoder's `AudioProcessor`.
        tts_audio: the speech model's.
    """

    def __init__(self, generator: Any, audio: Any, tts_audio: Any) -> None:
        self._generator = generator
        self._audio = audio
        self._tts_audio = tts_audio
        self.sample_rate = int(audio.sample_rate)

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (frames, mels) to samples (n,)."""
        device = next(self._generator.parameters()).device
        spectrogram = self._tts_audio.denormalize(mel.float().cpu().numpy().T)
        ready = torch.from_numpy(np.ascontiguousarray(self._audio.normalize(spectrogram)))
        stretch = self.sample_rate / self._tts_audio.sample_rate
        if stretch != 1:
            ready = torch.nn.functional.interpolate(
                ready[None, None],
                scale_factor=[1, stretch],
                recompute_scale_factor=True,
                mode="bilinear",
                align_corners=False,
            )[0, 0]
        samples: torch.Tensor = self._generator.inference(ready[None].to(device))
        return samples.flatten()


class GriffinLim:
    """What Coqui falls back to without a vocoder: no weights, and a metallic sound."""

    def __init__(self, audio: Any) -> None:
        self._audio = audio

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (frames, mels) to samples (n,)."""
        return torch.from_numpy(self._audio.inv_melspectrogram(mel.float().cpu().numpy().T))
