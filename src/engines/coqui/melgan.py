"""Coqui's MelGAN (`TTS/vocoder/models/melgan_generator.py`), laid out as a CPU likes it. Same samples.

A level has four or so blocks, of four operations each, over hundreds of thousands of numbers. They are done
on one tile of samples after the other, so small that what is made in between stays in the core's cache. And
tiles have a few lengths only, whatever the sound's, since oneDNN prepares itself for each.

In bfloat16 that takes two thirds of the time. The last block of all, whose roundings nothing evens out any
more, stays in float32. (`docs/internals/coqui.md` has what was measured.)
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from src.engines.coqui.convolution import Up, arguments, channels_last, convolve, convolve_onto

_SLOPE = 0.2
_TILE = 1 << 19
"""Numbers in a tile: a megabyte in bfloat16."""
_FRAMES = 64
"""In a tile of the mel."""
_LENGTHS = 16
"""That the last tile of a sound may have; the others have the longest."""

Part = Callable[[int, int], torch.Tensor]
"""Of a tensor (1, channels, 1, n), the samples from one to another."""
Stack = Callable[[Part, int, int, int], torch.Tensor]
"""Of what it makes of a tensor of a length, likewise."""


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

    grain = 1
    """See `Vocoder`."""

    def __init__(self, generator: Any, kind: torch.dtype = torch.float32) -> None:
        # two that read the mel; for each level an activation, what lengthens it and a stack; four at the end
        layers = list(generator.layers)
        self._padding = int(generator.inference_padding)
        self._reflected = int(layers[0].padding[0])
        self.kind = kind
        self._pre = _Conv(layers[1], kind)
        ups, (*stacks, last) = layers[3:-4:3], layers[4:-4:3]
        made: list[Stack] = [_Stack(stack, kind) for stack in stacks]
        made.append(_Ending(_Stack(last, kind, torch.float32), layers[-2]))
        self._levels = [_Level(up, stack, kind) for up, stack in zip(ups, made, strict=True)]

    def inference(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (1, mels, frames) to samples (1, 1, n)."""
        x = functional.pad(mel, (self._padding, self._padding), "replicate").unsqueeze(2).to(self.kind)
        x = _in_tiles(partial(self._read, x), x.shape[3], _FRAMES)
        for level in self._levels:
            x = level(x)
        return x.squeeze(2)

    def _read(self, mel: torch.Tensor, first: int, last: int) -> torch.Tensor:
        return self._pre(
            _padded(lambda begin, end: mel[..., begin:end], mel.shape[3], first, last, self._reflected)
        )


class _Level:
    """A `ConvTranspose1d` and the stack after it."""

    def __init__(self, up: Any, stack: Stack, kind: torch.dtype) -> None:
        self._up = Up(up, kind)
        self._stack = stack
        self._tile = _TILE // int(up.weight.shape[1])

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.leaky_relu_(x, _SLOPE)
        length = self._up.length(x.shape[3])
        return _in_tiles(partial(self._stack, partial(self._up, x), length), length, self._tile)


def _in_tiles(make: Part, length: int, tile: int) -> torch.Tensor:
    """All samples that `make` makes."""
    made, done = [], 0
    while done < length:
        few = tile // _LENGTHS
        size = min(tile, few * math.ceil((length - done) / few), length)
        # the last may begin where the one before has been
        begin = min(done, length - size)
        made.append(make(begin, begin + size)[..., done - begin :])
        done = begin + size
    return torch.cat(made, 3)


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

    def __call__(self, given: Part, length: int, first: int, last: int) -> torch.Tensor:
        reach = sum(padding for *_, padding in self._blocks)
        begin, end = max(0, first - reach), min(length, last + reach)
        x = given(begin, end)
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

    def __init__(self, stack: Stack, module: Any) -> None:
        self._stack = stack
        self._taps = module.weight.detach()[0].T.contiguous()
        self._bias = module.bias.detach()

    def __call__(self, given: Part, length: int, first: int, last: int) -> torch.Tensor:
        made = _padded(partial(self._stack, given, length), length, first, last, len(self._taps) // 2)
        made = functional.leaky_relu_(made, _SLOPE)
        products = self._taps @ made[0, :, 0]
        samples = self._bias.repeat(last - first)
        for tap, product in enumerate(products):
            samples += product[tap : tap + last - first]
        return torch.tanh_(samples)[None, None, None]


def _padded(given: Part, length: int, first: int, last: int, padding: int) -> torch.Tensor:
    """Samples from `first` to `last`, and `padding` more on either side; at the ends they are reflected."""
    begin, end = max(0, first - padding), min(length, last + padding)
    return _reflect(given(begin, end), padding - (first - begin), padding - (end - last))


def _reflect(x: torch.Tensor, left: int, right: int) -> torch.Tensor:
    """Samples before the first and after the last as in a mirror."""
    if not left and not right:
        return channels_last(x)
    return channels_last(functional.pad(x, (left, right, 0, 0), "reflect"))
