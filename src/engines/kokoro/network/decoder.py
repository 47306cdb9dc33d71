"""From frames to samples: the decoder, and iSTFTNet's generator with its harmonic source."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from src.engines.kokoro.frames import HARMONIC_COUNT, SAMPLE_RATE
from src.engines.kokoro.network.layers import SnakeBlock, StyledBlock

RATES = (10, 6)
"""Factors by which the generator's stages lengthen their input."""
KERNELS = (3, 7, 11)
"""Kernel sizes of the residual blocks side by side."""
_FFT, _HOP = 20, 5
_CURVE_HOP = math.prod(RATES) * _HOP
"""Samples of one value of the pitch: half a frame."""
_VOICED_HZ = 10
_EXPORT_GAIN = 1.5
"""The export's inverse STFT leaves out the sum of squared windows, which is 1.5."""


class Decoder(nn.Module):
    """Decoder and generator: from text features, pitch and energy to samples."""

    def __init__(self, width: int, inner: int = 1024) -> None:
        super().__init__()
        beside = 64 + 2
        self.encode = StyledBlock(width + 2, inner)
        self.decode = nn.ModuleList(StyledBlock(inner + beside, inner) for _ in range(3))
        self.decode.append(StyledBlock(inner + beside, width, upsample=True))
        self.F0_conv = nn.Conv1d(1, 1, 3, 2, padding=1)
        self.N_conv = nn.Conv1d(1, 1, 3, 2, padding=1)
        self.asr_res = nn.Sequential(nn.Conv1d(width, 64, 1))
        self.generator = Generator(width)

    def forward(self, text: Tensor, pitch: Tensor, energy: Tensor, style: Tensor) -> Tensor:
        """Samples (n,).

        Args:
            text: (1, width, frames).
            pitch: in Hz, (1, 2 x frames).
            energy: (1, 2 x frames).
            style: (1, 128).
        """
        x = self.before_generator(text, pitch, energy, style)
        return samples_of(self.generator(x, style, self.generator.source(pitch)))

    def before_generator(self, text: Tensor, pitch: Tensor, energy: Tensor, style: Tensor) -> Tensor:
        """What the generator makes a spectrum of, (1, width, 2 x frames); arguments as for `forward`."""
        curves = [self.F0_conv(pitch[:, None]), self.N_conv(energy[:, None])]
        x: Tensor = self.encode(torch.cat([text, *curves], 1), style)
        beside = [self.asr_res(text), *curves]
        for block in self.decode:
            x = block(torch.cat([x, *beside], 1), style)
        return x


class _Source(nn.Module):
    """The harmonic source, as in the neural source-filter model (Wang et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.l_linear = nn.Linear(HARMONIC_COUNT, 1)

    def forward(self, pitch: Tensor) -> Tensor:
        """The pitch as a sum of harmonics, (1, samples); a constant where it is not voiced.

        Args:
            pitch: in Hz, (1, 2 x frames).
        """
        # float64: the phase grows to 100,000, of which float32 has two digits behind the point
        harmonics = torch.arange(1, HARMONIC_COUNT + 1, device=pitch.device, dtype=torch.float64)
        cycles = (pitch.double()[:, None] * harmonics[:, None] / SAMPLE_RATE) % 1
        phase = cycles.cumsum(2) * (2 * math.pi * _CURVE_HOP)
        phase = functional.interpolate(phase, scale_factor=_CURVE_HOP, mode="linear")
        voiced = (pitch > _VOICED_HZ).float().repeat_interleave(_CURVE_HOP, 1)
        sines = 0.1 * torch.sin(phase).float() * voiced[:, None]
        return torch.tanh(self.l_linear(sines.transpose(1, 2)))[..., 0]


class Generator(nn.Module):
    """iSTFTNet: two stages of upsampling, by 60 in all, then an inverse STFT of 20 points."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width, width // 2, width // 4]
        self.m_source = _Source()
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(inputs, outputs, 2 * rate, rate, padding=rate // 2)
            for (inputs, outputs), rate in zip(pairwise(widths), RATES, strict=True)
        )
        self.resblocks = nn.ModuleList(
            SnakeBlock(channels, kernel) for channels in widths[1:] for kernel in KERNELS
        )
        last = RATES[-1]
        self.noise_convs = nn.ModuleList(
            [
                nn.Conv1d(_FFT + 2, widths[1], 2 * last, last, padding=(last + 1) // 2),
                nn.Conv1d(_FFT + 2, widths[2], 1),
            ]
        )
        self.noise_res = nn.ModuleList([SnakeBlock(widths[1], 7), SnakeBlock(widths[2], 11)])
        self.conv_post = nn.Conv1d(widths[2], _FFT + 2, 7, padding=3)

    def source(self, pitch: Tensor) -> Tensor:
        """Magnitudes and phases of the harmonic source, (1, 22, columns); `pitch`: in Hz, (1, 2 x frames)."""
        window = torch.hann_window(_FFT, device=pitch.device)
        spectrum = torch.stft(self.m_source(pitch), _FFT, _HOP, window=window, return_complex=True)
        return torch.cat([spectrum.abs(), spectrum.angle()], 1)

    def forward(self, x: Tensor, style: Tensor, source: Tensor) -> Tensor:
        """Log magnitudes and phases of the sound, (1, 22, columns).

        Args:
            x: of `Decoder.before_generator`, (1, width, 2 x frames).
            style: (1, 128).
            source: of `source`.
        """
        for stage, (up, noise_conv, noise_res) in enumerate(
            zip(self.ups, self.noise_convs, self.noise_res, strict=True)
        ):
            x = up(functional.leaky_relu(x, 0.1))
            if stage == len(RATES) - 1:
                x = functional.pad(x, (1, 0), "reflect")
            x = x + noise_res(noise_conv(source), style)
            blocks = self.resblocks[stage * len(KERNELS) : (stage + 1) * len(KERNELS)]
            x = torch.stack([block(x, style) for block in blocks]).mean(0)
        columns: Tensor = self.conv_post(functional.leaky_relu(x))
        return columns


def samples_of(columns: Tensor) -> Tensor:
    """Samples (n,) of log magnitudes and phases (1, 22, columns), by the inverse STFT."""
    magnitude, phase = columns.chunk(2, 1)
    spectrum = torch.polar(magnitude.exp(), phase.sin())
    window = torch.hann_window(_FFT, device=columns.device)
    return _EXPORT_GAIN * torch.istft(spectrum, _FFT, _HOP, window=window)[0]
