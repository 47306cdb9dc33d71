"""Linear layers in the arithmetic that a CPU is quickest at."""

import itertools
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from src.engines.whisper.loop.weights import Arrays

_WEIGHT_LEVELS = 127.0
_L = TypeVar("_L")


def row_levels(exact: bool) -> tuple[int, int]:
    """Steps between nothing and a row's largest number, and the byte that stands for nothing.

    Args:
        exact: the CPU multiplies bytes without an overflow (VNNI). Others add two products up in 16 bits,
            which only bytes of 7 bits leave room for.
    """
    return (127, 128) if exact else (63, 64)


_LEVELS, _ZERO = row_levels(torch.cpu._is_vnni_supported())


class Linear(Protocol):
    """From (rows, inputs) to (rows, outputs), both float32."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None: ...

    def __call__(self, rows: Tensor, /) -> Tensor: ...


class Product(Protocol):
    """A `Linear` without what can be done together with other things, for the few rows of a decoder step."""

    bias: Tensor
    """To be added to the outcome."""
    scales: bool
    """`multiply` wants each row divided by its largest number, and the outcome multiplied by that."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None: ...

    def multiply(self, rows: Tensor, /) -> Tensor: ...


class Float32:
    """Plain multiplication."""

    scales = False

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = weight
        self.bias = weight.new_zeros(len(weight)) if bias is None else bias

    def __call__(self, rows: Tensor, /) -> Tensor:
        return torch.nn.functional.linear(rows, self._weight, self.bias)

    def multiply(self, rows: Tensor, /) -> Tensor:
        return torch.nn.functional.linear(rows, self._weight)


class Int8:
    """Integers of 8 bits on both sides, with a scale for each output, and one for each row found anew.

    That is CTranslate2's own arithmetic, on FBGEMM's kernels: for the few rows of a decoder step they are
    several times faster than those CTranslate2 uses on this hardware. A scale for each row (PyTorch's own
    dynamic layers have one for all) makes a row's outcome the same to the bit alone and in company.
    """

    scales = True

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = torch.ops.quantized.linear_prepack(_quantized(weight), None)
        self.bias = weight.new_zeros(len(weight)) if bias is None else bias

    def multiply(self, rows: Tensor, /) -> Tensor:
        out: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            rows, 1 / _LEVELS, _ZERO, self._weight
        )
        return out


class WideInt8:
    """The arithmetic of `Int8` on oneDNN's kernels, which are quicker for hundreds of rows."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        small = _quantized(weight)
        self._weight = torch.ops.onednn.qlinear_prepack(small.int_repr(), None)
        self._scale = small.q_per_channel_scales().float() / _LEVELS
        self._none = small.q_per_channel_zero_points()
        self._bias = bias

    def __call__(self, rows: Tensor, /) -> Tensor:
        largest = rows.abs().amax(1, keepdim=True).clamp_min_(1e-12)
        small = torch.quantize_per_tensor(rows / largest, 1 / _LEVELS, _ZERO, torch.quint8).int_repr()
        scales = (1.0, _ZERO, self._weight, self._scale, self._none)
        after: tuple[object, ...] = (None, 1.0, 0, torch.float32, "none", [], "")
        out: Tensor = torch.ops.onednn.qlinear_pointwise(small, *scales, *after)
        return out.mul_(largest) if self._bias is None else torch.addcmul(self._bias, out, largest, out=out)


def _quantized(weight: Tensor) -> Tensor:
    """8 bits, with a scale for each output."""
    scale = weight.abs().amax(1).clamp_min(1e-12) / _WEIGHT_LEVELS
    none = torch.zeros(len(weight), dtype=torch.long)
    return torch.quantize_per_channel(weight, scale.double(), none, 0, torch.qint8)


def for_many_rows(compute_type: str) -> type[Linear]:
    """What hundreds of rows are multiplied with. `float32`, or else 8 bits."""
    return Float32 if compute_type == "float32" else WideInt8


def for_few_rows(compute_type: str) -> type[Product]:
    """What a decoder step's rows are multiplied with. `float32`, or else 8 bits."""
    return Float32 if compute_type == "float32" else Int8


class Layers(Generic[_L]):
    """Makes layers of a model's arrays.

    Args:
        kind: of the linear ones.
    """

    def __init__(self, arrays: Arrays, kind: Callable[[Tensor, Tensor | None], _L]) -> None:
        self._arrays = arrays
        self._kind = kind

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def count(self, name: str) -> int:
        """How many of the names there are that have 0, 1, 2... in the place of `{}`."""
        return next(number for number in itertools.count() if name.format(number) not in self)

    def tensor(self, name: str) -> Tensor:
        """float32, whatever the file has."""
        return _float(self._arrays[name], self._arrays.get(f"{name}_scale"))

    def linear(self, name: str) -> _L:
        bias = self.tensor(f"{name}/bias") if f"{name}/bias" in self else None
        return self._kind(self.tensor(f"{name}/weight"), bias)

    def projection(self, name: str, multiple: int) -> _L:
        """The layer whose weight is an embedding; what is added to make its outputs a multiple is -inf."""
        weight = self.tensor(name)
        more = -len(weight) % multiple
        bias = torch.zeros(len(weight) + more)
        bias[len(weight) :] = float("-inf")
        return self._kind(torch.nn.functional.pad(weight, (0, 0, 0, more)), bias)


def _float(array: NDArray[np.generic], scale: NDArray[np.generic] | None) -> Tensor:
    tensor = torch.from_numpy(array.astype(np.float32))
    if scale is None:
        return tensor
    # CTranslate2 keeps the factor that made the integers
    return tensor / torch.from_numpy(scale.astype(np.float32)).reshape(-1, *[1] * (tensor.dim() - 1))
