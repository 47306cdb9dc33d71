"""Kokoro's network in PyTorch, against the graph whose weights it has: on the CPU, stage by stage.

The graph computes with activations of 8 bits, and so it differs from the network, whose are float32: by what
is asserted here. With the graph's weights as numbers, they agreed to 126 dB and more.
"""

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from kokoro_onnx.config import DEFAULT_VOCAB
from torchaudio.transforms import MelSpectrogram

from src.config import Settings
from src.engines import cpu
from src.engines.base import Audio
from src.engines.kokoro.durations import DURATIONS, with_output
from src.engines.kokoro.network.decoder import samples_of
from src.engines.kokoro.network.model import Network, open_network
from src.engines.kokoro.onnx_file import read_graph
from src.engines.kokoro.onnx_model import OnnxModel
from src.engines.kokoro.torch_model import TorchModel
from src.weights.store import KokoroFiles, ModelStore

pytestmark = pytest.mark.models

TEXT = "/encoder/text_encoder/Transpose_2_output_0"
FRAMES = "/encoder/MatMul_1_output_0"
PITCH, ENERGY = "/encoder/Reshape_output_0", "/encoder/Reshape_1_output_0"
DECODED = "/decoder/decoder/decode.3/Div_4_output_0"
SOURCE = "/decoder/decoder/generator/Concat_3_output_0"
COLUMNS = "/decoder/decoder/generator/conv_post/Conv_output_0"
STAGES = (DURATIONS, TEXT, FRAMES, PITCH, ENERGY, DECODED, SOURCE, COLUMNS)

PHONEMES = "jˈɛs, ðɛɹ."


@pytest.fixture(scope="module")
def files(make_settings: Callable[..., Settings]) -> KokoroFiles:
    return ModelStore(make_settings().models_dir).kokoro()


@pytest.fixture(scope="module")
def network(files: KokoroFiles) -> Network:
    return open_network(files.model, "cpu")


@pytest.fixture(scope="module")
def graph(files: KokoroFiles) -> onnxruntime.InferenceSession:
    model = files.model.read_bytes()
    for stage in STAGES:
        model = with_output(model, stage)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def likeness(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Signal over difference in dB."""
    assert ours.shape == theirs.shape
    return float(10 * torch.log10(theirs.square().sum() / (ours - theirs).square().sum()))


def said(files: KokoroFiles) -> tuple[list[int], Audio]:
    """Tokens and style."""
    tokens = [DEFAULT_VOCAB[sound] for sound in PHONEMES]
    table = np.fromfile(files.voices["af_heart"], np.float32).reshape(-1, 1, 256)
    return tokens, table[len(tokens) - 1]


def test_each_stage_makes_of_the_graphs_input_what_the_graph_does(
    files: KokoroFiles, network: Network, graph: onnxruntime.InferenceSession
) -> None:
    tokens, style = said(files)
    symbols = np.array([[0, *tokens, 0]])
    inputs = {"tokens": symbols, "style": style, "speed": np.ones(1, np.float32)}
    names = [output.name for output in graph.get_outputs()]
    made = {name: torch.from_numpy(value) for name, value in zip(names, graph.run(None, inputs), strict=True)}
    of_sound = torch.from_numpy(style[:, :128])

    with torch.inference_mode():
        durations, _, _, _ = network.front(torch.from_numpy(symbols), torch.from_numpy(style))
        assert (durations - made[DURATIONS][0]).abs().max() <= 1
        assert likeness(network.text_encoder(torch.from_numpy(symbols)), made[TEXT]) > 35
        decoder, generator = network.decoder, network.decoder.generator
        decoded = decoder.before_generator(made[FRAMES], made[PITCH], made[ENERGY], of_sound)
        assert likeness(decoded, made[DECODED]) > 20
        # phases are arbitrary where there is nothing, so magnitudes alone
        source = generator.source(made[PITCH])
        assert likeness(source[:, :11], made[SOURCE][:, :11]) > 45
        assert likeness(generator(made[DECODED], of_sound, made[SOURCE]), made[COLUMNS]) > 30
        assert likeness(samples_of(made[COLUMNS]), made[names[0]]) > 80


def test_a_sentence_sounds_as_the_graphs_does(files: KokoroFiles) -> None:
    tokens, style = said(files)

    audio, durations = TorchModel(files.model, "cpu").speak(tokens, style)
    expected, of_graph = OnnxModel(files.model, 1, "float32").speak(tokens, style)

    assert durations is not None and of_graph is not None
    assert np.abs(durations - of_graph.ravel()).max() <= 1
    assert audio.dtype == expected.dtype == np.float32
    assert len(audio) == 600 * durations.sum()
    assert np.abs(audio).max() == pytest.approx(np.abs(expected).max(), rel=0.3)
    loudness = [np.sqrt(np.mean(np.square(each))) for each in (audio, expected)]
    assert loudness[0] == pytest.approx(loudness[1], rel=0.1)


@pytest.mark.instructions
@pytest.mark.skipif(cpu.in_use("oneDNN") < cpu.Level.AVX2, reason="onnxruntime runs the generator here")
def test_onednns_generator_is_nearer_to_float32_than_the_graph(files: KokoroFiles, network: Network) -> None:
    tokens, style = said(files)
    graph, ours = OnnxModel(files.model, 1, "float32"), OnnxModel(files.model, threads=2)
    frames = graph.frames(graph.decode(tokens, style))
    generator = network.decoder.generator
    with torch.inference_mode():
        decoded, source = torch.from_numpy(frames.frames), torch.from_numpy(frames.harmonics)
        exact = samples_of(generator(decoded, torch.from_numpy(style[:, :128]), source)).numpy()

    whole, own = graph.speak_with_statistics(tokens, style)
    made, statistics = ours.speak_with_statistics(tokens, style)
    ours.close()

    assert made.shape == exact.shape
    distances = [mel_distance(exact, each) for each in (made, whole)]
    # 0.6 and 1.0 dB over eight sentences of six voices
    assert distances[0] < 0.85 * distances[1]
    assert distances[0] < 1
    # slices of both are normalised with the same, in the same order
    for mine, its in zip(statistics, own, strict=True):
        assert mine.shape == its.shape
        assert np.abs(mine - its).max() < 0.2 * np.abs(its).max()


def mel_distance(one: Audio, other: Audio) -> float:
    """Mean difference in dB."""
    # the same as librosa's, whose import compiles for half a minute where Numba has no cache for the CPU
    melspectrogram = MelSpectrogram(
        24_000, n_fft=1024, hop_length=256, n_mels=80, power=1.0, norm="slaney", mel_scale="slaney",
        pad_mode="constant",
    )  # fmt: skip
    mels = [melspectrogram(torch.from_numpy(each)).numpy() for each in (one, other)]
    levels = [20 * np.log10(np.maximum(each, 1e-4)) for each in mels]
    return float(np.abs(levels[0] - levels[1]).mean())


def test_what_is_no_onnx_file_is_refused() -> None:
    for broken in (b"\x00" * 1000, b"\x3a\xff\xff", b"\x3a\x02\x0a\x7f", b"GIF89a" * 100):
        with pytest.raises(ValueError, match="ONNX file"):
            read_graph(broken)
