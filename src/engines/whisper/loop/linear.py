"""Linear layers in the arithmetic that a CPU is quickest at."""

import itertools
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from src.engines.whisper.loop.weights import Arrays

_LEVELS = 127.0
_ZERO = 128


class Linear(Protocol):
    """From (rows, inputs) to (rows, outputs), both float32."""

    def __call__(self, rows: Tensor, /) -> Tensor: ...


class Float32:
    """Plain multiplication."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = weight
        self._bias = bias

    def __call__(self, rows: Tensor, /) -> Tensor:
        return torch.nn.functional.linear(rows, self._weight, self._bias)


class Int8:
    """Integers of 8 bits on both sides, with a scale for each output, and one for each row found anew.

    That is CTranslate2's own arithmetic, on FBGEMM's kernels: for the few rows of a decoder step they are
    several times faster than those CTranslate2 uses on this hardware. A scale for each row (PyTorch's own
    dynamic layers have one for all) makes a row's outcome the same to the bit alone and in company.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        scale = weight.abs().amax(1).clamp_min(1e-12) / _LEVELS
        none = torch.zeros(len(weight), dtype=torch.long)
        packed = torch.quantize_per_channel(weight, scale.double(), none, 0, torch.qint8)
        self._weight = torch.ops.quantized.linear_prepack(packed, None)
        self._bias = bias

    def __call__(self, rows: Tensor, /) -> Tensor:
        largest = rows.abs().amax(1, keepdim=True).clamp_min_(1e-12)
        out: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            rows / largest, 1 / _LEVELS, _ZERO, self._weight
        )
        out *= largest
        return out if self._bias is None else out.add_(self._bias)


class Layers:
    """Makes layers of a model's arrays."""

    def __init__(self, arrays: Arrays, compute_type: str) -> None:
        self._arrays = arrays
        self._linear: type[Float32] | type[Int8] = Float32 if compute_type == "float32" else Int8

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def count(self, name: str) -> int:
        """How many of the names there are that have 0, 1, 2... in the place of `{}`."""
        return next(number for number in itertools.count() if name.format(number) not in self)

    def tensor(self, name: str) -> Tensor:
        """float32, whatever the file has."""
        return _float(self._arrays[name], self._arrays.get(f"{name}_scale"))

    def linear(self, name: str) -> Linear:
        bias = self.tensor(f"{name}/bias") if f"{name}/bias" in self else None
        return self._linear(self.tensor(f"{name}/weight"), bias)

    def projection(self, name: str) -> Linear:
        """The layer whose weight is an embedding."""
        return self._linear(self.tensor(name), None)


def _float(array: NDArray[np.generic], scale: NDArray[np.generic] | None) -> Tensor:
    tensor = torch.from_numpy(array.astype(np.float32))
    if scale is None:
        return tensor
    # CTranslate2 keeps the factor that made the integers
    return tensor / torch.from_numpy(scale.astype(np.float32)).reshape(-1, *[1] * (tensor.dim() - 1))
