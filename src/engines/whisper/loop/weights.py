"""Reads the weights of a CTranslate2 model folder; the library itself has no function for it.

The format is that of CTranslate2's `ModelSpec.save` (binary version 6): a header, then each variable as
name, shape, type and bytes, then aliases.
"""

import json
import mmap
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.errors import ModelUnavailable

Arrays = dict[str, NDArray[np.generic]]

VERSION = 6
"""The version of the binary format that `read` knows."""
_TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
"""Types of arrays, by their number in the file."""


class _Reader:
    """Reads the file from its start to its end."""

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

    def array(self) -> tuple[str, NDArray[np.generic]]:
        name = self.text()
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind = self.number("B")
        size = self.number("I")
        start, self._at = self._at, self._at + size
        data = self._data[start : self._at]
        if _TYPES[kind] == "bfloat16":  # unknown to NumPy: the upper half of a float32
            array = (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            array = np.frombuffer(data, _TYPES[kind])
        return name, array.reshape(shape)


def version(folder: Path) -> int:
    """The version of the binary format of `model.bin`."""
    with (folder / "model.bin").open("rb") as file:
        return int.from_bytes(file.read(4), "little")


def read(folder: Path, part: str) -> Arrays:
    """The arrays whose names begin with `part`, without that prefix.

    Raises:
        ModelUnavailable: `model.bin` is of another format.
    """
    path = folder / "model.bin"
    found: Arrays = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(data)
        found_version = reader.number("I")
        if found_version != VERSION:
            raise ModelUnavailable(f"{path} has the format {found_version} of CTranslate2, not {VERSION}")
        reader.text()  # the kind of the model
        reader.number("I")
        for _ in range(reader.number("I")):
            name, array = reader.array()
            if name.startswith(part):
                found[name.removeprefix(part)] = array
    return found


def alignment_heads(folder: Path, layers: int, heads: int) -> list[tuple[int, int]]:
    """The decoder's heads that follow the audio, as (layer, head).

    CTranslate2's converter writes them to `config.json` for the models that it knows. Else they are, as in
    openai/whisper, all heads of the upper half of the layers.
    """
    config = folder / "config.json"
    known = json.loads(config.read_text()).get("alignment_heads") if config.is_file() else None
    if known:
        return [(int(layer), int(head)) for layer, head in known if layer < layers and head < heads]
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]
