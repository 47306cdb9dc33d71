"""Coqui's HiFi-GAN generator (`TTS/vocoder/models/hifigan_generator.py`) on a CPU. It makes the same samples.

The architecture is that of Kong, Kim and Bae, "HiFi-GAN" (2020). Convolutions are those of `convolution`.
"""

import math
from typing import Any

import torch
from torch.nn import functional

from src.engines import cpu
from src.engines.convolution import Convolution, TransposedConvolution, channels_last

_SLOPE = 0.1
_OUTPUT_SLOPE = 0.01
"""Slope of the leaky ReLU before the last convolution."""
ONEDNN_LENGTH_MULTIPLE = 32
"""Mel frames. For each new length oneDNN prepares itself. That takes as long as two seconds of sound do, and
some tens of megabytes."""
_LENGTH_MULTIPLE = 8
"""The same where oneDNN has the post-net and the last layer only."""

_Span = tuple[int, int]
"""The first sample of some that follow each other, and the one behind them."""


def fits(generator: Any) -> bool:
    """Whether `HifiGan` can run it: a single-speaker HiFi-GAN on a CPU with oneDNN, without weight norm."""
    from TTS.vocoder.models.hifigan_generator import HifiganGenerator

    return (
        type(generator) is HifiganGenerator
        and not any(hasattr(generator, name) for name in ("lin_pre", "cond_layer", "conds"))
        and generator.conv_pre.weight.is_cpu
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


class HifiGan:
    """A generator that `fits`. Inner tensors are (1, channels, 1, samples), channels last."""

    def __init__(self, generator: Any) -> None:
        self._padding = int(generator.inference_padding)
        self._input = Convolution(generator.conv_pre)
        self._upsamplings = [TransposedConvolution(layer) for layer in generator.ups]
        count = int(generator.num_kernels)
        blocks = [_ResidualBlock(block) for block in generator.resblocks]
        self._levels = [blocks[at : at + count] for at in range(0, len(blocks), count)]
        self._output = Convolution(generator.conv_post)
        self.samples_per_frame = math.prod(layer.stride for layer in self._upsamplings)
        """Number of samples for each frame of a mel."""
        self.leaves_context_out = cpu.has_avx2_alone()
        """Whether `inference` is faster if it is told what is context. oneDNN would have more lengths to
        prepare for."""
        self.length_multiple = _LENGTH_MULTIPLE if self.leaves_context_out else ONEDNN_LENGTH_MULTIPLE
        """See `Vocoder`."""

    def inference(self, mel: torch.Tensor, left: int = 0, right: int = 0) -> torch.Tensor:
        """Mel (1, mels, frames) to samples (1, 1, n).

        Args:
            left: frames of context at the beginning, whose samples are not wanted. 0: the samples of the
                frames that Coqui repeats there are wanted, too.
            right: likewise at the end.
        """
        x = functional.pad(mel, (self._padding, self._padding), "replicate").unsqueeze(2)
        x = self._input(channels_last(x))
        wanted, spans = self._spans(x.shape[3], left, right)
        begin = 0
        for upsample, blocks, (first, last) in zip(self._upsamplings, self._levels, spans, strict=True):
            before = begin * upsample.stride
            x = upsample(functional.leaky_relu_(x, _SLOPE), first - before, last - before)
            begin = first
            total = blocks[0](x)
            for block in blocks[1:]:
                total += block(x)
            x = total.div_(len(blocks))
        samples = self._output(functional.leaky_relu_(x, _OUTPUT_SLOPE))
        return torch.tanh_(samples[..., wanted[0] - begin : wanted[1] - begin]).squeeze(2)

    def _spans(self, frames: int, left: int, right: int) -> tuple[_Span, list[_Span]]:
        """The samples that are wanted, and those of each level on which they depend.

        Of what a level's convolutions make next to a cut, nothing is used.
        """
        lengths = [frames]
        for upsample in self._upsamplings:
            lengths.append(upsample.length(lengths[-1]))
        skipped, cut = (
            (self._padding + context) * self.samples_per_frame if context else 0 for context in (left, right)
        )
        wanted = skipped, lengths[-1] - cut
        begin, end = wanted[0] - self._output.padding, wanted[1] + self._output.padding
        spans = []
        levels = list(zip(self._upsamplings, self._levels, lengths[1:], strict=True))
        for upsample, blocks, length in reversed(levels):
            reach = max(block.reach for block in blocks)
            begin, end = max(0, begin - reach), min(length, end + reach)
            spans.append((begin, end))
            begin, end = upsample.inputs(begin, end)
        return wanted, spans[::-1]


class _ResidualBlock:
    """`ResBlock1`, or `ResBlock2`, which has one convolution where `ResBlock1` has a pair."""

    def __init__(self, module: Any) -> None:
        pairs = zip(module.convs1, module.convs2, strict=True) if hasattr(module, "convs1") else None
        self._pairs = [(Convolution(one), Convolution(two)) for one, two in pairs or ()]
        self._singles = [Convolution(layer) for layer in module.convs] if pairs is None else []
        layers = [*(layer for pair in self._pairs for layer in pair), *self._singles]
        self.reach = sum(layer.padding for layer in layers)
        """Number of samples on either side on which a sample depends."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        total = torch.empty_like(x)
        for one, two in self._pairs:
            two.add_to(total, one(x, leaky_slope=_SLOPE, leaky_input=_SLOPE), base=x)
            x = total
        for single in self._singles:
            single.add_to(total, functional.leaky_relu(x, _SLOPE), base=x)
            x = total
        return total
