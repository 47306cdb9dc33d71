"""Reads nodes and weights of an ONNX file: as much of Protocol Buffers as that takes, and no package for it.

The numbers are those of the fields in `onnx.proto`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types."""
_TYPES = {1: "<f4", 2: "<u1", 3: "<i1", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"}
"""NumPy's name of each `TensorProto.DataType`."""


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    kind: str
    """The operation, `Conv` for example."""
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    nodes: tuple[Node, ...]
    """Nodes in an order in which they can be computed."""
    tensors: dict[str, Array]
    """Weights and constants by name."""


def read_graph(model: bytes) -> Graph:
    """Read a model whose tensors lie in the file itself.

    Raises:
        ValueError: this is no such ONNX file.
    """
    nodes: list[Node] = []
    tensors: dict[str, Array] = {}
    try:
        for number, graph in _fields(memoryview(model)):
            if number != 7:  # ModelProto.graph
                continue
            for field, content in _fields(graph):
                if field == 1:  # GraphProto.node
                    nodes.append(_node(content))
                elif field == 5:  # GraphProto.initializer
                    name, tensor = _tensor(content)
                    tensors[name] = tensor
    except (IndexError, KeyError, TypeError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"this cannot be read as an ONNX file ({type(error).__name__}: {error})") from error
    if not nodes:
        raise ValueError("this is no ONNX file: it has no graph")
    return Graph(tuple(nodes), tensors)


def _node(message: memoryview) -> Node:
    name, kind, inputs = "", "", []
    for field, content in _fields(message):
        if field == 1:
            inputs.append(_text(content))
        elif field == 3:
            name = _text(content)
        elif field == 4:
            kind = _text(content)
    return Node(name, kind, tuple(inputs))


def _tensor(message: memoryview) -> tuple[str, Array]:
    name, kind, shape, raw = "", 1, [], memoryview(b"")
    numbers: list[float] = []
    for field, content in _fields(message):
        if field == 1:
            shape += [content] if isinstance(content, int) else list(_varints(content))
        elif field == 2:
            kind = content
        elif field == 4:  # float_data
            numbers += struct.unpack(f"<{len(content) // 4}f", content)
        elif field in (5, 7):  # int32_data, int64_data
            numbers += [content] if isinstance(content, int) else list(_varints(content))
        elif field == 8:
            name = _text(content)
        elif field == 9:
            raw = content
    values = np.frombuffer(raw, _TYPES[kind]) if len(raw) else np.array(numbers, _TYPES[kind])
    return name, values.reshape(shape)


def _text(content: memoryview) -> str:
    return bytes(content).decode()


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and content of each field: an integer, or the bytes of anything else."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            content: Any
            content, at = _varint(message, at)
        else:
            if kind == _BYTES:
                length, at = _varint(message, at)
            else:
                length = {_FIXED64: 8, _FIXED32: 4}[kind]
            if at + length > len(message):
                raise IndexError("a field ends behind its message")
            content, at = message[at : at + length], at + length
        yield tag >> 3, content


def _varints(content: memoryview) -> Iterator[int]:
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        yield value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """An integer, and where it ends. Negative ones are two's complement in 64 bits."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value - (1 << 64) if value >> 63 else value), at
        shift += 7
