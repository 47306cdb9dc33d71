"""Products of 16-bit integers on AVX-512 VNNI, from tiles that stay in registers.

One instruction multiplies 32 numbers with 32 others and adds them up in 32 bits. A core does so as often as
it multiplies 16 numbers in float32.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS, PAIRS, LANES = 6, 32, 64
"""A tile is the product of (rows, 2 x pairs) and (2 x pairs, lanes). Its sums fill 24 of the 32 registers."""
_REGISTER = 16
"""Number of 32-bit values in an AVX-512 vector register."""

_INT, _LONG = ir.IntType(32), ir.IntType(64)
_SUMS = ir.VectorType(_INT, _REGISTER)
_FLOATS = ir.VectorType(ir.FloatType(), _REGISTER)

binding.initialize_native_asmparser()


def _tile(kinds: Sequence[Any], add: bool) -> tuple[Any, Callable[..., Any]]:
    """The signature and the code of `put_tile` (and `add_tile`), for arguments of these types."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        def pointer(array: int, begin: Any, kind: Any) -> Any:
            data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
            return builder.bitcast(builder.gep(data, [begin]), kind.as_pointer())

        def nth(begin: int, number: int) -> Any:
            further = builder.mul(arguments[begin + 1], ir.Constant(_LONG, number))
            return builder.add(arguments[begin], further)

        def at(base: Any, index: Any) -> Any:
            return builder.gep(base, [index])

        registers = [ir.Constant(_LONG, number) for number in range(LANES // _REGISTER)]
        pairs = [pointer(0, nth(1, number), _INT) for number in range(ROWS)]
        packed = pointer(3, arguments[4], _SUMS)
        # LLVM knows the instruction, and makes two of it where it takes their latency for the bottleneck
        kind = ir.FunctionType(_SUMS, [_SUMS, _SUMS, _SUMS])
        multiply = ir.InlineAsm(kind, "vpdpwssd $2, $1, $0", "=v,v,v,0")
        # LLVM keeps these in registers
        sums = [[cgutils.alloca_once(builder, _SUMS) for _ in registers] for _ in pairs]  # type: ignore[no-untyped-call]
        for one in (one for line in sums for one in line):
            builder.store(ir.Constant(_SUMS, [0] * _REGISTER), one)
        with cgutils.for_range(builder, ir.Constant(_LONG, PAIRS)) as loop:
            base = builder.mul(loop.index, ir.Constant(_LONG, len(registers)))
            read = [builder.load(at(packed, builder.add(base, number)), align=4) for number in registers]
            for pair, line in zip(pairs, sums, strict=True):
                one = builder.load(at(pair, loop.index), align=2)
                first = builder.insert_element(ir.Constant(_SUMS, ir.Undefined), one, ir.Constant(_INT, 0))
                weight = builder.shuffle_vector(first, first, ir.Constant(_SUMS, [0] * _REGISTER))
                for total, lane in zip(line, read, strict=True):
                    builder.store(builder.call(multiply, [weight, lane, builder.load(total)]), total)
        factors = pointer(5, arguments[6], _FLOATS)
        for number, line in enumerate(sums):
            target = pointer(7, nth(8, number), _FLOATS)
            for register, total in zip(registers, line, strict=True):
                made = builder.sitofp(builder.load(total), _FLOATS)
                made = builder.fmul(made, builder.load(at(factors, register), align=4))
                place = at(target, register)
                if add:
                    made = builder.fadd(builder.load(place, align=4), made)
                builder.store(made, place, align=4)
        return context.get_dummy_value()

    numbers = [types.int64 if isinstance(kind, types.Integer) else kind for kind in kinds]
    return types.void(*numbers), generate


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
    ) -> tuple[Any, Callable[..., Any]]:
        return _tile((rows, row, stride, lines, line, scales, scale, out, start, out_stride), add)

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
