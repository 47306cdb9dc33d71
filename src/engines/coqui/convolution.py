"""Convolutions over time as a CPU likes them: what HiFi-GAN and MelGAN have in common.

PyTorch's `Conv1d` brings every tensor into oneDNN's layout and back. Here they are (1, channels, 1, samples)
and stay in a layout that oneDNN takes as it is: channels last, one sample after the other in memory.
"""

from typing import Any

import torch
from torch.nn import functional

Layout = tuple[Any, ...]


def channels_last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def arguments(weight: torch.Tensor, bias: torch.Tensor | None, padding: int, dilation: int) -> Layout:
    """Of oneDNN's convolution, those between the input and what is done to the outcome.

    Args:
        weight: of a `Conv1d`, (outputs, inputs, taps).
    """
    return channels_last(weight.unsqueeze(2)), bias, [0, padding], [1, 1], [1, dilation], 1


def convolve(x: torch.Tensor, layout: Layout, slope: float | None = None) -> torch.Tensor:
    """Of `arguments`; with `slope`, a leaky ReLU follows."""
    after: tuple[Any, ...] = ("none", [], "") if slope is None else ("leaky_relu", [slope], "")
    made: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(x, *layout, *after)
    return made


def convolve_onto(other: torch.Tensor, x: torch.Tensor, layout: Layout) -> None:
    """`other` + the convolution of `x`, written where `other` was."""
    torch.ops.mkldnn._convolution_pointwise_.binary(other, x, *layout, "add", 1.0, None, [], None)


class Up:
    """A `ConvTranspose1d` as a convolution that makes all samples of a stride at once."""

    def __init__(self, module: Any, kind: torch.dtype = torch.float32) -> None:
        weight = module.weight.detach()
        inputs, self._outputs, taps = map(int, weight.shape)
        self._stride, self._cut = int(module.stride[0]), int(module.padding[0])
        self._longer = taps - 2 * self._cut + int(module.output_padding[0]) - self._stride
        spread = -(-taps // self._stride)
        weight = functional.pad(weight, (0, spread * self._stride - taps))
        weight = weight.view(inputs, self._outputs, spread, self._stride).flip(2).permute(3, 1, 0, 2)
        weight = weight.reshape(self._stride * self._outputs, inputs, 1, spread)
        self._weight = channels_last(weight).to(kind)
        self._bias = None if module.bias is None else module.bias.detach().repeat(self._stride).to(kind)
        self._spread = spread

    def length(self, samples: int) -> int:
        """Of what it makes of so many samples."""
        return samples * self._stride + self._longer

    def __call__(self, x: torch.Tensor, first: int = 0, last: int | None = None) -> torch.Tensor:
        """What it makes of `x`, or the samples of that from one to another."""
        length = x.shape[3]
        last = self.length(length) if last is None else last
        # from which stride to which, and what goes into them: each sees as many inputs as it is spread over
        begin, end = (first + self._cut) // self._stride, -(-(last + self._cut) // self._stride)
        before = begin - self._spread + 1
        x = x[..., max(0, before) : min(length, end)]
        if before < 0 or end > length:
            x = channels_last(functional.pad(x, (max(0, -before), max(0, end - length))))
        made = functional.conv2d(x, self._weight, self._bias)
        samples = made.permute(0, 2, 3, 1).reshape(1, 1, -1, self._outputs)
        cut = first + self._cut - begin * self._stride
        return samples[:, :, cut : cut + last - first].permute(0, 3, 1, 2)
