"""Coqui's MelGAN (`TTS/vocoder/models/melgan_generator.py`), laid out as a CPU likes it. Same samples.

A level has four or so blocks, of four operations each, over hundreds of thousands of numbers. They are done
on one tile of samples after the other, so small that what is made in between stays in the core's cache.

In bfloat16 that takes two thirds of the time. The last block of all, whose roundings nothing evens out any
more, stays in float32. (`docs/internals/coqui.md` has what was measured.)
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from src.engines.coqui.convolution import Up, arguments, channels_last, convolve, convolve_onto

_SLOPE = 0.2
_TILE = 1 << 18
"""Numbers in a tile: 1 MB in float32."""

Level = Callable[[torch.Tensor, int, int], torch.Tensor]
"""Of what it makes of a tensor (1, channels, 1, n), the samples from one to another."""


def fits(generator: Any) -> bool:
    """It is a MelGAN of one band, on a CPU with oneDNN; its weight norm is removed."""
    from TTS.vocoder.models.fullband_melgan_generator import FullbandMelganGenerator
    from TTS.vocoder.models.melgan_generator import MelganGenerator

    return (
        type(generator) in {MelganGenerator, FullbandMelganGenerator}
        and generator.layers[1].weight.is_cpu
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


class MelGan:
    """See `fits`. Tensors inside are (1, channels, 1, samples), channels last.

    Args:
        kind: of the numbers, but those of the last block.
    """

    def __init__(self, generator: Any, kind: torch.dtype = torch.float32) -> None:
        # two that read the mel; for each level an activation, what lengthens it and a stack; four at the end
        layers = list(generator.layers)
        self._padding = int(generator.inference_padding)
        self._reflected = int(layers[0].padding[0])
        self.kind = kind
        self._pre = _Conv(layers[1], kind)
        ups, (*stacks, last) = layers[3:-4:3], layers[4:-4:3]
        self._ups = [Up(up, kind) for up in ups]
        self._levels: list[Level] = [_Stack(stack, kind) for stack in stacks]
        self._levels.append(_Ending(_Stack(last, kind, torch.float32), layers[-2]))
        self._tiles = [_TILE // int(up.weight.shape[1]) for up in ups]

    def inference(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (1, mels, frames) to samples (1, 1, n)."""
        x = functional.pad(mel, (self._padding, self._padding), "replicate").unsqueeze(2)
        x = self._pre(_reflect(x.to(self.kind), self._reflected, self._reflected))
        for up, level, tile in zip(self._ups, self._levels, self._tiles, strict=True):
            x = up(functional.leaky_relu_(x, _SLOPE))
            length = x.shape[3]
            x = torch.cat([level(x, at, min(at + tile, length)) for at in range(0, length, tile)], 3)
        return x.squeeze(2)


class _Conv:
    """A `Conv1d` of stride 1 without padding: the outcome is shorter than the input."""

    def __init__(self, module: Any, kind: torch.dtype = torch.float32) -> None:
        weight, bias = module.weight.detach().to(kind), module.bias.detach().to(kind)
        self._arguments = arguments(weight, bias, 0, int(module.dilation[0]))

    def __call__(self, x: torch.Tensor, *, leaky: bool = False) -> torch.Tensor:
        """With `leaky`, a leaky ReLU follows."""
        return convolve(x, self._arguments, _SLOPE if leaky else None)

    def add_to(self, other: torch.Tensor, x: torch.Tensor) -> None:
        """`other` + the convolution of `x`, written where `other` was."""
        convolve_onto(other, x, self._arguments)


class _Stack:
    """A `ResidualStack`: each block looks further to either side than the one before.

    Args:
        kind: of the numbers.
        last: of those of the last block, if they are others.
    """

    def __init__(self, module: Any, kind: torch.dtype, last: torch.dtype | None = None) -> None:
        kinds = [kind] * (len(module.blocks) - 1) + [last or kind]
        self._blocks = [
            (
                kind,
                _Conv(block[2], kind),
                _Conv(block[4], kind),
                _Conv(shortcut, kind),
                int(block[1].padding[0]),
            )
            for block, shortcut, kind in zip(module.blocks, module.shortcuts, kinds, strict=True)
        ]

    def __call__(self, x: torch.Tensor, first: int, last: int) -> torch.Tensor:
        length = x.shape[3]
        reach = sum(padding for *_, padding in self._blocks)
        begin, end = max(0, first - reach), min(length, last + reach)
        x = x[..., begin:end]
        for kind, wide, narrow, shortcut, padding in self._blocks:
            x = x.to(kind)
            reach -= padding
            left, right = max(0, first - reach) - begin, end - min(length, last + reach)
            # at the ends of the sound there is nothing further: it is reflected there, as Coqui has it
            around = _reflect(functional.leaky_relu(x, _SLOPE), padding - left, padding - right)
            made = shortcut(x[..., left : x.shape[3] - right])
            narrow.add_to(made, wide(around, leaky=True))
            x, begin, end = made, begin + left, end - right
        return x


class _Ending:
    """The last level's stack, and how one channel is made of many.

    A convolution of a single output would leave vector registers all but empty. So each of its taps is made
    an output, and what they make is added up.
    """

    def __init__(self, stack: Level, module: Any) -> None:
        self._stack = stack
        self._taps = module.weight.detach()[0].T.contiguous()
        self._bias = module.bias.detach()

    def __call__(self, x: torch.Tensor, first: int, last: int) -> torch.Tensor:
        padding = len(self._taps) // 2
        begin, end = max(0, first - padding), min(x.shape[3], last + padding)
        made = functional.leaky_relu_(self._stack(x, begin, end), _SLOPE)
        made = _reflect(made, padding - (first - begin), padding - (end - last))
        products = self._taps @ made[0, :, 0]
        samples = self._bias.repeat(last - first)
        for tap, product in enumerate(products):
            samples += product[tap : tap + last - first]
        return torch.tanh_(samples)[None, None, None]


def _reflect(x: torch.Tensor, left: int, right: int) -> torch.Tensor:
    """Samples before the first and after the last as in a mirror."""
    if not left and not right:
        return channels_last(x)
    return channels_last(functional.pad(x, (left, right, 0, 0), "reflect"))
