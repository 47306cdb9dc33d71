"""Kokoro's graph cut in three, so that the sound of a sentence can be made piece by piece.

The *front* is ALBERT, the durations, pitch and energy, and the decoder. It gives frames of a whole sentence,
and their pitch. The *source* makes harmonics of the pitch: the spectrogram of a sum of sines. Of a slice it
needs the phases with which that begins. The *generator* (iSTFTNet) makes sound of both: nine tenths of the
work where onnxruntime does all of it. Its convolutions look a few frames far, so a slice of frames gives a
slice of the sound. But its AdaIN layers (adaptive instance normalisation) subtract the mean over time and
divide by the deviation over time, which are known only when the whole sentence is made. So here each mean and
each variance is an output of the generator, and a value that is given instead can be its input.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.engines.kokoro.durations import DURATIONS

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

PITCH = "/encoder/Reshape_output_0"
"""Pitch of each frame in Hz, shape (1, frames)."""
FRAMES = "/decoder/decoder/decode.3/Div_4_output_0"
"""Output of the decoder, shape (1, 512, frames): 80 frames a second."""
HARMONICS = "/decoder/decoder/generator/Concat_3_output_0"
"""Spectrogram of the harmonic source, shape (1, 22, 60 a frame and one more)."""
STYLE = "style"
USE_GIVEN = "use_given_statistics"
"""Input of the generator, a boolean: whether statistics are those that are given."""
CYCLES = "cycles_before"
"""Input of the source, shape (1, 1, 9): what `_CYCLES_SO_FAR` was before the first frame."""
_CYCLES_SO_FAR = "/decoder/decoder/generator/m_source/l_sin_gen/CumSum_output_0"
"""Sum over the frames so far of each harmonic's frequency in cycles a sample, shape (1, frames, 9)."""
_GIVEN, _OWN = ":given", ":own"


@dataclass(frozen=True, slots=True)
class Parts:
    """Three ONNX files, and the names of the generator's statistics."""

    front: bytes
    source: bytes
    generator: bytes
    statistics: tuple[str, ...]
    """Names of means and variances over time, shape (1, channels, 1). `given` and `own` make of each the
    generator's input and output."""


def given(statistic: str) -> str:
    """The generator's input for a statistic."""
    return statistic + _GIVEN


def own(statistic: str) -> str:
    """The generator's output for a statistic, as its frames have it."""
    return statistic + _OWN


def cut(content: bytes) -> Parts:
    """Cut an ONNX file of Kokoro in three. Joined, they give the same samples to the bit.

    Raises:
        ValueError: the file is no ONNX model, or another export that names its tensors otherwise.
    """
    import onnx
    from onnx import TensorProto, helper
    from onnx.utils import Extractor

    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # of protobuf, which has no types
        raise ValueError(f"it is no ONNX model: {error}") from None
    graph = model.graph
    known = {output for node in graph.node for output in node.output}
    if missing := {PITCH, FRAMES, HARMONICS, DURATIONS, _CYCLES_SO_FAR} - known:
        raise ValueError(f"its graph has no {', '.join(sorted(missing))}")
    graph.value_info.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in (PITCH, FRAMES, HARMONICS, DURATIONS)
    )
    extractor = Extractor(model)
    front = extractor.extract_model([each.name for each in graph.input], [FRAMES, PITCH, DURATIONS])
    source = extractor.extract_model([PITCH], [HARMONICS])
    generator = extractor.extract_model([FRAMES, HARMONICS, STYLE], [graph.output[0].name])
    for part in (front, source, generator):
        helper.set_model_props(part, {each.key: each.value for each in model.metadata_props})
    _open_phases(source)
    statistics = _open_statistics(generator)
    return Parts(
        front.SerializeToString(), source.SerializeToString(), generator.SerializeToString(), statistics
    )


def _open_phases(source: "ModelProto") -> None:
    """Let the phases of the harmonics begin with those that are given."""
    from onnx import TensorProto, helper

    _replace(
        source.graph, [_CYCLES_SO_FAR], lambda name: helper.make_node("Add", [own(name), CYCLES], [name])
    )
    source.graph.input.append(helper.make_tensor_value_info(CYCLES, TensorProto.FLOAT, [1, 1, None]))


def _open_statistics(generator: "ModelProto") -> tuple[str, ...]:
    """Let each mean over time be an output, and be replaced by an input where `USE_GIVEN` is true."""
    from onnx import TensorProto, helper

    graph = generator.graph
    statistics = tuple(node.output[0] for node in graph.node if node.op_type == "ReduceMean")
    _replace(
        graph, statistics, lambda name: helper.make_node("Where", [USE_GIVEN, given(name), own(name)], [name])
    )
    graph.input.append(helper.make_tensor_value_info(USE_GIVEN, TensorProto.BOOL, [1]))
    graph.input.extend(_values(given, statistics))
    graph.output.extend(_values(own, statistics))
    return statistics


def _replace(graph: "GraphProto", names: Collection[str], node_of: "Callable[[str], NodeProto]") -> None:
    """Have another node make each of these tensors out of the graph's, which becomes its `own`."""
    nodes = []
    for node in graph.node:
        nodes.append(node)
        if (name := node.output[0]) in names:
            node.output[0] = own(name)
            nodes.append(node_of(name))
    del graph.node[:]
    graph.node.extend(nodes)


def _values(named: "Callable[[str], str]", statistics: Iterable[str]) -> "list[ValueInfoProto]":
    from onnx import TensorProto, helper

    return [
        helper.make_tensor_value_info(named(name), TensorProto.FLOAT, [1, None, 1]) for name in statistics
    ]
