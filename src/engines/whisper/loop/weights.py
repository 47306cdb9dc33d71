"""Reads the weights of a CTranslate2 model folder; the library itself has no function for it.

The format is that of CTranslate2's `ModelSpec.save` (binary version 6): a header, then each variable as
name, shape, type and bytes, then aliases: names of variables that are equal to one that is in the file.
"""

import json
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.errors import ModelUnavailable

Arrays = dict[str, NDArray[np.generic]]

VERSION = 6
"""The version of the binary format that `read` knows."""
_TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
"""Types of arrays, by their number in the file."""
_LEAST_MULTILINGUAL = 51_865
"""Tokens of the smallest multilingual vocabulary. openai/whisper tells English-only models by fewer."""


@dataclass(frozen=True, slots=True)
class _Variable:
    """Where a variable is in the file."""

    shape: tuple[int, ...]
    kind: str
    start: int
    size: int

    def array(self, data: mmap.mmap) -> NDArray[np.generic]:
        """A view of the file, which takes no memory of its own; a copy where NumPy lacks the type."""
        if self.kind == "bfloat16":  # the upper half of a float32
            bits = np.frombuffer(data, np.uint16, self.size // 2, self.start).astype(np.uint32) << 16
            return bits.view(np.float32).reshape(self.shape)
        count = self.size // np.dtype(self.kind).itemsize
        return np.frombuffer(data, self.kind, count, self.start).reshape(self.shape)


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

    def variable(self) -> _Variable:
        shape = tuple(self.number("I") for _ in range(self.number("B")))
        kind = self.number("B")
        size = self.number("I")
        start, self._at = self._at, self._at + size
        return _Variable(shape, _TYPES[kind], start, size)


def version(folder: Path) -> int:
    """The version of the binary format of `model.bin`."""
    with (folder / "model.bin").open("rb") as file:
        return int.from_bytes(file.read(4), "little")


def read(folder: Path, part: str) -> Arrays:
    """The arrays whose names begin with `part`, without that prefix. Who writes to them writes to a copy.

    Raises:
        ModelUnavailable: `model.bin` is of another format.
    """
    variables, data = _index(folder)
    return {
        name.removeprefix(part): one.array(data) for name, one in variables.items() if name.startswith(part)
    }


@dataclass(frozen=True, slots=True)
class ModelKind:
    """What a model takes and knows."""

    mels: int
    """Mel bands of its input."""
    multilingual: bool
    """Whether it knows other languages than English."""


def kind_of(folder: Path) -> ModelKind:
    """What a model takes and knows, by the shapes of its weights.

    Raises:
        ModelUnavailable: as `read`.
    """
    variables, _ = _index(folder)
    mels = variables["encoder/conv1/weight"].shape[1]
    tokens = variables["decoder/embeddings/weight"].shape[0]
    return ModelKind(mels, tokens >= _LEAST_MULTILINGUAL)


def head_widths(folder: Path) -> tuple[int, int]:
    """The width of an attention head of the encoder, and of the decoder.

    Raises:
        ModelUnavailable: as `read`.
    """
    variables, data = _index(folder)
    encoder, decoder = (
        variables[f"{part}/layer_norm/gamma"].shape[0] // variables[f"{part}/num_heads"].array(data).item()
        for part in ("encoder", "decoder")
    )
    return encoder, decoder


def _index(folder: Path) -> tuple[dict[str, _Variable], mmap.mmap]:
    """Names and places of all variables, and the file they are in."""
    path = folder / "model.bin"
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    reader = _Reader(data)
    found_version = reader.number("I")
    if found_version != VERSION:
        raise ModelUnavailable(f"{path} has the format {found_version} of CTranslate2, not {VERSION}")
    reader.text()  # the kind of the model
    reader.number("I")
    variables: dict[str, _Variable] = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        variables[name] = reader.variable()
    for _ in range(reader.number("I")):
        alias, name = reader.text(), reader.text()
        variables[alias] = variables[name]
        if f"{name}_scale" in variables:  # only the variable itself is listed
            variables[f"{alias}_scale"] = variables[f"{name}_scale"]
    return variables, data


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
