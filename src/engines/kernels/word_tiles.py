"""Tiles (`tiles.py`) of 16-bit integers.

A core multiplies them twice as often as it multiplies numbers in float32.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from src.engines.kernels.tiles import AT_ONCE, FLOATS, INT, LANES, LONG, SUMS, Code, Tile, signature

ROWS, PAIRS = 6, 32
"""A tile is the product of (rows, 2 x pairs) and (2 x pairs, lanes). The sums that are in registers at a time
fill three quarters of them."""


def _long(number: int) -> Any:
    return ir.Constant(LONG, number)


def _product(*, add: bool) -> Callable[..., None]:
    """`add_tile` or `put_tile`, as an intrinsic of Numba."""

    def tile(
        _context: Any,
        rows: types.Array,
        row: types.Integer,
        stride: types.Integer,
        lines: types.Array,
        line: types.Integer,
        scales: types.Array,
        scale: types.Integer,
        out: types.Array,
        start: types.Integer,
        out_stride: types.Integer,
    ) -> Code:
        kinds = rows, row, stride, lines, line, scales, scale, out, start, out_stride

        def generate(context: Any, builder: ir.IRBuilder, signed: Any, arguments: Any) -> Any:
            made = Tile(ROWS, 16, context, builder, signed, arguments)
            pairs, lanes = made.rows(0, INT), made.pointer(3, arguments[4], INT)
            with cgutils.for_range(builder, _long(LANES // AT_ONCE)) as part:
                lane = builder.mul(part.index, _long(AT_ONCE))
                of_part = builder.gep(lanes, [builder.mul(lane, _long(PAIRS))])
                made.begin()
                with cgutils.for_range(builder, _long(PAIRS)) as loop:
                    place = builder.mul(loop.index, _long(AT_ONCE))
                    step = builder.bitcast(builder.gep(of_part, [place]), SUMS.as_pointer())
                    made.add(pairs, step, loop.index)
                scale = made.pointer(5, builder.add(arguments[6], lane), FLOATS)
                made.write(scale, 7, lane, add=add)
            return context.get_dummy_value()

        return signature(kinds), generate

    return cast("Callable[..., None]", intrinsic(tile))


put_tile = _product(add=False)
"""Write a product of int16 to `out`, each lane times a scale of its own. Needs AVX2.

Args:
    rows: int16; `ROWS` rows of 2 x `PAIRS` numbers. The first begins at `row`, the next `stride` further.
    lines: int16, shape (`LANES` / `AT_ONCE`, `PAIRS`, `AT_ONCE`, 2) from `line` on: `AT_ONCE` numbers of
        lines 0 and 1 interleaved, then of lines 2 and 3...
    scales: float32; `LANES` numbers from `scale` on.
    out: float32; `ROWS` rows of `LANES` numbers, from `start` on, the next one `out_stride` further.

All arrays are flat and C-contiguous. Nothing is checked; sums must fit 32 bits.
"""
add_tile = _product(add=True)
"""Add a product of int16 to `out`, as `put_tile` writes it."""
