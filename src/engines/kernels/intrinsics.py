"""CPU instructions that LLVM does not choose by itself: AVX512-BF16's dot product of pairs."""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

PAIRS, LANES = 32, 64
"""Shape of the block of weights that `add_products` reads: pairs of numbers, and sums side by side."""
_REGISTER = 16
"""Number of float32 values in an AVX-512 vector register."""

_INT = ir.IntType(32)
_BITS = ir.VectorType(_INT, _REGISTER)
_FLOATS = ir.VectorType(ir.FloatType(), _REGISTER)


def _add_products(
    _context: Any, weights: types.Array, rows: types.Array, out: types.Array
) -> tuple[Any, Callable[..., Any]]:
    """Multiply bfloat16 weights with bfloat16 rows and add the sums to `out`. Needs AVX512-BF16.

    Args:
        weights: shape (2 x PAIRS), as the bits of bfloat16.
        rows: shape (PAIRS, LANES, 2), as the bits of bfloat16: rows 0 and 1 interleaved, then 2 and 3...
        out: shape (LANES), float32; `weights` times `rows` is added to it.

    All arrays are C-contiguous. Nothing is checked.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        arrays = zip(signature.args, arguments, strict=True)
        data = [context.make_array(kind)(context, builder, array).data for kind, array in arrays]
        pairs, lines, sums = (
            builder.bitcast(one, kind.as_pointer())
            for one, kind in zip(data, (_INT, _BITS, _FLOATS), strict=True)
        )
        kind = ir.FunctionType(_FLOATS, [_FLOATS, _BITS, _BITS])
        name = "llvm.x86.avx512bf16.dpbf16ps.512"
        multiply = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]

        def at(pointer: Any, index: int) -> Any:
            return builder.gep(pointer, [ir.Constant(_INT, index)])

        registers = LANES // _REGISTER
        made = [builder.load(at(sums, number), align=4) for number in range(registers)]
        # odd pairs have sums of their own: an addition waits for the one before it
        made += [ir.Constant(_FLOATS, [0.0] * _REGISTER)] * registers
        for pair in range(PAIRS):
            one = builder.insert_element(
                ir.Constant(_BITS, ir.Undefined), builder.load(at(pairs, pair), align=4), ir.Constant(_INT, 0)
            )
            weight = builder.shuffle_vector(one, one, ir.Constant(_BITS, [0] * _REGISTER))
            for register in range(registers):
                line = builder.load(at(lines, pair * registers + register), align=4)
                number = pair % 2 * registers + register
                made[number] = builder.call(multiply, [made[number], weight, line])
        for register in range(registers):
            total = builder.fadd(made[register], made[registers + register])
            builder.store(total, at(sums, register), align=4)
        return context.get_dummy_value()

    return types.void(weights, rows, out), generate


add_products = cast("Callable[[Any, Any, Any], None]", intrinsic(_add_products))
