"""Tiles (`tiles.py`) of bytes, which are multiplied and added up in fours."""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from src.engines.kernels.tiles import AT_ONCE, FLOATS, INT, LONG, SUMS, VNNI, Code, Tile, signature

ROWS, QUAD, LANES = 5, 4, AT_ONCE
"""A tile is the product of (rows, quad x steps) and (quad x steps, lanes), for the rows of a beam's
hypotheses. Its sums fill five eighths of the registers."""
LINE = 64
"""Bytes of a cache line."""
_LINES = LANES * QUAD // LINE
"""Cache lines that a step reads."""
_CACHE_LINE = ir.ArrayType(ir.IntType(8), LINE)
_FETCH = ir.InlineAsm(
    ir.FunctionType(ir.VoidType(), [_CACHE_LINE.as_pointer()]), "prefetcht1 ($0)", "r", side_effect=True
)


def _product(count: int, fetched: int) -> Callable[..., None]:
    """`put_tile`, as an intrinsic of Numba, of so many rows. It asks for so many cache lines in each step."""

    def tile(
        _context: Any,
        rows: types.Array,
        row: types.Integer,
        stride: types.Integer,
        weights: types.Array,
        weight: types.Integer,
        ahead: types.Integer,
        steps: types.Integer,
        offsets: types.Array,
        scales: types.Array,
        lane: types.Integer,
        out: types.Array,
        start: types.Integer,
        out_stride: types.Integer,
    ) -> Code:
        of_rows, of_weights = (rows, row, stride), (weights, weight, ahead, steps)
        kinds = *of_rows, *of_weights, offsets, scales, lane, out, start, out_stride

        def generate(context: Any, builder: ir.IRBuilder, signed: Any, arguments: Any) -> Any:
            made = Tile(count, 8, context, builder, signed, arguments)
            fours, lanes = made.rows(0, INT), made.pointer(3, arguments[4], INT)
            next_lines = made.pointer(3, arguments[5], _CACHE_LINE)
            made.begin(made.pointer(7, arguments[9], SUMS))
            with cgutils.for_range(builder, arguments[6]) as loop:
                for one in made.group(next_lines, loop.index, fetched):
                    builder.call(_FETCH, [one])
                place = builder.mul(loop.index, ir.Constant(LONG, LANES))
                step = builder.bitcast(builder.gep(lanes, [place]), SUMS.as_pointer())
                made.add(fours, step, loop.index)
            made.write(made.pointer(8, arguments[9], FLOATS), 10)
            return context.get_dummy_value()

        return signature(kinds), generate

    return cast("Callable[..., None]", intrinsic(tile))


put_tile = _product(ROWS, 1)
"""Write a product of bytes to `out`. Needs AVX2.

Args:
    rows: uint8; `ROWS` rows of `QUAD` x `steps` numbers. The first begins at `row`, the next `stride`
        further.
    weights: int8, shape (`steps`, `LANES`, `QUAD`) from `weight` on. Each step asks for a cache line of what
        begins at `ahead`, because that is read next. It may be behind the end.
    offsets: int32; what the sums of each lane begin with, from `lane` on.
    scales: float32; what they are multiplied with, likewise.
    out: float32; `ROWS` rows of `LANES` numbers, from `start` on, the next one `out_stride` further.

All arrays are flat and C-contiguous. Nothing is checked; sums must fit 32 bits, and without VNNI those of two
neighbouring products 16 bits.
"""
put_single_tile = _product(ROWS, _LINES)
"""The same for the only tile of these weights: each step asks for as much as it reads."""
put_row = _product(1, _LINES if VNNI else 0)
"""The same for one row. With AVX2 alone it asks for nothing: a row took half as long again when it did."""
