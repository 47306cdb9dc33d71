"""From a mel spectrogram to samples."""

import math
from typing import Any, Protocol

import numpy as np
import torch

_GRAIN = 32
"""Frames. For each length that it has not seen oneDNN prepares itself, which takes as long as two seconds of
sound, and some tens of megabytes."""
_PROBE = 96
"""Frames with which it is tried how far a vocoder looks: about twice the widest that there is."""


class Vocoder(Protocol):
    grain: int
    """Frames: a mel had better be as long as a multiple."""
    kind: torch.dtype
    """Of the numbers in which most of it is done."""

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (frames, mels) to samples (n,)."""

    def part(self, mel: torch.Tensor, left: int, right: int) -> torch.Tensor:
        """The samples of a stretch, without those of the frames around it: see `reach`.

        Args:
            left: frames before the stretch; 0: it is the beginning.
            right: frames after it; 0: it is the end.
        """

    def reach(self, r: int) -> int | None:
        """Frames on either side that the samples of a stretch of `r` frames, or a multiple, depend on.

        None: on all.
        """


class GanVocoder:
    """A generator (HiFi-GAN, MelGAN, ...) with the hand-over of `Synthesizer._run_vocoder`.

    The mel is denormalised as the speech model has it, normalised as the vocoder has it, and stretched in
    time if their sample rates differ.

    Args:
        generator: Coqui's module, weights loaded; or `HifiGan` or `MelGan` in its place. One that differs in
            `grain` or `kind` (see `Vocoder`) says so.
        audio: the vocoder's `AudioProcessor`.
        tts_audio: the speech model's.
        device: that the generator is on.
    """

    def __init__(self, generator: Any, audio: Any, tts_audio: Any, device: str) -> None:
        self._generator = generator
        self.grain: int = getattr(generator, "grain", _GRAIN)
        self.kind: torch.dtype = getattr(generator, "kind", torch.float32)
        self._audio = audio
        self._tts_audio = tts_audio
        self._device = device
        self.sample_rate = int(audio.sample_rate)

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (frames, mels) to samples (n,)."""
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
        samples: torch.Tensor = self._generator.inference(ready[None].to(self._device))
        return samples.flatten()

    def part(self, mel: torch.Tensor, left: int, right: int) -> torch.Tensor:
        samples = self(mel)
        frame = self._audio.hop_length * self.sample_rate / self._tts_audio.sample_rate
        # Coqui repeats a few frames at either end, and leaves their samples in
        edge = (len(samples) - len(mel) * frame) / 2
        begin = round(edge + left * frame) if left else 0
        return samples[begin : len(samples) - (round(edge + right * frame) if right else 0)]

    @torch.inference_mode()
    def reach(self, r: int) -> int | None:
        """As the networks are many, it is tried: which samples change with what comes before, or after?"""
        if r * self.sample_rate % self._tts_audio.sample_rate:
            return None  # the stretching would put the frames of each part somewhere else
        count = r * math.ceil(_PROBE / r)
        middle = count // 2
        generator = torch.Generator().manual_seed(0)
        mel, other = torch.rand(2, count, self._tts_audio.num_mels, generator=generator) * 2 - 1
        samples = self(mel)
        frame = self._audio.hop_length * self.sample_rate / self._tts_audio.sample_rate
        edge = (len(samples) - count * frame) / 2
        if edge < 0 or edge % 1:
            return None
        changed = [
            torch.nonzero(self(torch.cat(halves)) != samples).flatten()
            for halves in ((other[:middle], mel[middle:]), (mel[:middle], other[middle:]))
        ]
        before, after = int(changed[0].max()), int(changed[1].min())
        left = math.floor((before - edge) / frame) - (middle - 1)
        right = middle - math.floor((after - edge) / frame)
        reach = max(left, right) + 1
        return reach if 0 < reach < middle - 1 else None


class GriffinLim:
    """What Coqui falls back to without a vocoder: no weights, and a metallic sound."""

    grain = 1
    kind = torch.float32

    def __init__(self, audio: Any) -> None:
        self._audio = audio

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (frames, mels) to samples (n,)."""
        return torch.from_numpy(self._audio.inv_melspectrogram(mel.float().cpu().numpy().T))

    def part(self, mel: torch.Tensor, left: int, right: int) -> torch.Tensor:
        return self(mel)

    def reach(self, r: int) -> int | None:
        return None
