"""Reads the weights of a CTranslate2 model folder, which the library itself gives nobody.

The format is that of CTranslate2's `ModelSpec.save` (binary version 6): a header, then each variable as
name, shape, type and bytes, then aliases.
"""

import mmap
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.core.errors import ModelUnavailable

Arrays = dict[str, NDArray[np.generic]]

_VERSION = 6
_TYPES = ("float32", "int8", "int16", "int32", "float16")
"""By their number in the file; bfloat16, the next, is not known to NumPy."""


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def number(self, form: str) -> int:
        form = "<" + form
        value: int
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return value

    def text(self) -> str:
        size = self.number("H")
        start, self._at = self._at, self._at + size
        return self._data[start : self._at - 1].decode()

    def array(self) -> tuple[str, NDArray[np.generic] | None]:
        name = self.text()
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind = self.number("B")
        size = self.number("I")
        start, self._at = self._at, self._at + size
        if kind >= len(_TYPES):
            return name, None
        return name, np.frombuffer(self._data[start : self._at], _TYPES[kind]).reshape(shape)


def read(folder: Path, part: str) -> Arrays:
    """Variables whose names begin with `part`, that prefix taken off.

    Raises:
        ModelUnavailable: `model.bin` is of another format, or its numbers are of a type we cannot use.
    """
    path = folder / "model.bin"
    found: Arrays = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(data)
        version = reader.number("I")
        if version != _VERSION:
            raise ModelUnavailable(f"{path} has the format {version} of CTranslate2, not {_VERSION}")
        reader.text()  # of which kind the model is
        reader.number("I")
        for _ in range(reader.number("I")):
            name, array = reader.array()
            if not name.startswith(part):
                continue
            if array is None:
                raise ModelUnavailable(f"{path} has numbers of a type that only CTranslate2 reads")
            found[name.removeprefix(part)] = array
    return found
