"""Convolutions over time for vocoders on a CPU.

PyTorch's `Conv1d` converts every tensor into oneDNN's layout and back. Here tensors have the shape
(1, channels, 1, samples) in the memory format "channels last", which oneDNN takes as it is.
"""

from typing import Any

import torch
from torch.nn import functional

Arguments = tuple[Any, ...]
"""Arguments of oneDNN's convolution between the input and the fused operation."""

_VECTOR_LANES = 16
"""float32 numbers in an AVX-512 register. With fewer channels, a part of each register is unused."""
_MIN_FOLDED_TAPS = 7
"""Smallest kernel for which folding is faster: with fewer taps, the added zeros cost more."""


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """`x` in the memory format "channels last"."""
    return x.contiguous(memory_format=torch.channels_last)


class Convolution:
    """A `Conv1d` of stride 1.

    A layer with half as many channels as a vector register has lanes is folded: two samples side by side
    become one of twice the channels.

    Args:
        module: a layer without weight norm.
        dtype: data type of weights, inputs and outputs.
    """

    def __init__(self, module: Any, dtype: torch.dtype = torch.float32) -> None:
        weight = module.weight.detach().to(dtype)
        bias = None if module.bias is None else module.bias.detach().to(dtype)
        padding, dilation = int(module.padding[0]), int(module.dilation[0])
        outputs, inputs, taps = weight.shape
        self._arguments = _arguments(weight, bias, padding, dilation)
        self._folded: Arguments | None = None
        keeps_length = dilation == 1 and 2 * padding == taps - 1
        if keeps_length and outputs == inputs == _VECTOR_LANES // 2 and taps >= _MIN_FOLDED_TAPS:
            weight = _fold_weight(weight)
            bias = None if bias is None else bias.repeat(2)
            self._folded = _arguments(weight, bias, weight.shape[2] // 2, 1)

    def __call__(self, x: torch.Tensor, leaky_slope: float | None = None) -> torch.Tensor:
        """The layer's output.

        Args:
            x: (1, inputs, 1, samples), channels last.
            leaky_slope: if given, a leaky ReLU of this slope is fused into the convolution.
        """
        if self._folded is None or x.shape[3] % 2:
            return _convolve(x, self._arguments, leaky_slope)
        return _unfold(_convolve(_fold(x), self._folded, leaky_slope))

    def add_to(self, total: torch.Tensor, x: torch.Tensor) -> None:
        """Add the layer's output for `x` to `total`, in place."""
        if self._folded is None or x.shape[3] % 2:
            _convolve_add(total, x, self._arguments)
        else:
            _convolve_add(_fold(total), _fold(x), self._folded)


class TransposedConvolution:
    """A `ConvTranspose1d`, computed as a convolution that makes all samples of a stride at once.

    Args:
        module: a layer without weight norm.
        dtype: data type of weights, inputs and outputs.
    """

    def __init__(self, module: Any, dtype: torch.dtype = torch.float32) -> None:
        weight = module.weight.detach()
        inputs, self._outputs, taps = map(int, weight.shape)
        self._stride, self._padding = int(module.stride[0]), int(module.padding[0])
        self._extra_length = taps - 2 * self._padding + int(module.output_padding[0]) - self._stride
        width = -(-taps // self._stride)
        weight = functional.pad(weight, (0, width * self._stride - taps))
        weight = weight.view(inputs, self._outputs, width, self._stride).flip(2).permute(3, 1, 0, 2)
        weight = weight.reshape(self._stride * self._outputs, inputs, 1, width)
        self._weight = channels_last(weight).to(dtype)
        self._bias = None if module.bias is None else module.bias.detach().repeat(self._stride).to(dtype)
        self._width = width

    def length(self, samples: int) -> int:
        """Length of the output for an input of `samples`."""
        return samples * self._stride + self._extra_length

    def __call__(self, x: torch.Tensor, first: int = 0, last: int | None = None) -> torch.Tensor:
        """The layer's output, or its samples from `first` to `last`.

        Args:
            x: (1, inputs, 1, samples), channels last.
        """
        length = x.shape[3]
        last = self.length(length) if last is None else last
        # the strides that hold the wanted samples; each depends on `width` inputs
        begin, end = (first + self._padding) // self._stride, -(-(last + self._padding) // self._stride)
        before = begin - self._width + 1
        x = x[..., max(0, before) : min(length, end)]
        if before < 0 or end > length:
            x = channels_last(functional.pad(x, (max(0, -before), max(0, end - length))))
        strides = functional.conv2d(x, self._weight, self._bias)
        samples = strides.permute(0, 2, 3, 1).reshape(1, 1, -1, self._outputs)
        skipped = first + self._padding - begin * self._stride
        return samples[:, :, skipped : skipped + last - first].permute(0, 3, 1, 2)


def _arguments(weight: torch.Tensor, bias: torch.Tensor | None, padding: int, dilation: int) -> Arguments:
    return channels_last(weight.unsqueeze(2)), bias, [0, padding], [1, 1], [1, dilation], 1


def _convolve(x: torch.Tensor, arguments: Arguments, leaky_slope: float | None) -> torch.Tensor:
    fused: Arguments = ("none", [], "") if leaky_slope is None else ("leaky_relu", [leaky_slope], "")
    output: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(x, *arguments, *fused)
    return output


def _convolve_add(total: torch.Tensor, x: torch.Tensor, arguments: Arguments) -> None:
    torch.ops.mkldnn._convolution_pointwise_.binary(total, x, *arguments, "add", 1.0, None, [], None)


def _fold_weight(weight: torch.Tensor) -> torch.Tensor:
    """Weights for two samples at once, side by side as channels: (2 x outputs, 2 x inputs, taps)."""
    outputs, inputs, taps = weight.shape
    middle = taps // 2
    reach = (middle + 1) // 2
    folded = weight.new_zeros(2, outputs, 2, inputs, 2 * reach + 1)
    for output in range(2):
        for tap in range(taps):
            pair, source = divmod(output + tap - middle, 2)
            folded[output, :, source, :, reach + pair] = weight[:, :, tap]
    return folded.view(2 * outputs, 2 * inputs, -1)


def _fold(x: torch.Tensor) -> torch.Tensor:
    """(1, channels, 1, n) as (1, 2 x channels, 1, n / 2): a view of the same memory."""
    _, channels, _, length = x.shape
    return x.permute(0, 2, 3, 1).view(1, 1, length // 2, 2 * channels).permute(0, 3, 1, 2)


def _unfold(x: torch.Tensor) -> torch.Tensor:
    _, channels, _, length = x.shape
    return x.permute(0, 2, 3, 1).view(1, 1, 2 * length, channels // 2).permute(0, 3, 1, 2)
