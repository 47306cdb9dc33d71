"""What is said, and how: the text encoder, and the predictor of durations, pitch and energy."""

import torch
from torch import Tensor, nn

from src.engines.kokoro.network.layers import STYLE, AdaLayerNorm, ChannelNorm, StyledBlock


def _lstm(inputs: int, width: int) -> nn.LSTM:
    return nn.LSTM(inputs, width // 2, batch_first=True, bidirectional=True)


class TextEncoder(nn.Module):
    """Text encoder: from tokens (1, n) to features (1, width, n)."""

    def __init__(self, symbols: int, width: int, layers: int = 3, kernel: int = 5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.cnn = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, kernel, padding=kernel // 2), ChannelNorm(width), nn.LeakyReLU(0.2)
            )
            for _ in range(layers)
        )
        self.lstm = _lstm(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).transpose(1, 2)
        for layer in self.cnn:
            x = layer(x)
        out: Tensor = self.lstm(x.transpose(1, 2))[0]
        return out.transpose(1, 2)


class _DurationEncoder(nn.Module):
    """From (1, n, width) to (1, n, width + style): the style is joined to the output of each layer."""

    def __init__(self, width: int, layers: int = 3) -> None:
        super().__init__()
        self.lstms = nn.ModuleList(
            module for _ in range(layers) for module in (_lstm(width + STYLE, width), AdaLayerNorm(width))
        )

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        beside = style[:, None].expand(-1, x.shape[1], -1)
        x = torch.cat([x, beside], 2)
        for lstm, norm in zip(self.lstms[::2], self.lstms[1::2], strict=True):
            x = torch.cat([norm(lstm(x)[0], style), beside], 2)
        return x


class _DurationProjection(nn.Module):
    def __init__(self, width: int, longest: int = 50) -> None:
        super().__init__()
        self.linear_layer = nn.Linear(width, longest)

    def forward(self, x: Tensor) -> Tensor:
        """Expected frames of each symbol, (n,)."""
        return torch.sigmoid(self.linear_layer(x)).sum(-1)[0]


class Predictor(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.text_encoder = _DurationEncoder(width)
        self.lstm = _lstm(width + STYLE, width)
        self.duration_proj = _DurationProjection(width)
        self.shared = _lstm(width + STYLE, width)
        self.F0, self.N = _curve(width), _curve(width)
        self.F0_proj = nn.Conv1d(width // 2, 1, 1)
        self.N_proj = nn.Conv1d(width // 2, 1, 1)

    def durations(self, x: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the symbols, (1, n, width + style), and their expected frames, (n,)."""
        features = self.text_encoder(x, style)
        return features, self.duration_proj(self.lstm(features)[0])

    def curves(self, frames: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Pitch in Hz and energy, each (1, 2 x frames), of frames (1, n, width + style)."""
        shared = self.shared(frames)[0].transpose(1, 2)
        pitch = energy = shared
        for block in self.F0:
            pitch = block(pitch, style)
        for block in self.N:
            energy = block(energy, style)
        return self.F0_proj(pitch)[:, 0], self.N_proj(energy)[:, 0]


def _curve(width: int) -> nn.ModuleList:
    half = width // 2
    return nn.ModuleList(
        [StyledBlock(width, width), StyledBlock(width, half, upsample=True), StyledBlock(half, half)]
    )
