"""How long Kokoro makes each phoneme: a tensor inside its graph, made an output of it."""

from collections.abc import Sequence

from src.engines.base import Audio, WordSpan
from src.engines.kokoro.frames import FRAME_SAMPLES, SAMPLE_RATE

Span = tuple[int, int]

FRAME_SECONDS = 2 * FRAME_SAMPLES / SAMPLE_RATE
"""Length of a frame of the duration predictor, in seconds."""

DURATIONS = "/encoder/Clip_output_0"
"""Frames of each symbol, (1, symbols): rounded, at least one. The package `kokoro` calls it `pred_dur`."""

_GRAPH, _OUTPUT, _NAME = b"\x3a", b"\x62", b"\x0a"
"""Tags of `ModelProto.graph` (field 7), `GraphProto.output` (12), `ValueInfoProto.name` (1)."""


def with_durations(model: bytes) -> bytes:
    """The ONNX file with `DURATIONS` as one more output; as it is, if the graph has no such tensor."""
    return with_output(model, DURATIONS) if DURATIONS.encode() in model else model


def with_output(model: bytes, tensor: str) -> bytes:
    """The ONNX file with a tensor of its graph as one more output.

    Protocol buffers merge what is appended: a second `graph` field with an output alone adds that output.
    """
    return model + _field(_GRAPH, _field(_OUTPUT, _field(_NAME, tensor.encode())))


_LEAD = 2
"""Frames by which the sound comes before its durations.

`KPipeline.join_timestamps` of `kokoro` has 3. With 2, words are nearest to where two other methods find them
(`python -m benchmarks.word_times`): with 3, they begin 20 ms early.
"""


def edges(durations: Audio) -> list[float]:
    """Seconds at which each symbol begins, and the end of the last.

    The first symbol stands for the silence at the beginning, so what the sound is ahead is taken from it.
    """
    frames = durations.ravel().tolist()
    at = -float(min(_LEAD, frames[0]))
    found = [0.0]
    for count in frames:
        at += count
        found.append(at * FRAME_SECONDS)
    return found


def words_with_spaces(whole: str, spans: Sequence[Span], starts: Sequence[float]) -> tuple[WordSpan, ...]:
    """Seconds of each word. It has half of the space before it, and half of that behind it.

    Args:
        whole: the symbols.
        spans: of the words among them.
        starts: seconds at which each symbol begins, and the end of the last.
    """

    def begin(at: int) -> float:
        return (starts[at - 1] + starts[at]) / 2 if at and whole[at - 1] == " " else starts[at]

    def end(at: int) -> float:
        return (starts[at] + starts[at + 1]) / 2 if at < len(whole) and whole[at] == " " else starts[at]

    return tuple((begin(first), end(last)) for first, last in spans)


def _field(tag: bytes, content: bytes) -> bytes:
    length, size = len(content), bytearray()
    while length >= 0x80:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return tag + bytes([*size, length]) + content
