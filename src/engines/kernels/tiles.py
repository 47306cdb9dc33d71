"""Products of integers on AVX-512 VNNI, from tiles that stay in registers.

A tile is the product of some rows and `LANES` lanes beside each other. One instruction multiplies small
integers, 32 bits of a row with 32 bits of each of 16 lanes, and adds them up in 32 bits.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils

LANES = 64
"""Lanes of a tile. The sums of a row fill four registers."""
_REGISTER = 16
"""Number of 32-bit values in an AVX-512 vector register."""
_REGISTERS = LANES // _REGISTER

INT, LONG = ir.IntType(32), ir.IntType(64)
SUMS = ir.VectorType(INT, _REGISTER)
FLOATS = ir.VectorType(ir.FloatType(), _REGISTER)
_ZEROS = ir.Constant(SUMS, [0] * _REGISTER)
_FIRST = ir.Constant(LONG, 0)

Code = tuple[Any, Callable[..., Any]]
"""The signature of an intrinsic of Numba, and what writes its code."""

binding.initialize_native_asmparser()


class Tile:
    """Writes the code of a tile into a function that Numba compiles.

    Args:
        rows: how many the tile has.
        instruction: `vpdpbusd` (unsigned bytes of a row, signed ones of the lanes) or `vpdpwssd` (16 bits).
        context, builder, signature, arguments: as Numba gives them to the code of an intrinsic. Places in
            flat arrays are arguments of their own.
    """

    def __init__(
        self, rows: int, instruction: str, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any
    ) -> None:
        self._count = rows
        self._context = context
        self._builder = builder
        self._signature = signature
        self._arguments = arguments
        # LLVM knows the instructions, and makes two of one where it takes their latency for the bottleneck
        kind = ir.FunctionType(SUMS, [SUMS, SUMS, SUMS])
        self._multiply = ir.InlineAsm(kind, f"{instruction} $2, $1, $0", "=v,v,v,0")
        # LLVM keeps these in registers
        self._sums = [
            [cgutils.alloca_once(builder, SUMS) for _ in range(_REGISTERS)]  # type: ignore[no-untyped-call]
            for _ in range(rows)
        ]

    def pointer(self, array: int, begin: Any, kind: Any) -> Any:
        """A pointer to `kind`, at the number `begin` of an array.

        Args:
            array: index of the array among the arguments.
            begin: index of the number in it.
            kind: a type.
        """
        made = self._context.make_array(self._signature.args[array])
        data = made(self._context, self._builder, self._arguments[array]).data
        return self._builder.bitcast(self._builder.gep(data, [begin]), kind.as_pointer())

    def rows(self, array: int, kind: Any) -> list[Any]:
        """Pointers to the rows of an array; behind it are the first one's index and the stride."""
        begin, stride = self._arguments[array + 1], self._arguments[array + 2]
        further = [self._builder.mul(stride, ir.Constant(LONG, number)) for number in range(self._count)]
        return [self.pointer(array, self._builder.add(begin, one), kind) for one in further]

    def group(self, pointer: Any, number: Any, size: int) -> list[Any]:
        """Pointers to what a group has, if groups of `size` begin at `pointer`."""
        first = self._builder.mul(number, ir.Constant(LONG, size))
        indexes = [self._builder.add(first, ir.Constant(LONG, further)) for further in range(size)]
        return [self._builder.gep(pointer, [index]) for index in indexes]

    def begin(self, offsets: Any = None) -> None:
        """Let each row's sums begin with the `LANES` numbers that `offsets` points to, or with 0."""
        for line in self._sums:
            begins = [_ZEROS] * _REGISTERS if offsets is None else self._lanes(offsets, _FIRST)
            for total, one in zip(line, begins, strict=True):
                self._builder.store(one, total)

    def add(self, rows: Sequence[Any], packed: Any, step: Any) -> None:
        """Add the products of a step to the sums.

        Args:
            rows: a pointer to each row, which has 32 bits for a step.
            packed: a pointer to the lanes, of which each has 32 bits for a step.
            step: its number.
        """
        builder = self._builder
        read = self._lanes(packed, step)
        for row, line in zip(rows, self._sums, strict=True):
            one = builder.load(builder.gep(row, [step]), align=1)
            first = builder.insert_element(ir.Constant(SUMS, ir.Undefined), one, ir.Constant(INT, 0))
            spread = builder.shuffle_vector(first, first, _ZEROS)
            for total, lane in zip(line, read, strict=True):
                builder.store(builder.call(self._multiply, [spread, lane, builder.load(total)]), total)

    def write(self, factors: Any, array: int, *, add: bool = False) -> None:
        """Write the sums to an array of float32, each times the factor of its lane.

        Args:
            factors: a pointer to `LANES` of them.
            array: see `rows`.
            add: whether they are added to what is there.
        """
        builder = self._builder
        for target, line in zip(self.rows(array, FLOATS), self._sums, strict=True):
            places = self.group(target, _FIRST, _REGISTERS)
            for place, total, factor in zip(places, line, self._lanes(factors, _FIRST), strict=True):
                made = builder.fmul(builder.sitofp(builder.load(total), FLOATS), factor)
                if add:
                    made = builder.fadd(builder.load(place, align=4), made)
                builder.store(made, place, align=4)

    def _lanes(self, pointer: Any, number: Any) -> list[Any]:
        """The registers that hold a group of `LANES` values of 32 bits."""
        return [self._builder.load(one, align=4) for one in self.group(pointer, number, _REGISTERS)]


def signature(kinds: Sequence[Any]) -> Any:
    """The signature of a tile with arguments of these types: all integers are 64 bits wide."""
    return types.void(*(types.int64 if isinstance(kind, types.Integer) else kind for kind in kinds))
