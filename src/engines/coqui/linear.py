"""Linear layers that are called once a decoder step, in several precisions.

A step multiplies a handful of rows by tens of megabytes of weights, so reading the weights takes most of the
time. They are packed once in oneDNN's layout, which alone halves the time of a float32 step and changes no
number. They are stored in bfloat16, float16 or int8 if that is wanted. With AVX2 alone, a kernel of ours
multiplies float16 (`kernels/half_rows.py`).
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from src.engines import cpu
from src.engines.kernels.float_tiles import LANES, STEPS
from src.engines.kernels.half_rows import multiply_halves, packed_halves
from src.engines.linear import Linear, MatMulInt8

LinearLayer = Callable[[torch.Tensor], torch.Tensor]
"""Rows (n, inputs) to rows (n, outputs), both float32. It may overwrite the rows that it is given.

A row's result is the same alone and in a batch, except for rounding: in `bfloat16`, and in small layers.
"""

_FBGEMM_ROWS = 2
"""Largest number of rows for which FBGEMM is faster than oneDNN."""
_PLAIN_WEIGHTS = 1 << 18
"""Largest number of weights for which PyTorch's own product is faster than oneDNN's."""
_PACK_ROWS = 8
"""Number of rows that oneDNN packs the weights for. It was measured no slower for any other up to 32."""


def linear_layer(weight: torch.Tensor, bias: torch.Tensor | None, compute_type: str) -> LinearLayer:
    """A layer on the device of its weight.

    Args:
        weight: shape (outputs, inputs).
        bias: shape (outputs,).
        compute_type: `float32`, `bfloat16` or `float16`; on a CPU also `int8`. On a CPU, `float16` rounds the
            weights only, and the arithmetic is float32. `bfloat16` does the same for one or two rows, which
            is faster.
    """
    weight = weight.detach()
    bias = None if bias is None else bias.detach()
    if compute_type == "int8":
        return _Int8(weight, bias)
    if weight.is_cpu and compute_type == "float16":
        if _fits_kernel(weight):
            return _Halves(weight, bias)
        rounded = weight.half().float()
        return _few_or_many(rounded, bias, _plain_or_packed(rounded, bias, torch.float32))
    if weight.is_cpu and compute_type == "bfloat16":
        return _few_or_many(weight, bias, _plain_or_packed(weight, bias, torch.bfloat16))
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[compute_type]
    return _plain_or_packed(weight, bias, dtype)


def _plain_or_packed(weight: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype) -> LinearLayer:
    if weight.is_cpu and weight.numel() > _PLAIN_WEIGHTS and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return _Packed(weight, bias, dtype)
    return _Plain(weight, bias, dtype)


def _fits_kernel(weight: torch.Tensor) -> bool:
    outputs, inputs = weight.shape
    fits = weight.numel() > _PLAIN_WEIGHTS and outputs % LANES == 0 and inputs % STEPS == 0
    return fits and cpu.has_avx2_alone()


def _few_or_many(weight: torch.Tensor, bias: torch.Tensor | None, many: LinearLayer) -> LinearLayer:
    if torch.backends.quantized.engine in {"x86", "fbgemm"}:
        return _FewOrMany(weight, bias, many)
    return many


class _Plain:
    """PyTorch's own product."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype) -> None:
        self._weight = weight.to(dtype)
        self._bias = None if bias is None else bias.to(dtype)
        self._dtype = dtype

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return functional.linear(rows.to(self._dtype), self._weight, self._bias).float()


class _Packed:
    """oneDNN's product, with the weights in its own layout."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype).contiguous(), _PACK_ROWS)
        self._bias = None if bias is None else bias.to(dtype)
        self._dtype = dtype

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            rows.to(self._dtype), self._weight, self._bias, "none", [], ""
        )
        return output.float()


class _FewOrMany:
    """FBGEMM's product with weights rounded to float16 for one or two rows; another layer for more.

    FBGEMM reads half the bytes of float32, which is all that counts for one or two rows. From three rows on,
    oneDNN is faster.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, many: LinearLayer) -> None:
        self._few: torch.ScriptObject = torch.ops.quantized.linear_prepack_fp16(weight.float(), bias)
        self._many = many

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        if len(rows) > _FBGEMM_ROWS:
            return self._many(rows)
        output: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16(rows, self._few)
        return output


class _Halves:
    """A kernel of ours for AVX2, with weights rounded to float16.

    For one row it is faster than FBGEMM, and for two as fast. For more it takes a third to half of oneDNN's
    time.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self._weight = packed_halves(weight.float().numpy())
        self._bias = np.zeros(len(weight), np.float32) if bias is None else bias.float().numpy()

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        output = torch.empty(len(rows), len(self._bias))
        multiply_halves(rows.contiguous().numpy(), self._weight, self._bias, output.numpy())
        return output


class _Int8:
    """The 8-bit layer of `src.engines.linear`, for tensors."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        weight = weight.float()
        bias = weight.new_zeros(len(weight)) if bias is None else bias.float()
        self._linear = Linear(MatMulInt8(weight), bias)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self._linear(rows.numpy()))
