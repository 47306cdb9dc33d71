"""The whole network, and how it is opened."""

from pathlib import Path

import torch
from torch import Tensor, nn

from src.engines.kokoro.network.albert import Albert
from src.engines.kokoro.network.decoder import Decoder
from src.engines.kokoro.network.layers import STYLE
from src.engines.kokoro.network.prosody import Predictor, TextEncoder
from src.engines.kokoro.network.weights import state_of
from src.engines.kokoro.onnx_file import read_graph

_SYMBOLS, _WIDTH = 178, 512


class Network(nn.Module):
    """The whole network: from the tokens of one sentence to its samples."""

    def __init__(self) -> None:
        super().__init__()
        self.bert = Albert(_SYMBOLS)
        self.bert_encoder = nn.Linear(768, _WIDTH)
        self.predictor = Predictor(_WIDTH)
        self.text_encoder = TextEncoder(_SYMBOLS, _WIDTH)
        self.decoder = Decoder(_WIDTH)

    def front(self, tokens: Tensor, style: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Frames of each symbol (n,), and for all frames the text's features, pitch and energy.

        Args:
            tokens: (1, n), with the symbol that begins and ends a sequence.
            style: (1, 256).
        """
        of_prosody = style[:, STYLE:]
        symbols, expected = self.predictor.durations(self.bert_encoder(self.bert(tokens)), of_prosody)
        durations = expected.round().clamp(min=1).long()
        pitch, energy = self.predictor.curves(symbols.repeat_interleave(durations, 1), of_prosody)
        text = self.text_encoder(tokens).repeat_interleave(durations, 2)
        return durations, text, pitch, energy

    def forward(self, tokens: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Samples (n,) at 24 kHz, and frames of each symbol; arguments as for `front`."""
        durations, text, pitch, energy = self.front(tokens, style)
        return self.decoder(text, pitch, energy, style[:, :STYLE]), durations


def open_network(file: Path, device: str) -> Network:
    """Build the network on a device, with the weights of an ONNX file.

    Raises:
        ValueError: this is no ONNX file, or not of Kokoro-82M as it was exported and quantised.
    """
    with torch.device("meta"):
        network = Network()
    state = state_of(read_graph(file.read_bytes()))
    shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
    found = {
        name: state[name] for name, shape in shapes.items() if name in state and state[name].shape == shape
    }
    if missing := [name for name in shapes if name not in found]:
        raise ValueError(f"{len(missing)} of {len(shapes)} weights are not in {file}, {missing[0]} for one")
    network.load_state_dict(found, assign=True)
    return network.requires_grad_(False).eval().to(device)
