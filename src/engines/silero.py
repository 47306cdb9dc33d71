"""Silero's network for voice activity, rewritten for ONNX Runtime.

The published graph convolves each frame by itself, over four positions or fewer, which is where nine tenths
of its time go. Here a convolution is one matrix product over all frames. The weights and the recurrent part
are those of the file, and so are the results, apart from rounding.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAME = 512
"""Samples at 16 kHz that one probability stands for: 32 ms."""
CONTEXT = 64
"""Samples before a frame that the network also sees."""
_HOP, _BINS = 128, 129
"""Samples and frequencies of the short-time Fourier transform. A window is two hops long."""
_POSITIONS = 4
"""Windows of a frame. The published graph makes five and drops the first."""
_LAYERS = ((4, 1), (2, 2), (1, 2), (1, 1))
"""Positions that each convolution writes, and its stride."""
_TAPS = 3
"""Positions that a convolution reads for one."""
_ENCODED = "/Transpose_output_0"
"""What the recurrent part reads."""

_SPECTRUM = """
    padded = Pad<mode="reflect">(input, reflected)
    kept = Slice(padded, first_sample, last_sample, axis)
    hops = Reshape(kept, by_hop)
    begins = Slice(hops, from_0, all_but_last, axis)
    ends = Slice(hops, from_1, all_hops, axis)
    windows = Concat<axis=2>(begins, ends)
    transformed = MatMul(windows, basis)
    real, imaginary = Split<axis=2>(transformed, halves)
    real_squared = Mul(real, real)
    imaginary_squared = Mul(imaginary, imaginary)
    power = Add(real_squared, imaginary_squared)
    x0 = Sqrt(power)
"""
_CONVOLUTION = """
    padded{n} = Pad(x{n}, around)
    tap{n}_0 = Slice(padded{n}, from_0, to{n}_0, axis, stride{n})
    tap{n}_1 = Slice(padded{n}, from_1, to{n}_1, axis, stride{n})
    tap{n}_2 = Slice(padded{n}, from_2, to{n}_2, axis, stride{n})
    taps{n} = Concat<axis=2>(tap{n}_0, tap{n}_1, tap{n}_2)
    product{n} = MatMul(taps{n}, weight{n})
    sum{n} = Add(product{n}, bias{n})
    x{next} = Relu(sum{n})
"""


def rewritten(path: Path) -> bytes:
    """The network of the file at `path`, as an ONNX model with the same inputs and outputs.

    Raises:
        KeyError: the file has another network.
    """
    import onnx
    from onnx import compose, helper, numpy_helper, parser
    from onnx.utils import Extractor

    model = onnx.load(str(path))
    tensors = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    convolutions = "".join(_CONVOLUTION.format(n=n, next=n + 1) for n in range(len(_LAYERS)))
    graph = parser.parse_graph(
        f"encoder (float[N, {FRAME + CONTEXT}] input) => (float[N, 1, 128] x{len(_LAYERS)})"
        f"{{{_SPECTRUM}{convolutions}}}"
    )
    constants = {**_spectrum_constants(tensors), **_convolution_constants(tensors)}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    encoder = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    recurrent = Extractor(model).extract_model([_ENCODED, "h", "c"], ["speech_probs", "hn", "cn"])
    merged: Any = compose.merge_models(encoder, recurrent, io_map=[(f"x{len(_LAYERS)}", _ENCODED)])
    return bytes(merged.SerializeToString())


def _spectrum_constants(tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    basis = tensors["encoder.feature_extractor.forward_basis_buffer"][:, 0]
    samples = (_POSITIONS + 1) * _HOP
    return {
        "basis": np.ascontiguousarray(basis.T),
        "reflected": _integers(0, _HOP, 0, _HOP),
        "first_sample": _integers(_HOP),
        "last_sample": _integers(_HOP + samples),
        "axis": _integers(1),
        "by_hop": _integers(-1, samples // _HOP, _HOP),
        "halves": _integers(_BINS, _BINS),
        "all_but_last": _integers(_POSITIONS),
        "all_hops": _integers(_POSITIONS + 1),
        "around": _integers(0, 1, 0, 0, 1, 0),
        **{f"from_{number}": _integers(number) for number in range(_TAPS)},
    }


def _convolution_constants(tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for layer, (positions, stride) in enumerate(_LAYERS):
        weight = tensors[f"encoder.conv_layers.{layer}.weight"]  # outputs, inputs, taps
        found[f"weight{layer}"] = np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, len(weight)))
        found[f"bias{layer}"] = tensors[f"encoder.conv_layers.{layer}.bias"]
        found[f"stride{layer}"] = _integers(stride)
        for tap in range(_TAPS):
            found[f"to{layer}_{tap}"] = _integers(tap + stride * (positions - 1) + 1)
    return found


def _integers(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)
