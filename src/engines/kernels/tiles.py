"""Products of integers on AVX-512 VNNI and on AVX2, from tiles that stay in registers.

A tile is the product of some rows and of lanes beside each other. A step multiplies small integers, 32 bits
of a row with 32 bits of each lane, and adds them up in 32 bits. VNNI has an instruction for that. AVX2 takes
two or three, and adds two products of bytes in 16 bits, with saturation.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils

from src.engines import cpu

VNNI = cpu.multiplies_words("Numba")
"""Otherwise the code is for AVX2."""
LANES = 64
"""Numbers of an attention head, and lanes of its tiles."""
AT_ONCE = LANES if VNNI else 16
"""Lanes whose sums are in registers at a time."""
_REGISTER = 16 if VNNI else 8
"""Number of 32-bit values in a vector register."""
_REGISTERS = AT_ONCE // _REGISTER
_PENDING = 4
"""Products that AVX2 makes before it adds any. With two, tiles of 16-bit integers were a tenth slower."""

INT, LONG = ir.IntType(32), ir.IntType(64)
SUMS = ir.VectorType(INT, _REGISTER)
_ONES = ir.Constant(SUMS, [0x00010001] * _REGISTER)
FLOATS = ir.VectorType(ir.FloatType(), _REGISTER)
_ZEROS = ir.Constant(SUMS, [0] * _REGISTER)
_FIRST = ir.Constant(LONG, 0)

Code = tuple[Any, Callable[..., Any]]
"""The signature of an intrinsic of Numba, and what writes its code."""

binding.initialize_native_asmparser()


class Tile:
    """Writes the code of a tile of `AT_ONCE` lanes into a function that Numba compiles.

    Args:
        rows: how many the tile has.
        bits: 8: unsigned bytes of a row and signed ones of the lanes; 16: signed numbers.
        context, builder, signature, arguments: as Numba gives them to the code of an intrinsic. Places in
            flat arrays are arguments of their own.
    """

    def __init__(
        self, rows: int, bits: int, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any
    ) -> None:
        self._count = rows
        self._bits = bits
        self._context = context
        self._builder = builder
        self._signature = signature
        self._arguments = arguments
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
        """Let each row's sums begin with the `AT_ONCE` numbers that `offsets` points to, or with 0."""
        for line in self._sums:
            begins = [_ZEROS] * _REGISTERS if offsets is None else self._lanes(offsets)
            for total, one in zip(line, begins, strict=True):
                self._builder.store(one, total)

    def add(self, rows: Sequence[Any], packed: Any, step: Any) -> None:
        """Add the products of a step to the sums.

        Args:
            rows: a pointer to each row, which has 32 bits for a step.
            packed: a pointer to the step's lanes, of which each has 32 bits.
            step: its number.
        """
        builder = self._builder
        read = self._lanes(packed)
        pairs: list[tuple[Any, Any, Any]] = []
        for row, line in zip(rows, self._sums, strict=True):
            one = builder.load(builder.gep(row, [step]), align=1)
            first = builder.insert_element(ir.Constant(SUMS, ir.Undefined), one, ir.Constant(INT, 0))
            spread = builder.shuffle_vector(first, first, _ZEROS)
            pairs += [(total, spread, lane) for total, lane in zip(line, read, strict=True)]
        for begin in range(0, len(pairs), _PENDING):
            self._add(pairs[begin : begin + _PENDING])

    def _add(self, pairs: Sequence[tuple[Any, Any, Any]]) -> None:
        """Add products to sums: of each triple, the product of the second and third to the first."""
        if VNNI:
            name = "vpdpbusd" if self._bits == 8 else "vpdpwssd"
            for total, spread, lane in pairs:
                made = self._instruction(f"{name} $2, $1, $0", spread, lane, self._builder.load(total))
                self._builder.store(made, total)
            return
        name = "vpmaddubsw" if self._bits == 8 else "vpmaddwd"
        products = [self._instruction(f"{name} $2, $1, $0", spread, lane) for _, spread, lane in pairs]
        if self._bits == 8:
            products = [self._instruction("vpmaddwd $2, $1, $0", one, _ONES) for one in products]
        for (total, _, _), product in zip(pairs, products, strict=True):
            self._builder.store(self._builder.add(self._builder.load(total), product), total)

    def _instruction(self, code: str, *inputs: Any) -> Any:
        """The result of an instruction. It adds to a third input, if there is one.

        LLVM knows the instructions, and makes others of them where it takes their latency for the bottleneck.
        """
        kind = ir.FunctionType(SUMS, [SUMS] * len(inputs))
        places = ["=v", "v", "v", "0"][: 1 + len(inputs)]
        return self._builder.call(ir.InlineAsm(kind, code, ",".join(places)), inputs)

    def write(self, factors: Any, array: int, lane: Any = _FIRST, *, add: bool = False) -> None:
        """Write the sums to an array of float32, each times the factor of its lane.

        Args:
            factors: a pointer to `AT_ONCE` of them.
            array: see `rows`.
            lane: the lane of the array's rows that is the tile's first.
            add: whether they are added to what is there.
        """
        builder = self._builder
        for row, line in zip(self.rows(array, ir.FloatType()), self._sums, strict=True):
            target = builder.bitcast(builder.gep(row, [lane]), FLOATS.as_pointer())
            places = self.group(target, _FIRST, _REGISTERS)
            for place, total, factor in zip(places, line, self._lanes(factors), strict=True):
                made = builder.fmul(builder.sitofp(builder.load(total), FLOATS), factor)
                if add:
                    made = builder.fadd(builder.load(place, align=4), made)
                builder.store(made, place, align=4)

    def _lanes(self, pointer: Any) -> list[Any]:
        """The registers that hold `AT_ONCE` values of 32 bits."""
        return [self._builder.load(one, align=4) for one in self.group(pointer, _FIRST, _REGISTERS)]


def signature(kinds: Sequence[Any]) -> Any:
    """The signature of a tile with arguments of these types: all integers are 64 bits wide."""
    return types.void(*(types.int64 if isinstance(kind, types.Integer) else kind for kind in kinds))
