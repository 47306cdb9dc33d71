"""Vocoders: from a mel spectrogram to samples."""

import math
from typing import Any, Protocol

import numpy as np
import torch

from src.engines.coqui.hifigan import ONEDNN_LENGTH_MULTIPLE

_PROBE_FRAMES = 96
"""Mel frames with which the receptive field is measured: about twice the largest one known."""


class Vocoder(Protocol):
    length_multiple: int
    """Number of mel frames. The vocoder is fastest for mels whose length is a multiple of it."""
    dtype: torch.dtype
    """Data type of most layers."""
    leaves_context_out: bool
    """Whether most of the context of a chunk costs nothing."""

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (frames, mels) to samples (n,)."""

    def render_chunk(self, mel: torch.Tensor, left: int, right: int) -> torch.Tensor:
        """The samples of a chunk (n,), without those of its context.

        Args:
            mel: the chunk and its context, (frames, mels). See `receptive_field`.
            left: context frames before the chunk; 0 at the beginning of a sentence.
            right: context frames after the chunk; 0 at the end of a sentence.
        """

    def receptive_field(self, r: int) -> int | None:
        """Context frames on either side that the samples of a chunk depend on; None: on the whole mel.

        Args:
            r: a chunk has a multiple of `r` frames.
        """


class GanVocoder:
    """A GAN generator (HiFi-GAN, MelGAN, ...), called as Coqui's `Synthesizer` calls it.

    The mel is denormalised with the speech model's statistics and normalised with the vocoder's. If the two
    sample rates differ, the mel is interpolated in time.

    Args:
        generator: Coqui's module with its weights, or `HifiGan` or `MelGan` in its place. It may have the
            attributes `length_multiple` and `dtype` of `Vocoder`, and those of `HifiGan`.
        audio: the vocoder's `AudioProcessor`.
        tts_audio: the speech model's `AudioProcessor`.
        device: the device of the generator.
    """

    def __init__(self, generator: Any, audio: Any, tts_audio: Any, device: str) -> None:
        self._generator = generator
        self.length_multiple: int = getattr(generator, "length_multiple", ONEDNN_LENGTH_MULTIPLE)
        self.dtype: torch.dtype = getattr(generator, "dtype", torch.float32)
        self._audio = audio
        self._tts_audio = tts_audio
        self._device = device
        self.sample_rate = int(audio.sample_rate)
        self.leaves_context_out = bool(
            getattr(generator, "leaves_context_out", False)
            and generator.samples_per_frame == self._samples_per_frame == audio.hop_length
        )

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (frames, mels) to samples (n,)."""
        return self._samples(mel)

    def _samples(self, mel: torch.Tensor, *context: int) -> torch.Tensor:
        spectrogram = self._tts_audio.denormalize(mel.float().cpu().numpy().T)
        normalized = torch.from_numpy(np.ascontiguousarray(self._audio.normalize(spectrogram)))
        ratio = self.sample_rate / self._tts_audio.sample_rate
        if ratio != 1:
            normalized = torch.nn.functional.interpolate(
                normalized[None, None],
                scale_factor=[1, ratio],
                recompute_scale_factor=True,
                mode="bilinear",
                align_corners=False,
            )[0, 0]
        samples: torch.Tensor = self._generator.inference(normalized[None].to(self._device), *context)
        return samples.flatten()

    @property
    def _samples_per_frame(self) -> float:
        return float(self._audio.hop_length * self.sample_rate / self._tts_audio.sample_rate)

    def render_chunk(self, mel: torch.Tensor, left: int, right: int) -> torch.Tensor:
        """See `Vocoder`."""
        if self.leaves_context_out:
            return self._samples(mel, left, right)
        samples = self(mel)
        frame = self._samples_per_frame
        # Coqui repeats a few frames at either end, and keeps their samples
        edge = (len(samples) - len(mel) * frame) / 2
        begin = round(edge + left * frame) if left else 0
        return samples[begin : len(samples) - (round(edge + right * frame) if right else 0)]

    @torch.inference_mode()
    def receptive_field(self, r: int) -> int | None:
        """See `Vocoder`. It is measured: which samples change when the mel before or after them does?"""
        if r * self.sample_rate % self._tts_audio.sample_rate:
            return None  # interpolation would put the frames of each chunk elsewhere
        count = r * math.ceil(_PROBE_FRAMES / r)
        middle = count // 2
        generator = torch.Generator().manual_seed(0)
        mel, other = torch.rand(2, count, self._tts_audio.num_mels, generator=generator) * 2 - 1
        samples = self(mel)
        frame = self._samples_per_frame
        edge = (len(samples) - count * frame) / 2
        if edge < 0 or edge % 1:
            return None
        changed = [
            torch.nonzero(self(torch.cat(halves)) != samples).flatten()
            for halves in ((other[:middle], mel[middle:]), (mel[:middle], other[middle:]))
        ]
        last_changed, first_changed = int(changed[0].max()), int(changed[1].min())
        left = math.floor((last_changed - edge) / frame) - (middle - 1)
        right = middle - math.floor((first_changed - edge) / frame)
        field = max(left, right) + 1
        return field if 0 < field < middle - 1 else None


class GriffinLim:
    """Phase reconstruction without weights, which Coqui uses if there is no vocoder. It sounds metallic."""

    length_multiple = 1
    dtype = torch.float32
    leaves_context_out = False

    def __init__(self, audio: Any) -> None:
        self._audio = audio

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (frames, mels) to samples (n,)."""
        return torch.from_numpy(self._audio.inv_melspectrogram(mel.float().cpu().numpy().T))

    def render_chunk(self, mel: torch.Tensor, left: int, right: int) -> torch.Tensor:
        """See `Vocoder`: the whole mel is the only chunk."""
        return self(mel)

    def receptive_field(self, r: int) -> int | None:
        """None: samples depend on the whole mel."""
        return None
