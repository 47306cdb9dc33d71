"""The products of linear layers, in the arithmetic that a CPU is quickest at."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from src.engines import cpu
from src.engines.whisper.loop import kernels
from src.engines.whisper.loop.kernels import Numbers, Rows

_WEIGHT_LEVELS = 127.0


def row_levels(exact: bool) -> tuple[int, int]:
    """Steps between nothing and a row's largest number, and the byte that stands for nothing.

    Args:
        exact: the CPU multiplies bytes without an overflow (VNNI). Others add two products up in 16 bits,
            which only bytes of 7 bits leave room for.
    """
    return (127, 128) if exact else (63, 64)


_LEVELS, _ZERO = row_levels(cpu.multiplies_bytes())


class Product(Protocol):
    """Rows of float32 times the transpose of a weight of shape (outputs, inputs)."""

    def __init__(self, weight: Tensor) -> None: ...

    def __call__(self, rows: Rows, /) -> tuple[Rows, Numbers]:
        """The outcome of shape (rows, outputs), and what each row of it is yet to be multiplied with.

        `rows` may be overwritten.
        """


class Float32:
    """Plain multiplication."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight

    def __call__(self, rows: Rows, /) -> tuple[Rows, Numbers]:
        """See `Product`."""
        out = torch.nn.functional.linear(torch.from_numpy(rows), self._weight)
        return out.numpy(), np.ones(len(rows), np.float32)


class Int8:
    """Integers of 8 bits on both sides, with a scale for each output, and one for each row found anew.

    That is CTranslate2's own arithmetic, on FBGEMM's kernels: for the few rows of a decoder step they are
    several times faster than those CTranslate2 uses on this hardware. A scale for each row (PyTorch's own
    dynamic layers have one for all) makes a row's outcome the same to the bit alone and in company.
    """

    def __init__(self, weight: Tensor) -> None:
        self._weight = torch.ops.quantized.linear_prepack(_quantized(weight), None)

    def __call__(self, rows: Rows, /) -> tuple[Rows, Numbers]:
        """See `Product`."""
        largest = np.empty(len(rows), np.float32)
        kernels.scale(rows, largest)
        out: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            torch.from_numpy(rows), 1 / _LEVELS, _ZERO, self._weight
        )
        return out.numpy(), largest


class WideInt8:
    """The arithmetic of `Int8` on oneDNN's kernels, which are quicker for hundreds of rows."""

    def __init__(self, weight: Tensor) -> None:
        small = _quantized(weight)
        self._weight = torch.ops.onednn.qlinear_prepack(small.int_repr(), None)
        self._scale = small.q_per_channel_scales().float() / _LEVELS
        self._none = small.q_per_channel_zero_points()

    def __call__(self, rows: Rows, /) -> tuple[Rows, Numbers]:
        """See `Product`."""
        small, largest = np.empty(rows.shape, np.uint8), np.empty(len(rows), np.float32)
        kernels.quantise(rows, _LEVELS, _ZERO, small, largest)
        scales = (1.0, _ZERO, self._weight, self._scale, self._none)
        after: tuple[object, ...] = (None, 1.0, 0, torch.float32, "none", [], "")
        out: Tensor = torch.ops.onednn.qlinear_pointwise(torch.from_numpy(small), *scales, *after)
        return out.numpy(), largest


def _quantized(weight: Tensor) -> Tensor:
    """8 bits, with a scale for each output."""
    scale = weight.abs().amax(1).clamp_min(1e-12) / _WEIGHT_LEVELS
    none = torch.zeros(len(weight), dtype=torch.long)
    return torch.quantize_per_channel(weight, scale.double(), none, 0, torch.qint8)


def for_many_rows(compute_type: str) -> type[Product]:
    """What hundreds of rows are multiplied with. `float32`, or else 8 bits."""
    return Float32 if compute_type == "float32" else WideInt8


def for_few_rows(compute_type: str) -> type[Product]:
    """What a decoder step's rows are multiplied with. `float32`, or else 8 bits."""
    return Float32 if compute_type == "float32" else Int8
