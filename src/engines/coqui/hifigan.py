"""Coqui's HiFi-GAN (`TTS/vocoder/models/hifigan_generator.py`), laid out as a CPU likes it.

See `convolution`; what follows one is done as its outcome is written. Same samples.
"""

from typing import Any

import torch
from torch.nn import functional

from src.engines.coqui.convolution import Layout, Up, arguments, channels_last, convolve, convolve_onto

_SLOPE = 0.1
_LANES = 16
"""Numbers in a vector register: with fewer channels than these, most of each is empty."""
_WORTH_FOLDING = 7
"""Taps from which on the emptiness costs more than the zeros that folding adds."""


def fits(generator: Any) -> bool:
    """It is a plain HiFi-GAN, of one voice, on a CPU with oneDNN; its weight norm is removed."""
    from TTS.vocoder.models.hifigan_generator import HifiganGenerator

    return (
        type(generator) is HifiganGenerator
        and not any(hasattr(generator, name) for name in ("lin_pre", "cond_layer", "conds"))
        and generator.conv_pre.weight.is_cpu
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


class HifiGan:
    """See `fits`. Tensors inside are (1, channels, 1, samples), channels last."""

    def __init__(self, generator: Any) -> None:
        self._padding = int(generator.inference_padding)
        self._pre = _Conv(generator.conv_pre)
        self._ups = [Up(up) for up in generator.ups]
        count = int(generator.num_kernels)
        blocks = [_Block(block) for block in generator.resblocks]
        self._blocks = [blocks[at : at + count] for at in range(0, len(blocks), count)]
        self._post = _Conv(generator.conv_post)

    def inference(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (1, mels, frames) to samples (1, 1, n)."""
        x = functional.pad(mel, (self._padding, self._padding), "replicate").unsqueeze(2)
        x = self._pre(channels_last(x))
        for up, blocks in zip(self._ups, self._blocks, strict=True):
            x = up(functional.leaky_relu_(x, _SLOPE))
            made = blocks[0](x)
            for block in blocks[1:]:
                made += block(x)
            x = made.div_(len(blocks))
        return torch.tanh_(self._post(functional.leaky_relu_(x, 0.01))).squeeze(2)


class _Conv:
    """A `Conv1d` of stride 1 that keeps the length."""

    def __init__(self, module: Any) -> None:
        weight, bias = module.weight.detach(), module.bias
        dilation, padding = int(module.dilation[0]), int(module.padding[0])
        channels, inputs, taps = weight.shape
        bias = None if bias is None else bias.detach()
        self._plain = arguments(weight, bias, padding, dilation)
        self._folded: Layout | None = None
        if channels == inputs == _LANES // 2 and dilation == 1 and taps >= _WORTH_FOLDING:
            weight = _folded(weight)
            bias = None if bias is None else bias.repeat(2)
            self._folded = arguments(weight, bias, weight.shape[2] // 2, 1)

    def __call__(self, x: torch.Tensor, *, leaky: bool = False) -> torch.Tensor:
        """With `leaky`, a leaky ReLU follows."""
        slope = _SLOPE if leaky else None
        if self._folded is None or x.shape[3] % 2:
            return convolve(x, self._plain, slope)
        return _unfold(convolve(_fold(x), self._folded, slope))

    def add_to(self, other: torch.Tensor, x: torch.Tensor) -> None:
        """`other` + the convolution of `x`, written where `other` was."""
        if self._folded is None or x.shape[3] % 2:
            convolve_onto(other, x, self._plain)
        else:
            convolve_onto(_fold(other), _fold(x), self._folded)


class _Block:
    """`ResBlock1`, or `ResBlock2`, which has every other convolution of it only."""

    def __init__(self, module: Any) -> None:
        pairs = zip(module.convs1, module.convs2, strict=True) if hasattr(module, "convs1") else None
        self._pairs = [(_Conv(one), _Conv(two)) for one, two in pairs or ()]
        self._singles = [_Conv(conv) for conv in module.convs] if pairs is None else []

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = x.clone(memory_format=torch.channels_last)
        for one, two in self._pairs:
            two.add_to(x, one(functional.leaky_relu(x, _SLOPE), leaky=True))
        for conv in self._singles:
            conv.add_to(x, functional.leaky_relu(x, _SLOPE))
        return x


def _folded(weight: torch.Tensor) -> torch.Tensor:
    """Weights for two samples at once, side by side as channels: (2 x outputs, 2 x inputs, taps)."""
    outputs, inputs, taps = weight.shape
    middle = taps // 2
    reach = (middle + 1) // 2
    folded = weight.new_zeros(2, outputs, 2, inputs, 2 * reach + 1)
    for made in range(2):
        for tap in range(taps):
            pair, taken = divmod(made + tap - middle, 2)
            folded[made, :, taken, :, reach + pair] = weight[:, :, tap]
    return folded.view(2 * outputs, 2 * inputs, -1)


def _fold(x: torch.Tensor) -> torch.Tensor:
    """(1, channels, 1, n) to (1, 2 x channels, 1, n / 2): in memory it is the same."""
    _, channels, _, length = x.shape
    return x.permute(0, 2, 3, 1).view(1, 1, length // 2, 2 * channels).permute(0, 3, 1, 2)


def _unfold(x: torch.Tensor) -> torch.Tensor:
    _, channels, _, length = x.shape
    return x.permute(0, 2, 3, 1).view(1, 1, 2 * length, channels // 2).permute(0, 3, 1, 2)
