"""Linear layers on a CPU for float32 rows, with weights in float32 or in 8-bit integers.

The matrix product is PyTorch's, or our own where the CPU has VNNI or AVX2 alone. Everything around it
(scaling, bias, activation, residual) is one compiled pass over the rows. The 8-bit arithmetic is that of
CTranslate2: a scale for each output, and a scale for each row, found anew in each call. So a row's result is
the same to the bit alone and in a batch; PyTorch's own dynamic quantisation has one scale for all rows of a
call.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from src.engines import cpu
from src.engines.kernels import Rows, Vector, byte_rows
from src.engines.kernels import rows as kernels
from src.engines.kernels.byte_tiles import LANES, QUAD

_LEVELS, _ZERO_POINT = 127, 128
"""Levels on each side of zero, of rows and of weights; the byte of a row that stands for zero."""
_CHUNK = 1024
"""Outputs whose weights are quantised at a time: no large weight stands in memory as float32."""
_CACHE_LINE = 64
_ONE = np.float32(1)
_EXACT = cpu.multiplies_bytes()
"""The CPU sums products of bytes in 32 bits. Otherwise the weights are smaller: see `_largest`."""

_packet = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
_int8_product: Callable[..., Tensor] = getattr(_packet, "_op", _packet)
"""The operation itself. PyTorch's wrapper looks at every argument for objects that only tracing has. It does
so in Python, and that took 0.4 ms of a decoder step, one of 5 ms over one row."""


class MatMul(Protocol):
    """Float32 rows times the transpose of a weight.

    Args:
        weight: shape (outputs, inputs), of any float type, or signed bytes as `from_bytes` makes them.
    """

    def __init__(self, weight: Tensor) -> None: ...

    def __call__(self, rows: Rows, /) -> tuple[Rows, Vector]:
        """Returns the product, shape (rows, outputs), and the factor that each of its rows still needs.

        `rows` may be overwritten.
        """


class MatMulFloat32:
    """The plain product."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight.dequantize() if weight.is_quantized else weight.float()

    def __call__(self, rows: Rows, /) -> tuple[Rows, Vector]:
        """See `MatMul`."""
        out = torch.nn.functional.linear(torch.from_numpy(rows), self._weight)
        return out.numpy(), np.ones(len(rows), np.float32)


class MatMulInt8:
    """8-bit product on FBGEMM's kernels, which are the fastest for up to a few dozen rows."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = torch.ops.quantized.linear_prepack(_quantized(weight), None)

    def __call__(self, rows: Rows, /) -> tuple[Rows, Vector]:
        """See `MatMul`."""
        scales = np.empty(len(rows), np.float32)
        kernels.scale(rows, scales)
        out: Tensor = _int8_product(torch.from_numpy(rows), 1 / _LEVELS, _ZERO_POINT, self._weight)
        return out.numpy(), scales


class MatMulInt8Tiles:
    """`MatMulInt8` to the bit on a kernel of our own, for CPUs with AVX512-VNNI or AVX2.

    Its products of one row to forty take half to nine tenths of FBGEMM's time.
    """

    def __init__(self, weight: Tensor) -> None:
        small = _quantized(weight)
        values = small.int_repr().numpy()
        self._outputs, inputs = values.shape
        filled = np.pad(values, ((0, -self._outputs % LANES), (0, -inputs % QUAD)))
        blocks = filled.reshape(len(filled) // LANES, LANES, -1, QUAD)
        self._weight = _aligned(blocks.transpose(0, 2, 1, 3))
        self._begins = filled.sum(1, dtype=np.int32) * np.int32(-byte_rows.ZERO_POINT)
        scale = small.q_per_channel_scales().float().numpy() * np.float32(1 / byte_rows.LEVELS)
        self._factors = np.pad(scale, (0, len(filled) - self._outputs))

    def __call__(self, rows: Rows, /) -> tuple[Rows, Vector]:
        """See `MatMul`."""
        out = np.empty((len(rows), len(self._factors)), np.float32)
        scales = np.empty(len(rows), np.float32)
        byte_rows.multiply_bytes(rows, self._weight, self._begins, self._factors, out, scales)
        return out if out.shape[1] == self._outputs else out[:, : self._outputs].copy(), scales


class MatMulInt8OneDnn:
    """The arithmetic of `MatMulInt8` on oneDNN's kernels, which are faster for hundreds of rows."""

    def __init__(self, weight: Tensor) -> None:
        small = _quantized(weight)
        self._weight = torch.ops.onednn.qlinear_prepack(small.int_repr(), None)
        self._scale = small.q_per_channel_scales().float() / _LEVELS
        self._zero_points = small.q_per_channel_zero_points()

    def __call__(self, rows: Rows, /) -> tuple[Rows, Vector]:
        """See `MatMul`."""
        small, scales = np.empty(rows.shape, np.uint8), np.empty(len(rows), np.float32)
        kernels.quantize(rows, _LEVELS, _ZERO_POINT, small, scales)
        weight = (1.0, _ZERO_POINT, self._weight, self._scale, self._zero_points)
        after: tuple[object, ...] = (None, 1.0, 0, torch.float32, "none", [], "")
        out: Tensor = torch.ops.onednn.qlinear_pointwise(torch.from_numpy(small), *weight, *after)
        return out.numpy(), scales


def from_bytes(values: Tensor, scale: Tensor) -> Tensor:
    """A weight that is signed bytes already.

    Args:
        values: shape (outputs, inputs).
        scale: what the bytes of each output are multiplied with, shape (outputs,).
    """
    zero_points = torch.zeros(len(values), dtype=torch.long)
    return torch._make_per_channel_quantized_tensor(values, scale.double(), zero_points, 0)


def _aligned(values: NDArray[np.int8]) -> NDArray[np.int8]:
    """A flat copy that begins at a cache line."""
    memory = np.empty(values.size + _CACHE_LINE, np.int8)
    begin = -memory.ctypes.data % _CACHE_LINE
    made = memory[begin : begin + values.size]
    made.reshape(values.shape)[:] = values
    return made


def _quantized(weight: Tensor) -> Tensor:
    """The weight as signed bytes, with a scale for each output."""
    factors = None
    if weight.is_quantized:
        if _EXACT:
            return weight
        weight, factors = weight.int_repr(), weight.q_per_channel_scales().float()
    values, scale = torch.empty(weight.shape, dtype=torch.int8), torch.empty(len(weight))
    for start in range(0, len(weight), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        part = weight[chunk].float()
        if factors is not None:
            part *= factors[chunk, None]
        scales = _largest(part).clamp_min(1e-12) / _LEVELS
        zero_points = torch.zeros(len(part), dtype=torch.long)
        small = torch.quantize_per_channel(part, scales.double(), zero_points, 0, torch.qint8)
        values[chunk], scale[chunk] = small.int_repr(), scales
    return from_bytes(values, scale)


def _largest(weight: Tensor) -> Tensor:
    """What becomes the byte 127 in the weights of each output, shape (outputs,).

    Without VNNI, a CPU adds the products of two neighbouring inputs in 16 bits, with saturation
    (`vpmaddubsw`). So there it is the largest sum of two neighbours of one sign: as bytes, two such weights
    come to 128 at most, and 128 times a row's largest byte, 255, is less than 2^15.

    This costs about half a bit of the weights. Rows of 7 bits would not overflow either, but cost more: the
    largest number of a row is much further from the others than the largest weight is.
    """
    if _EXACT:
        return weight.abs().amax(1)
    pairs = pad(weight, (0, weight.shape[1] % 2)).reshape(len(weight), -1, 2)
    return torch.maximum(pairs.clamp_min(0).sum(2).amax(1), -pairs.clamp_max(0).sum(2).amin(1))


class Linear:
    """A matrix product and its bias. A call may overwrite the rows that it is given.

    Args:
        product: the product with the layer's weight.
        bias: shape (outputs,).
    """

    def __init__(self, product: MatMul, bias: Tensor) -> None:
        self._product = product
        self._bias: Vector = bias.numpy()

    def __call__(self, rows: Rows, factor: np.float32 = _ONE) -> Rows:
        """The layer's output for rows of shape (rows, inputs), times `factor`."""
        out, scales = self._product(rows)
        kernels.rescale(out, scales, self._bias, factor)
        return out

    def gelu(self, rows: Rows) -> Rows:
        """The layer's output after GELU."""
        out, scales = self._product(rows)
        kernels.rescale_gelu(out, scales, self._bias)
        return out

    def add_to(self, x: Rows, rows: Rows) -> None:
        """Add the layer's output to `x`, the residual stream of shape (rows, outputs)."""
        out, scales = self._product(rows)
        kernels.rescale_add(x, out, scales, self._bias)
