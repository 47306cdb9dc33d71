"""Layers that take a style: normalisation, and the residual blocks of predictor, decoder and generator."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

STYLE = 128
"""Size of a style: one half of a voice's vector."""
DILATIONS = (1, 3, 5)
"""Dilations of the first convolutions of a `SnakeBlock`."""


class AdaIN(nn.Module):
    """Instance normalisation over time; scale and shift come from the style (Huang and Belongie, 2017)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(STYLE, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """`x`: (1, channels, time); `style`: (1, 128)."""
        scale, shift = self.fc(style)[..., None].chunk(2, 1)
        return torch.addcmul(shift, functional.instance_norm(x), 1 + scale)


class AdaLayerNorm(nn.Module):
    """Layer normalisation over the features; scale and shift come from the style."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.fc = nn.Linear(STYLE, 2 * features)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """`x`: (1, time, features); `style`: (1, 128)."""
        scale, shift = self.fc(style)[:, None].chunk(2, -1)
        return torch.addcmul(shift, functional.layer_norm(x, x.shape[-1:]), 1 + scale)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of (1, channels, time)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        normal = functional.layer_norm(x.transpose(1, 2), self.gamma.shape, self.gamma, self.beta)
        return normal.transpose(1, 2)


class StyledBlock(nn.Module):
    """A residual block of two convolutions, from (1, inputs, time) and a style to (1, outputs, time).

    Args:
        upsample: double the length.
    """

    def __init__(self, inputs: int, outputs: int, *, upsample: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv1d(outputs, outputs, 3, padding=1)
        self.norm1 = AdaIN(inputs)
        self.norm2 = AdaIN(outputs)
        self.conv1x1 = nn.Conv1d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()
        self.pool = (
            nn.ConvTranspose1d(inputs, inputs, 3, 2, padding=1, output_padding=1, groups=inputs)
            if upsample
            else nn.Identity()
        )
        self._upsample = upsample

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        residual = self.pool(functional.leaky_relu(self.norm1(x, style), 0.2))
        residual = functional.leaky_relu(self.norm2(self.conv1(residual), style), 0.2)
        residual = self.conv2(residual)
        if self._upsample:
            x = x.repeat_interleave(2, dim=2)
        both: Tensor = residual + self.conv1x1(x)
        return both / math.sqrt(2)


class SnakeBlock(nn.Module):
    """The generator's residual block: dilated convolutions, with snake activations (Ziyin et al., 2020).

    It keeps the shape (1, channels, time).
    """

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int] = DILATIONS) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=each, padding=each * (kernel // 2))
            for each in dilations
        )
        self.convs2 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, padding=kernel // 2) for _ in dilations
        )
        self.adain1 = nn.ModuleList(AdaIN(channels) for _ in dilations)
        self.adain2 = nn.ModuleList(AdaIN(channels) for _ in dilations)
        self.alpha1 = nn.ParameterList(torch.ones(1, channels, 1) for _ in dilations)
        self.alpha2 = nn.ParameterList(torch.ones(1, channels, 1) for _ in dilations)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        first = zip(self.adain1, self.alpha1, self.convs1, strict=True)
        second = zip(self.adain2, self.alpha2, self.convs2, strict=True)
        for halves in zip(first, second, strict=True):
            residual = x
            for norm, alpha, conv in halves:
                residual = conv(_snake(norm(residual, style), alpha))
            x = x + residual
        return x


def _snake(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.addcdiv(x, torch.sin(alpha * x).square_(), alpha)
