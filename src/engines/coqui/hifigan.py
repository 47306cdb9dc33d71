"""Coqui's HiFi-GAN generator (`TTS/vocoder/models/hifigan_generator.py`) on a CPU. It makes the same samples.

The architecture is that of Kong, Kim and Bae, "HiFi-GAN" (2020). Convolutions are those of `convolution`.
"""

from typing import Any

import torch
from torch.nn import functional

from src.engines.convolution import Convolution, TransposedConvolution, channels_last

_SLOPE = 0.1
_OUTPUT_SLOPE = 0.01
"""Slope of the leaky ReLU before the last convolution."""


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

    def inference(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (1, mels, frames) to samples (1, 1, n)."""
        x = functional.pad(mel, (self._padding, self._padding), "replicate").unsqueeze(2)
        x = self._input(channels_last(x))
        for upsample, blocks in zip(self._upsamplings, self._levels, strict=True):
            x = upsample(functional.leaky_relu_(x, _SLOPE))
            total = blocks[0](x)
            for block in blocks[1:]:
                total += block(x)
            x = total.div_(len(blocks))
        return torch.tanh_(self._output(functional.leaky_relu_(x, _OUTPUT_SLOPE))).squeeze(2)


class _ResidualBlock:
    """`ResBlock1`, or `ResBlock2`, which has one convolution where `ResBlock1` has a pair."""

    def __init__(self, module: Any) -> None:
        pairs = zip(module.convs1, module.convs2, strict=True) if hasattr(module, "convs1") else None
        self._pairs = [(Convolution(one), Convolution(two)) for one, two in pairs or ()]
        self._singles = [Convolution(layer) for layer in module.convs] if pairs is None else []

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        total = torch.empty_like(x)
        for one, two in self._pairs:
            two.add_to(total, one(x, leaky_slope=_SLOPE, leaky_input=_SLOPE), base=x)
            x = total
        for single in self._singles:
            single.add_to(total, functional.leaky_relu(x, _SLOPE), base=x)
            x = total
        return total
