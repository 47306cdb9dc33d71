"""Products in float32 on AVX2, from tiles that stay in registers. Weights may be float16."""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from src.engines.kernels.tiles import LONG, Code, signature

ROWS, LANES = 6, 16
"""A tile's rows and lanes. Its sums fill twelve of the 16 registers."""
NARROW_ROWS, NARROW_LANES = 12, 8
"""The same of a tile for few outputs."""
HALF_ROWS = 4
"""Rows of a tile of float16: half a batch. Its sums are as many as the multipliers work on at a time."""
ROW_GROUPS = 4
"""Groups of lanes of a tile of float16 for a single row: as many sums again."""
STEPS = 4
"""Steps that are done between two tests for the end."""
_REGISTER = 8
"""Number of float32 values in an AVX register."""

_VECTOR = ir.VectorType(ir.FloatType(), _REGISTER)
_HALVES = ir.VectorType(ir.HalfType(), _REGISTER)
_BYTES = ir.IntType(8).as_pointer()
_FETCH = ir.InlineAsm(ir.FunctionType(ir.VoidType(), [_BYTES]), "prefetcht1 ($0)", "r", side_effect=True)


def _long(number: int) -> Any:
    return ir.Constant(LONG, number)


class _Tile:
    """Writes the code of a tile of `rows` x `lanes` sums; see `tiles.Tile` for the other arguments."""

    def __init__(
        self, rows: int, lanes: int, context: Any, builder: ir.IRBuilder, signed: Any, arguments: Any
    ) -> None:
        self._lanes = lanes
        self._context = context
        self._builder = builder
        self._signed = signed
        self._arguments = arguments
        self._add = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{_REGISTER}f32"
        )
        # LLVM keeps these in registers
        self._sums = [
            [cgutils.alloca_once(builder, _VECTOR) for _ in range(lanes // _REGISTER)]  # type: ignore[no-untyped-call]
            for _ in range(rows)
        ]

    def pointer(self, array: int, begin: Any) -> Any:
        """A pointer to the number `begin` of an array, which is an argument."""
        made = self._context.make_array(self._signed.args[array])
        data = made(self._context, self._builder, self._arguments[array]).data
        return self._builder.gep(data, [begin])

    def begin(self, pointer: Any, stride: Any) -> None:
        """Let the sums begin with rows of `lanes` numbers, the next one `stride` further."""
        for number, line in enumerate(self._sums):
            row = self._builder.gep(pointer, [self._builder.mul(stride, _long(number))])
            for total, one in zip(line, self._vectors(row, _VECTOR, self._lanes), strict=True):
                self._builder.store(self._builder.load(one, align=4), total)

    def add(
        self, rows: Sequence[Any], weights: Sequence[Any], kind: ir.VectorType, steps: Any, fetch: Any = None
    ) -> None:
        """Add the products of a number of steps, a multiple of `STEPS`.

        Args:
            rows: a pointer to each row, which has a number for a step.
            weights: pointers to the lanes of the first step. Each has as many, and those of the next step
                behind them.
            kind: type of the vectors that the lanes are.
            fetch: is called with the number of each group of `STEPS`.
        """
        builder = self._builder
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), _REGISTER), [0] * _REGISTER)
        width = self._lanes // len(weights)
        with cgutils.for_range(builder, builder.udiv(steps, _long(STEPS))) as loop:
            if fetch is not None:
                fetch(loop.index)
            first = builder.mul(loop.index, _long(STEPS))
            for step in (builder.add(first, _long(further)) for further in range(STEPS)):
                begins = [builder.gep(one, [builder.mul(step, _long(width))]) for one in weights]
                vectors = [one for at in begins for one in self._vectors(at, kind, width)]
                lanes = [builder.load(one, align=2) for one in vectors]
                if kind is not _VECTOR:
                    lanes = [builder.fpext(one, _VECTOR) for one in lanes]
                for row, line in zip(rows, self._sums, strict=True):
                    number = builder.load(builder.gep(row, [step]), align=4)
                    alone = builder.insert_element(
                        ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(ir.IntType(32), 0)
                    )
                    spread = builder.shuffle_vector(alone, alone, zeros)
                    for total, lane in zip(line, lanes, strict=True):
                        builder.store(builder.call(self._add, [spread, lane, builder.load(total)]), total)

    def write(self, pointer: Any, stride: Any) -> None:
        """Write the sums to rows of `lanes` numbers, the next one `stride` further."""
        for number, line in enumerate(self._sums):
            row = self._builder.gep(pointer, [self._builder.mul(stride, _long(number))])
            for total, one in zip(line, self._vectors(row, _VECTOR, self._lanes), strict=True):
                self._builder.store(self._builder.load(total), one, align=4)

    def _vectors(self, pointer: Any, kind: ir.VectorType, lanes: int) -> list[Any]:
        """Pointers to the vectors of so many values."""
        first = self._builder.bitcast(pointer, kind.as_pointer())
        return [self._builder.gep(first, [_long(number)]) for number in range(lanes // _REGISTER)]


def _product(count: int, lanes: int) -> Any:
    """`put_tile`, as an intrinsic of Numba, with so many rows and lanes."""

    def tile(
        _context: Any,
        rows: types.Array,
        places: types.Array,
        place: types.Integer,
        offset: types.Integer,
        parts: types.Integer,
        distance: types.Integer,
        depth: types.Integer,
        weights: types.Array,
        weight: types.Integer,
        begins: types.Array,
        begin: types.Integer,
        begin_stride: types.Integer,
        out: types.Array,
        start: types.Integer,
        out_stride: types.Integer,
    ) -> Code:
        of_rows, of_weights = (rows, places, place, offset, parts, distance, depth), (weights, weight)
        kinds = *of_rows, *of_weights, begins, begin, begin_stride, out, start, out_stride

        def generate(context: Any, builder: ir.IRBuilder, signed: Any, arguments: Any) -> Any:
            _, _, place, offset, parts, distance, depth, _, weight = arguments[:9]
            made = _Tile(count, lanes, context, builder, signed, arguments)
            firsts = [
                builder.add(builder.load(made.pointer(1, builder.add(place, _long(row)))), offset)
                for row in range(count)
            ]
            pointers = [made.pointer(0, first) for first in firsts]
            first_lanes = made.pointer(7, weight)
            made.begin(made.pointer(9, arguments[10]), arguments[11])
            with cgutils.for_range(builder, parts) as part:
                skipped = builder.mul(part.index, distance)
                begun = builder.mul(builder.mul(part.index, depth), _long(lanes))
                made.add(
                    [builder.gep(pointer, [skipped]) for pointer in pointers],
                    [builder.gep(first_lanes, [begun])],
                    _VECTOR,
                    depth,
                )
            made.write(made.pointer(12, arguments[13]), arguments[14])
            return context.get_dummy_value()

        return signature(kinds), generate

    return intrinsic(tile)


def _half_product(count: int, groups: int) -> Any:
    """`put_half_tile`, as an intrinsic of Numba, with so many rows and groups of `LANES` lanes."""

    def tile(
        _context: Any,
        rows: types.Array,
        places: types.Array,
        place: types.Integer,
        depth: types.Integer,
        weights: types.Array,
        weight: types.Integer,
        ahead: types.Integer,
        pace: types.Integer,
        begins: types.Array,
        begin: types.Integer,
        out: types.Array,
        start: types.Integer,
        out_stride: types.Integer,
    ) -> Code:
        of_rows, of_weights = (rows, places, place, depth), (weights, weight, ahead, pace)
        kinds = *of_rows, *of_weights, begins, begin, out, start, out_stride

        def generate(context: Any, builder: ir.IRBuilder, signed: Any, arguments: Any) -> Any:
            _, _, place, depth, _, weight, ahead, pace = arguments[:8]
            made = _Tile(count, groups * LANES, context, builder, signed, arguments)
            pointers = [
                made.pointer(0, builder.load(made.pointer(1, builder.add(place, _long(row)))))
                for row in range(count)
            ]
            size = builder.mul(depth, _long(LANES))
            lanes = [
                made.pointer(4, builder.add(weight, builder.mul(size, _long(group))))
                for group in range(groups)
            ]
            next_ = made.pointer(4, ahead)

            def fetch(number: Any) -> None:
                for half in range(2):
                    further = builder.add(builder.mul(number, _long(2)), _long(half))
                    line = builder.gep(next_, [builder.mul(further, pace)])
                    builder.call(_FETCH, [builder.bitcast(line, _BYTES)])

            made.begin(made.pointer(8, arguments[9]), _long(0))
            made.add(pointers, lanes, _HALVES, depth, fetch if groups == 1 else None)
            made.write(made.pointer(10, arguments[11]), arguments[12])
            return context.get_dummy_value()

        return signature(kinds), generate

    return intrinsic(tile)


put_tile = _product(ROWS, LANES)
"""Write a product to `out`. Needs AVX2 and FMA.

Args:
    rows: float32. A row of the product consists of `parts` parts of `depth` numbers, a multiple of `STEPS`;
        each part begins `distance` behind the one before.
    places: int64; where the `ROWS` rows begin, from `place` on. `offset` is added to each.
    weights: float32, shape (`parts` x `depth`, `LANES`) from `weight` on.
    begins: float32; what the sums begin with: `ROWS` rows of `LANES` numbers, from `begin` on, the next one
        `begin_stride` further. With a stride of 0 all rows begin with the same.
    out: float32; `ROWS` rows of `LANES` numbers, from `start` on, the next one `out_stride` further.

All arrays are flat and C-contiguous. Nothing is checked.
"""
put_narrow_tile = _product(NARROW_ROWS, NARROW_LANES)
"""The same for `NARROW_ROWS` and `NARROW_LANES`."""
put_half_tile = _half_product(HALF_ROWS, 1)
"""`put_tile` with weights of float16, for `HALF_ROWS` rows of one part. Needs F16C as well.

Args:
    weights: the bits of float16, as uint16.
    ahead: the cache line with this weight is asked for, and after every `STEPS` / 2 steps one that is `pace`
        weights further. It may be behind the end.
    begins: `LANES` numbers from `begin` on, for all rows.
"""
put_half_row = _half_product(1, ROW_GROUPS)
"""The same for one row and the lanes of `ROW_GROUPS` groups, which begin with as many numbers each.

It reads as many places of the weights at a time, and asks for nothing ahead.
"""
