"""A linear layer that is called once a decoder step, in the precision that was asked for.

A step multiplies a handful of rows with tens of megabytes of weights: reading the weights is what takes
the time. So they are laid out once as oneDNN wants them (which alone halves the time of a float32 step
and leaves the numbers as they were), and read as bfloat16 or int8 if that is wanted.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

Matrix = Callable[[torch.Tensor], torch.Tensor]
"""Rows (n, inputs) to rows (n, outputs), both float32. A row's outcome does not depend on its company, but
for how it is rounded: in `bfloat16`, and where the matrix is small."""

_FEW = 2
"""Rows up to which FBGEMM is the faster."""
_SMALL = 1 << 18
"""Weights up to which oneDNN takes longer to find its way than to multiply."""
_PACK_FOR = 8
"""Rows that the packed layout is chosen for; measured no slower for any other number up to 32."""


def matrix(weight: torch.Tensor, bias: torch.Tensor | None, compute_type: str) -> Matrix:
    """A layer with `weight` (outputs, inputs) on the device that the weight is on.

    Args:
        compute_type: `float32`, `bfloat16`, `float16`; `int8` on a CPU. `float16` on a CPU is of the weights
            alone: the arithmetic is float32. So it is in `bfloat16` for a row or two, where it is faster.
    """
    weight = weight.detach()
    bias = None if bias is None else bias.detach()
    if compute_type == "int8":
        return _Int8(weight, bias)
    if weight.is_cpu and compute_type == "float16":
        rounded = weight.half().float()
        return _few_or_many(rounded, bias, _plain_or_packed(rounded, bias, torch.float32))
    if weight.is_cpu and compute_type == "bfloat16":
        return _few_or_many(weight, bias, _plain_or_packed(weight, bias, torch.bfloat16))
    kind = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[compute_type]
    return _plain_or_packed(weight, bias, kind)


def _plain_or_packed(weight: torch.Tensor, bias: torch.Tensor | None, kind: torch.dtype) -> Matrix:
    if weight.is_cpu and weight.numel() > _SMALL and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return _Packed(weight, bias, kind)
    return _Plain(weight, bias, kind)


def _few_or_many(weight: torch.Tensor, bias: torch.Tensor | None, many: Matrix) -> Matrix:
    if torch.backends.quantized.engine in {"x86", "fbgemm"}:
        return _FewOrMany(weight, bias, many)
    return many


class _Plain:
    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, kind: torch.dtype) -> None:
        self._weight = weight.to(kind)
        self._bias = None if bias is None else bias.to(kind)
        self._kind = kind

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return functional.linear(rows.to(self._kind), self._weight, self._bias).float()


class _Packed:
    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, kind: torch.dtype) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(kind).contiguous(), _PACK_FOR)
        self._bias = None if bias is None else bias.to(kind)
        self._kind = kind

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            rows.to(self._kind), self._weight, self._bias, "none", [], ""
        )
        return made.float()


class _FewOrMany:
    """For a row or two, weights rounded to float16, everything else float32; for more, `many`.

    FBGEMM reads them as float16, half the bytes, which is all that counts for a row or two; from three rows
    on oneDNN is the faster.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, many: Matrix) -> None:
        self._few: torch.ScriptObject = torch.ops.quantized.linear_prepack_fp16(weight.float(), bias)
        self._many = many

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        if len(rows) > _FEW:
            return self._many(rows)
        made: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16(rows, self._few)
        return made


class _Int8:
    """Weights with a scale for each output, rows with a scale for each row.

    PyTorch takes one scale for all rows of a call, which would let a row's company change its outcome. So
    each row is brought to a largest value of 1, and two more inputs, always 1 and -1 and with no weight,
    keep the scale of the call where it is.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        widened = functional.pad(weight.float(), (0, 2))
        scales = widened.abs().amax(1).clamp_min(1e-8) / 127
        packed = torch.quantize_per_channel(
            widened, scales.double(), torch.zeros(len(scales), dtype=torch.long), 0, torch.qint8
        )
        self._weight = torch.ops.quantized.linear_prepack(packed, None)
        self._bias = bias

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        largest = rows.abs().amax(1, keepdim=True).clamp_min(1e-8)
        ends = rows.new_tensor([1.0, -1.0]).expand(len(rows), 2)
        scaled = torch.cat([rows / largest, ends], 1)
        made: torch.Tensor = torch.ops.quantized.linear_dynamic(scaled, self._weight, True)
        made = made * largest
        return made if self._bias is None else made + self._bias
