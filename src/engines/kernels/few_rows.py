"""Products of a few rows of bytes with a large weight on AVX-512 VNNI.

Reading the weight takes most of the time, so each register of it is read once for all rows of a tile. One
instruction multiplies 64 bytes with 64 others and adds them up in fours, in 32 bits.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from src.engines.kernels import Rows, Vector
from src.engines.kernels.jit import compiled
from src.engines.kernels.scalar import ONE, floats, largest_absolute

QUAD, LANES = 4, 64
"""Shape of a weight's blocks: bytes that one instruction adds up, and outputs side by side."""
ROWS = 5
"""Rows of a tile at most: the hypotheses of a beam. Their sums fill 20 of the 32 registers."""
LEVELS, ZERO_POINT = 127, 128
"""Quantisation of rows: levels on each side of zero, and the byte that stands for zero."""
_REGISTER = 16
"""Number of 32-bit values in an AVX-512 vector register."""
_FACTOR, _ZERO = floats(LEVELS, ZERO_POINT)

_INT, _LONG = ir.IntType(32), ir.IntType(64)
_SUMS = ir.VectorType(_INT, _REGISTER)
_FLOATS = ir.VectorType(ir.FloatType(), _REGISTER)

binding.initialize_native_asmparser()


def _tile(kinds: Sequence[Any], rows: int) -> tuple[Any, Callable[..., Any]]:
    """The signature and the code of a product of so many rows, for arguments of these types."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        def pointer(array: int, begin: Any, kind: Any) -> Any:
            data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
            return builder.bitcast(builder.gep(data, [begin]), kind.as_pointer())

        def nth(begin: Any, stride: Any, number: int) -> Any:
            return builder.add(begin, builder.mul(stride, ir.Constant(_LONG, number)))

        def at(base: Any, index: Any) -> Any:
            return builder.gep(base, [index])

        row, width, line, lane, start, stride = (arguments[number] for number in (1, 2, 4, 7, 9, 10))
        registers = [ir.Constant(_LONG, number) for number in range(LANES // _REGISTER)]
        quads = [pointer(0, nth(row, width, number), _INT) for number in range(rows)]
        packed, begins = pointer(3, line, _SUMS), pointer(5, lane, _SUMS)
        kind = ir.FunctionType(_SUMS, [_SUMS, _SUMS, _SUMS])
        multiply = ir.InlineAsm(kind, "vpdpbusd $2, $1, $0", "=v,v,v,0")
        # LLVM keeps these in registers
        sums = [[cgutils.alloca_once(builder, _SUMS) for _ in registers] for _ in quads]  # type: ignore[no-untyped-call]
        for sums_of_row in sums:
            for register, total in zip(registers, sums_of_row, strict=True):
                builder.store(builder.load(at(begins, register), align=4), total)
        with cgutils.for_range(builder, builder.udiv(width, ir.Constant(_LONG, QUAD))) as loop:
            base = builder.mul(loop.index, ir.Constant(_LONG, len(registers)))
            read = [builder.load(at(packed, builder.add(base, number)), align=1) for number in registers]
            for quad, sums_of_row in zip(quads, sums, strict=True):
                one = builder.load(at(quad, loop.index), align=1)
                first = builder.insert_element(ir.Constant(_SUMS, ir.Undefined), one, ir.Constant(_INT, 0))
                both = builder.shuffle_vector(first, first, ir.Constant(_SUMS, [0] * _REGISTER))
                for total, weight in zip(sums_of_row, read, strict=True):
                    builder.store(builder.call(multiply, [both, weight, builder.load(total)]), total)
        factors = pointer(6, lane, _FLOATS)
        for number, sums_of_row in enumerate(sums):
            target = pointer(8, nth(start, stride, number), _FLOATS)
            for register, total in zip(registers, sums_of_row, strict=True):
                made = builder.sitofp(builder.load(total), _FLOATS)
                made = builder.fmul(made, builder.load(at(factors, register), align=4))
                builder.store(made, at(target, register), align=4)
        return context.get_dummy_value()

    numbers = [types.int64 if isinstance(kind, types.Integer) else kind for kind in kinds]
    return types.void(*numbers), generate


def _product(count: int) -> Callable[..., None]:
    """The product of `count` rows with `LANES` outputs of a weight, as an intrinsic of Numba.

    Its arguments: rows (flat uint8), index of the first one, their width; the weight (flat int8), index of
    the outputs in it; what their sums begin with (int32), their factors (float32), index of the outputs in
    both; the result (flat float32), index of the first row's outputs in it, distance to the next row's.
    """

    def tile(
        _context: Any,
        rows: types.Array,
        row: types.Integer,
        width: types.Integer,
        weight: types.Array,
        line: types.Integer,
        begins: types.Array,
        factors: types.Array,
        lane: types.Integer,
        out: types.Array,
        start: types.Integer,
        stride: types.Integer,
    ) -> tuple[Any, Callable[..., Any]]:
        kinds = rows, row, width, weight, line, begins, factors, lane, out, start, stride
        return _tile(kinds, count)

    return cast("Callable[..., None]", intrinsic(tile))


_one, _two, _three, _four, _five = (_product(count) for count in range(1, ROWS + 1))


@compiled
def multiply_bytes(
    rows: Rows,
    weight: NDArray[np.int8],
    begins: NDArray[np.int32],
    factors: Vector,
    out: Rows,
    scales: Vector,
) -> None:
    """Quantise rows, and multiply them with the transpose of a weight. Needs AVX512-VNNI.

    Args:
        rows: shape (rows, inputs); they are divided by their largest absolute values.
        weight: shape (outputs / `LANES`, inputs / `QUAD`, `LANES`, `QUAD`), flat.
        begins: what takes the rows' zero point out of the sums; shape (outputs).
        factors: what the sum of integers of each output is multiplied with, shape (outputs).
        out: the result without the rows' scales, shape (rows, outputs).
        scales: the largest absolute value of each row, which its result still has to be multiplied with.
    """
    count, width = rows.shape
    outputs = out.shape[1]
    small = np.empty(count * width, np.uint8)
    bits = rows.view(np.int32)
    for row in range(count):
        most = scales[row] = largest_absolute(bits, row)
        share = ONE / most
        for at in range(width):
            rows[row, at] *= share
        for at in range(width):
            # the zero point is added before rounding, as FBGEMM does it
            small[row * width + at] = np.uint8(np.int32(np.rint(rows[row, at] * _FACTOR + _ZERO)))
    flat = out.reshape(-1)
    # output by output, so that all rows read a part of the weight while it is in the first-level cache
    for lane in range(0, outputs, LANES):
        line = lane * width
        for first in range(0, count, ROWS):
            row, start = first * width, first * outputs + lane
            left = count - first
            if left >= ROWS:
                _five(small, row, width, weight, line, begins, factors, lane, flat, start, outputs)
            elif left == 1:
                _one(small, row, width, weight, line, begins, factors, lane, flat, start, outputs)
            elif left == 2:
                _two(small, row, width, weight, line, begins, factors, lane, flat, start, outputs)
            elif left == 3:
                _three(small, row, width, weight, line, begins, factors, lane, flat, start, outputs)
            else:
                _four(small, row, width, weight, line, begins, factors, lane, flat, start, outputs)
