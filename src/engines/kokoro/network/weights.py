"""The network's weights out of the ONNX file, whose integers are turned back into numbers.

Biases, norms and a few others have the names of their modules in the file. Convolutions, matrices, tables and
LSTMs do not, but the nodes that use them do.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from src.engines.kokoro.onnx_file import Array, Graph, Node

_PREDICTOR = {"F0", "N", "F0_proj", "N_proj", "shared"}
"""Modules of the predictor whose nodes stand beside it."""
_SHORTER = (
    (".encoder.albert_layer_groups.0.albert_layers.0.", ".layer."),
    ("bert.encoder.", "bert."),
    ("bert.embeddings.", "bert."),
)


@dataclass(frozen=True, slots=True)
class Integers:
    """A convolution's weight as the file has it: `step` times `values`."""

    values: NDArray[np.int8]
    """Shape (outputs, inputs, taps)."""
    step: float


def integers_of(graph: Graph, within: str) -> dict[str, Integers]:
    """Weights of the quantised convolutions of a module, by the names of the layers inside it.

    Raises:
        ValueError: a weight has several scales, or does not fit 8 bits with a sign.
    """
    found: dict[str, Integers] = {}
    for node in graph.nodes:
        if node.kind != "ConvInteger" or not _module(node).startswith(within):
            continue
        weight, zero = graph.tensors[node.inputs[1]], graph.tensors[node.inputs[3]]
        scale = graph.tensors[_scale_name(node.inputs[1])]
        values = weight.astype(np.int16) - zero.astype(np.int16)
        if scale.size != 1 or zero.size != 1 or np.abs(values).max() > np.iinfo(np.int8).max:
            raise ValueError(f"the weight of {_module(node)} is quantised in another way")
        layer = _module(node).removeprefix(within)
        found[layer] = Integers(values.astype(np.int8), float(scale.ravel()[0]))
    return found


def state_of(graph: Graph, within: str = "") -> dict[str, torch.Tensor]:
    """Tensors by the names of `Network`'s parameters, and some that it has none for.

    Args:
        within: a module, whose tensors alone are wanted; their names are those inside it. Weights of its
            quantised convolutions are left out, as `integers_of` has them.
    """
    state: dict[str, Array] = {}
    for name, tensor in graph.tensors.items():
        if tensor.dtype == np.float32:
            state[_shorter(name.partition(".")[2])] = tensor
    by_name = {node.name: node for node in graph.nodes}
    for node in graph.nodes:
        if within and (node.kind == "ConvInteger" or not _module(node).startswith(within)):
            continue
        if node.kind.endswith("LSTM"):
            state.update(_lstm(node, graph))
        elif node.kind in ("ConvInteger", "MatMulInteger"):
            weight = _dequantised(graph, node.inputs[1], node.inputs[3])
            state[f"{_module(node)}.weight"] = weight if node.kind == "ConvInteger" else weight.T
        elif node.kind == "Gather" and node.inputs[0].endswith(".weight_quantized"):
            zero = by_name[f"{node.name}_DequantizeLinear"].inputs[2]
            state[f"{_module(node)}.weight"] = _dequantised(graph, node.inputs[0], zero)
        elif node.kind in ("Conv", "ConvTranspose", "MatMul") and node.inputs[1] in graph.tensors:
            weight = graph.tensors[node.inputs[1]]
            state[f"{_module(node)}.weight"] = weight.T if node.kind == "MatMul" else weight
    return {
        name.removeprefix(within): torch.from_numpy(np.array(value, np.float32, order="C"))
        for name, value in state.items()
        if name.startswith(within)
    }


def _module(node: Node) -> str:
    """`/encoder/text_encoder/cnn.0/cnn.0.0/Conv_quant` is the node of `text_encoder.cnn.0.0`."""
    parts = node.name.strip("/").split("/")[1:-1]
    behind = [*parts[1:], ""]
    parts = [one for one, after in zip(parts, behind, strict=False) if not after.startswith(f"{one}.")]
    if parts and parts[0].partition(".")[0] in _PREDICTOR:
        parts.insert(0, "predictor")
    return _shorter(".".join(parts))


def _shorter(name: str) -> str:
    for long, short in _SHORTER:
        name = name.replace(long, short)
    return name


def _dequantised(graph: Graph, quantized: str, zero: str) -> Array:
    scale = graph.tensors[_scale_name(quantized)]
    return _numbers(graph.tensors[quantized], scale, graph.tensors[zero])


def _scale_name(quantized: str) -> str:
    return quantized.removesuffix("_quantized") + "_scale"


def _numbers(integers: Array, scale: Array, zero: Array) -> Array:
    return np.asarray((integers.astype(np.float32) - zero.astype(np.float32)) * scale, np.float32)


def _lstm(node: Node, graph: Graph) -> dict[str, Array]:
    """Both directions. ONNX has the gates in the order i, o, f, c, and PyTorch i, f, c, o."""
    module = _module(node)
    biases = graph.tensors[node.inputs[3]]
    found: dict[str, Array] = {}
    for direction, suffix in enumerate(("l0", "l0_reverse")):
        for kind, weight, scale, zero in (("ih", 1, 8, 9), ("hh", 2, 10, 11)):
            integers, factor, offset = (
                graph.tensors[node.inputs[at]][direction] for at in (weight, scale, zero)
            )
            found[f"{module}.weight_{kind}_{suffix}"] = _gates(_numbers(integers, factor, offset).T)
        of_input, of_hidden = np.split(biases[direction], 2)
        found[f"{module}.bias_ih_{suffix}"] = _gates(of_input)
        found[f"{module}.bias_hh_{suffix}"] = _gates(of_hidden)
    return found


def _gates(rows: Array) -> Array:
    i, o, f, c = np.split(rows, 4)
    return np.concatenate([i, f, c, o])
