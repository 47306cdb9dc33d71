"""Products of bytes on AVX-512 VNNI, from tiles that stay in registers.

One instruction multiplies 64 bytes with 64 others and adds them up in 32 bits, in fours.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS, LANES, QUAD = 5, 64, 4
"""A tile is the product of (rows, depth x steps) and (depth x steps, lanes), for the rows of a beam's
hypotheses. Its sums fill 20 of the 32 registers."""
LINE = 64
"""Bytes of a cache line."""
_REGISTER = 16
"""Number of 32-bit values in an AVX-512 vector register."""

_INT, _LONG = ir.IntType(32), ir.IntType(64)
_SUMS = ir.VectorType(_INT, _REGISTER)
_FLOATS = ir.VectorType(ir.FloatType(), _REGISTER)
_CACHE_LINE = ir.ArrayType(ir.IntType(8), LINE)

binding.initialize_native_asmparser()


def _tile(kinds: Sequence[Any], fetched: int) -> tuple[Any, Callable[..., Any]]:
    """The signature and the code of a tile, for arguments of these types."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        def pointer(array: int, begin: Any, kind: Any) -> Any:
            data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
            return builder.bitcast(builder.gep(data, [begin]), kind.as_pointer())

        def nth(begin: int, number: int) -> Any:
            further = builder.mul(arguments[begin + 1], ir.Constant(_LONG, number))
            return builder.add(arguments[begin], further)

        def at(base: Any, index: Any) -> Any:
            return builder.gep(base, [index])

        def group(number: Any, size: int) -> list[Any]:
            """Indexes of a group of so many."""
            first = builder.mul(number, ir.Constant(_LONG, size))
            return [builder.add(first, ir.Constant(_LONG, further)) for further in range(size)]

        registers = [ir.Constant(_LONG, number) for number in range(LANES // _REGISTER)]
        fours = [pointer(0, nth(1, number), _INT) for number in range(ROWS)]
        packed, ahead = pointer(3, arguments[4], _SUMS), pointer(3, arguments[5], _CACHE_LINE)
        offsets, factors = pointer(7, arguments[9], _SUMS), pointer(8, arguments[9], _FLOATS)
        multiply = ir.InlineAsm(
            ir.FunctionType(_SUMS, [_SUMS, _SUMS, _SUMS]), "vpdpbusd $2, $1, $0", "=v,v,v,0"
        )
        fetch = ir.InlineAsm(
            ir.FunctionType(ir.VoidType(), [_CACHE_LINE.as_pointer()]),
            "prefetcht1 ($0)",
            "r",
            side_effect=True,
        )
        # LLVM keeps these in registers
        sums = [[cgutils.alloca_once(builder, _SUMS) for _ in registers] for _ in fours]  # type: ignore[no-untyped-call]
        for line in sums:
            for register, one in zip(registers, line, strict=True):
                builder.store(builder.load(at(offsets, register), align=4), one)
        with cgutils.for_range(builder, arguments[6]) as loop:
            read = [builder.load(at(packed, one), align=4) for one in group(loop.index, len(registers))]
            for one in group(loop.index, fetched):
                builder.call(fetch, [at(ahead, one)])
            for four, line in zip(fours, sums, strict=True):
                one = builder.load(at(four, loop.index), align=1)
                first = builder.insert_element(ir.Constant(_SUMS, ir.Undefined), one, ir.Constant(_INT, 0))
                levels = builder.shuffle_vector(first, first, ir.Constant(_SUMS, [0] * _REGISTER))
                for total, lane in zip(line, read, strict=True):
                    builder.store(builder.call(multiply, [levels, lane, builder.load(total)]), total)
        for number, line in enumerate(sums):
            target = pointer(10, nth(11, number), _FLOATS)
            for register, total in zip(registers, line, strict=True):
                made = builder.sitofp(builder.load(total), _FLOATS)
                made = builder.fmul(made, builder.load(at(factors, register), align=4))
                builder.store(made, at(target, register), align=4)
        return context.get_dummy_value()

    numbers = [types.int64 if isinstance(kind, types.Integer) else kind for kind in kinds]
    return types.void(*numbers), generate


def _product(fetched: int) -> Callable[..., None]:
    """`put_tile`, as an intrinsic of Numba, which asks for so many cache lines in each step."""

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
    ) -> tuple[Any, Callable[..., Any]]:
        kinds = (
            rows,
            row,
            stride,
            weights,
            weight,
            ahead,
            steps,
            offsets,
            scales,
            lane,
            out,
            start,
            out_stride,
        )
        return _tile(kinds, fetched)

    return cast("Callable[..., None]", intrinsic(tile))


put_tile = _product(1)
"""Write a product of bytes to `out`. Needs AVX512-VNNI.

Args:
    rows: uint8; `ROWS` rows of `QUAD` x `steps` numbers. The first begins at `row`, the next `stride`
        further.
    weights: int8, shape (`steps`, `LANES`, `QUAD`) from `weight` on. Each step asks for a cache line of what
        begins at `ahead`, because that is read next. It may be behind the end.
    offsets: int32; what the sums of each lane begin with, from `lane` on.
    scales: float32; what they are multiplied with, likewise.
    out: float32; `ROWS` rows of `LANES` numbers, from `start` on, the next one `out_stride` further.

All arrays are flat and C-contiguous. Nothing is checked; sums must fit 32 bits.
"""
put_single_tile = _product(LANES * QUAD // LINE)
"""The same for the only tile of these weights: each step asks for as much as it reads."""
