"""Instructions that compilers do not find by themselves, for `kernels.py`.

Numba keeps what it compiled of `kernels.py` until that file changes: after a change here, delete its
`__pycache__`.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from src.engines import cpu

PAIRS, LANES = 32, 64
"""Of a block that `add_products` reads."""
_REGISTER = 16
"""Numbers of float32 in a vector register of AVX-512."""

_INT = ir.IntType(32)
_BITS = ir.VectorType(_INT, _REGISTER)
_FLOATS = ir.VectorType(ir.FloatType(), _REGISTER)


def multiplies_bfloat16() -> bool:
    """The CPU has AVX512-BF16, and Numba compiles for it."""
    return cpu.multiplies_bfloat16("Numba")


def _add_products(
    _context: Any, weights: types.Array, rows: types.Array, out: types.Array
) -> tuple[Any, Callable[..., Any]]:
    """Add to each of `LANES` numbers a sum of products of bfloat16, on CPUs with AVX512-BF16 only.

    Args:
        weights: shape (2 x PAIRS), as the bits of bfloat16.
        rows: shape (PAIRS, LANES, 2), likewise: lines 0 and 1 side by side, then 2 and 3...
        out: shape (LANES), float32; `weights` times `rows` is added to it.

    All are C-contiguous; nothing is checked.
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
        # every other pair is added up apart: an addition waits for the one before
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
