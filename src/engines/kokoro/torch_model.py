"""Kokoro on PyTorch, for a GPU."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from src.engines.base import Audio


class TorchModel:
    """See `SpeechModel`. Its arithmetic is float32; on a GPU, PyTorch's convolutions and LSTMs use TF32.

    Args:
        file: the ONNX file, whose weights it takes.
        device: of PyTorch.

    Raises:
        ValueError: the file has other weights than this network.
    """

    compute_type = "float32"

    def __init__(self, file: Path, device: str) -> None:
        from kokoro_onnx.config import DEFAULT_VOCAB

        from src.engines.kokoro.network.model import open_network

        self.device = device
        self.vocabulary: Mapping[str, int] = DEFAULT_VOCAB
        self._network = open_network(file, device)

    def speak(self, tokens: Sequence[int], style: Audio) -> tuple[Audio, Audio | None]:
        """See `SpeechModel`."""
        import torch

        with torch.inference_mode():
            symbols = torch.tensor([[0, *tokens, 0]]).to(self.device)
            samples, durations = self._network(symbols, torch.from_numpy(style).to(self.device))
            return samples.cpu().numpy(), durations.cpu().numpy().astype(np.float32)

    def close(self) -> None:
        """See `SpeechModel`."""
