"""Tiles (`tiles.py`) of 16-bit integers.

A core multiplies them twice as often as it multiplies numbers in float32: 32 in one instruction.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from src.engines.kernels.tiles import FLOATS, INT, LONG, SUMS, Code, Tile, signature

ROWS, PAIRS = 6, 32
"""A tile is the product of (rows, 2 x pairs) and (2 x pairs, lanes). Its sums fill 24 of the 32 registers."""


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
            made = Tile(ROWS, "vpdpwssd", context, builder, signed, arguments)
            pairs, packed = made.rows(0, INT), made.pointer(3, arguments[4], SUMS)
            made.begin()
            with cgutils.for_range(builder, ir.Constant(LONG, PAIRS)) as loop:
                made.add(pairs, packed, loop.index)
            made.write(made.pointer(5, arguments[6], FLOATS), 7, add=add)
            return context.get_dummy_value()

        return signature(kinds), generate

    return cast("Callable[..., None]", intrinsic(tile))


put_tile = _product(add=False)
"""Write a product of int16 to `out`, each lane times a scale of its own. Needs AVX512-VNNI.

Args:
    rows: int16; `ROWS` rows of 2 x `PAIRS` numbers. The first begins at `row`, the next `stride` further.
    lines: int16, shape (`PAIRS`, `LANES`, 2) from `line` on: lines 0 and 1 interleaved, then 2 and 3...
    scales: float32; `LANES` numbers from `scale` on.
    out: float32; `ROWS` rows of `LANES` numbers, from `start` on, the next one `out_stride` further.

All arrays are flat and C-contiguous. Nothing is checked; sums must fit 32 bits.
"""
add_tile = _product(add=True)
"""Add a product of int16 to `out`, as `put_tile` writes it."""
