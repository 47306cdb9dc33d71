"""Convolutions over time for vocoders on a CPU.

PyTorch's `Conv1d` converts every tensor into oneDNN's layout and back. Here tensors have the shape
(1, channels, 1, samples) in the memory format "channels last", which oneDNN takes as it is. With AVX2 alone,
kernels of ours take oneDNN's place in float32 (`kernels/time_convolution.py`).
"""

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from src.engines import cpu
from src.engines.kernels import Rows, Vector
from src.engines.kernels.float_tiles import LANES, NARROW_LANES, STEPS
from src.engines.kernels.time_convolution import (
    convolve,
    convolve_in_pairs,
    first_of_pairs,
    mix,
    packed_weights,
    paired_weights,
)

Arguments = tuple[Any, ...]
"""Arguments of oneDNN's convolution between the input and the fused operation."""

_VECTOR_LANES = 16
"""float32 numbers in an AVX-512 register. With fewer channels, a part of each register is unused."""
_MIN_FOLDED_TAPS = 7
"""Smallest kernel for which folding is faster: with fewer taps, the added zeros cost more."""
_MIN_PAIRED_INPUTS = 128
"""Smallest number of inputs for which Winograd's sums cost less than the products that they save."""
_NO_SLOPE = 1.0
"""Slope of a leaky ReLU that changes nothing."""


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
        self.padding = padding
        """Number of samples before and after the input that count as zeros."""
        self._reach = dilation * (taps - 1)
        self._compiled = _Compiled(weight, bias, dilation) if _fits_kernels(weight) else None
        if self._compiled is not None:
            return
        self._arguments = _arguments(weight, bias, padding, dilation)
        self._folded: Arguments | None = None
        keeps_length = dilation == 1 and 2 * padding == taps - 1
        if keeps_length and outputs == inputs == _VECTOR_LANES // 2 and taps >= _MIN_FOLDED_TAPS:
            weight = _fold_weight(weight)
            bias = None if bias is None else bias.repeat(2)
            self._folded = _arguments(weight, bias, weight.shape[2] // 2, 1)

    def __call__(
        self, x: torch.Tensor, leaky_slope: float | None = None, leaky_input: float | None = None
    ) -> torch.Tensor:
        """The layer's output.

        Args:
            x: (1, inputs, 1, samples), channels last.
            leaky_slope: if given, a leaky ReLU of this slope is fused into the convolution.
            leaky_input: slope of a leaky ReLU of `x`, likewise.
        """
        if self._compiled is not None:
            samples = x.shape[3] + 2 * self.padding - self._reach
            return self._compiled(x, -self.padding, samples, leaky_input, leaky_slope)
        x = _leaky(x, leaky_input)
        if self._folded is None or x.shape[3] % 2:
            return _convolve(x, self._arguments, leaky_slope)
        return _unfold(_convolve(_fold(x), self._folded, leaky_slope))

    def add_to(self, total: torch.Tensor, x: torch.Tensor, base: torch.Tensor | None = None) -> None:
        """Add the layer's output for `x` to `total`, in place; or write its sum with `base` there."""
        if self._compiled is not None:
            self._compiled.add_to(total, x, -self.padding, total if base is None else base)
            return
        if base is not None and base is not total:
            total.copy_(base)
        if self._folded is None or x.shape[3] % 2:
            _convolve_add(total, x, self._arguments)
        else:
            _convolve_add(_fold(total), _fold(x), self._folded)


class PointwiseSum:
    """The sum of two layers of one tap, each with an input of its own.

    Args:
        one: the first layer, without weight norm.
        two: the second.
        dtype: data type of weights, inputs and outputs.
    """

    def __init__(self, one: Any, two: Any, dtype: torch.dtype = torch.float32) -> None:
        weight = torch.cat([one.weight.detach(), two.weight.detach()], 1).to(dtype)
        self._weights: Vector | None = None
        if _fits_kernels(weight) and len(weight) % LANES == 0 and weight.shape[2] == 1:
            self._weights = packed_weights(weight.numpy())
            self._bias: Vector = np.zeros(len(weight), np.float32)
            for layer in (one, two):
                if layer.bias is not None:
                    self._bias += layer.bias.detach().numpy()
        else:
            self._one, self._two = Convolution(one, dtype), Convolution(two, dtype)

    def __call__(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """The first layer's output for `x`, and the second one's for `other`, summed."""
        if self._weights is None:
            total = self._two(other)
            self._one.add_to(total, x)
            return total
        out = np.empty((x.shape[3], len(self._bias)), np.float32)
        mix(_rows(x), _rows(other), self._weights, self._bias, out)
        return _from_rows(out)


class TransposedConvolution:
    """A `ConvTranspose1d`, computed as a convolution that makes all samples of a stride at once.

    Args:
        module: a layer without weight norm.
        dtype: data type of weights, inputs and outputs.
    """

    def __init__(self, module: Any, dtype: torch.dtype = torch.float32) -> None:
        weight = module.weight.detach()
        inputs, self._outputs, taps = map(int, weight.shape)
        self.stride = int(module.stride[0])
        """Number of samples of the output for each one of the input."""
        self._padding = int(module.padding[0])
        self._extra_length = taps - 2 * self._padding + int(module.output_padding[0]) - self.stride
        width = -(-taps // self.stride)
        weight = functional.pad(weight, (0, width * self.stride - taps))
        weight = weight.view(inputs, self._outputs, width, self.stride).flip(2).permute(3, 1, 0, 2)
        weight = weight.reshape(self.stride * self._outputs, inputs, 1, width).to(dtype)
        self._bias = None if module.bias is None else module.bias.detach().repeat(self.stride).to(dtype)
        self._width = width
        self._compiled = _Compiled(weight[:, :, 0], self._bias, 1) if _fits_kernels(weight[:, :, 0]) else None
        if self._compiled is None:
            self._weight = channels_last(weight)

    def length(self, samples: int) -> int:
        """Length of the output for an input of `samples`."""
        return samples * self.stride + self._extra_length

    def inputs(self, first: int, last: int) -> tuple[int, int]:
        """The samples of the input, from one to before another, on which those from `first` to `last` depend.

        They may be before the input or behind it, where it counts as zeros.
        """
        # the strides that hold the wanted samples; each depends on `width` inputs
        begin, end = (first + self._padding) // self.stride, -(-(last + self._padding) // self.stride)
        return begin - self._width + 1, end

    def __call__(self, x: torch.Tensor, first: int = 0, last: int | None = None) -> torch.Tensor:
        """The layer's output, or its samples from `first` to `last`.

        Args:
            x: (1, inputs, 1, samples), channels last.
        """
        length = x.shape[3]
        last = self.length(length) if last is None else last
        before, end = self.inputs(first, last)
        begin = before + self._width - 1
        if self._compiled is not None:
            strides = self._compiled(x, before, end - begin)
        else:
            x = x[..., max(0, before) : min(length, end)]
            if before < 0 or end > length:
                x = channels_last(functional.pad(x, (max(0, -before), max(0, end - length))))
            strides = functional.conv2d(x, self._weight, self._bias)
        samples = strides.permute(0, 2, 3, 1).reshape(1, 1, -1, self._outputs)
        skipped = first + self._padding - begin * self.stride
        return samples[:, :, skipped : skipped + last - first].permute(0, 3, 1, 2)


class _Compiled:
    """The kernels of `time_convolution` with the weights of a layer.

    Args:
        weight: (outputs, inputs, taps), one that `_fits_kernels`.
        bias: (outputs,).
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, dilation: int) -> None:
        self._outputs, inputs, self._taps = weight.shape
        self._dilation = dilation
        self._in_pairs = self._taps == 3 and inputs >= _MIN_PAIRED_INPUTS and self._outputs % LANES == 0
        self._firsts = first_of_pairs(dilation)
        pack = paired_weights if self._in_pairs else packed_weights
        self._weights = pack(weight.numpy())
        self._bias = np.zeros(self._outputs, np.float32) if bias is None else bias.numpy()

    def __call__(
        self,
        x: torch.Tensor,
        first: int,
        samples: int,
        leaky_input: float | None = None,
        leaky_slope: float | None = None,
    ) -> torch.Tensor:
        """Samples of the output, (1, outputs, 1, samples). The first one's first tap is `first` of `x`."""
        out = np.empty((samples, self._outputs), np.float32)
        self._run(_rows(x), first, leaky_input, out, leaky_slope)
        return _from_rows(out)

    def add_to(self, total: torch.Tensor, x: torch.Tensor, first: int, base: torch.Tensor) -> None:
        """Write their sums with `base` to `total`."""
        self._run(_rows(x), first, None, _rows(total), None, _rows(base))

    def _run(
        self,
        rows: Rows,
        first: int,
        leaky_input: float | None,
        out: Rows,
        leaky_slope: float | None,
        base: Rows | None = None,
    ) -> None:
        slope = np.float32(_NO_SLOPE if leaky_input is None else leaky_input)
        out_slope = np.float32(_NO_SLOPE if leaky_slope is None else leaky_slope)
        add = base is not None
        base = out if base is None else base
        weights, bias, dilation = self._weights, self._bias, self._dilation
        if self._in_pairs:
            convolve_in_pairs(
                rows, first, slope, weights, bias, dilation, self._firsts, out, out_slope, base, add
            )
        else:
            convolve(rows, first, slope, weights, bias, self._taps, dilation, out, out_slope, base, add)


def _fits_kernels(weight: torch.Tensor) -> bool:
    """Whether kernels of ours are faster than oneDNN on the whole: with AVX-512 they are not.

    With 16 or 32 channels and 3 taps they are a little slower.
    """
    outputs, inputs, _ = weight.shape
    is_float = weight.is_cpu and weight.dtype == torch.float32
    return is_float and outputs % NARROW_LANES == 0 and inputs % STEPS == 0 and cpu.has_avx2_alone()


def _rows(x: torch.Tensor) -> Rows:
    """(1, channels, 1, n), channels last, as an array (n, channels): a view of the same memory."""
    rows: Rows = x[0, :, 0].T.numpy()
    return rows


def _from_rows(rows: Rows) -> torch.Tensor:
    return torch.from_numpy(rows)[None, None].permute(0, 3, 1, 2)


def _leaky(x: torch.Tensor, slope: float | None) -> torch.Tensor:
    return x if slope is None else functional.leaky_relu(x, slope)


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
