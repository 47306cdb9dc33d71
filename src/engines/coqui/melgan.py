"""Coqui's MelGAN generator (`TTS/vocoder/models/melgan_generator.py`) on a CPU. It makes the same samples.

The architecture is that of Kumar et al., "MelGAN" (2019). A level has four or so residual blocks of four
operations each, over hundreds of thousands of numbers. Each level is computed tile by tile, and a tile is
small enough for its intermediate results to stay in the core's cache. Tiles have only a few lengths,
because oneDNN prepares each new shape anew.

bfloat16 takes two thirds of the time of float32. The last residual block stays in float32, because nothing
after it averages out its rounding errors. `docs/internals/coqui.md` has the measurements.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from src.engines.convolution import Convolution, PointwiseSum, TransposedConvolution, channels_last

_SLOPE = 0.2
_TILE_NUMBERS = 1 << 19
"""Numbers (channels x samples) in a tile: one megabyte in bfloat16."""
_TILE_FRAMES = 64
"""Mel frames in a tile of the first convolution."""
_TILE_LENGTHS = 16
"""Number of lengths that the last tile may have. All other tiles have the largest one."""

SliceFn = Callable[[int, int], torch.Tensor]
"""Computes the samples from a first to a last one of a tensor (1, channels, 1, n)."""
SliceTransform = Callable[[SliceFn, int, int, int], torch.Tensor]
"""Computes a slice of an output, from slices of an input: (input, its length, first, last)."""


def fits(generator: Any) -> bool:
    """Whether `MelGan` can run it: a single-band MelGAN on a CPU with oneDNN, without weight norm."""
    from TTS.vocoder.models.fullband_melgan_generator import FullbandMelganGenerator
    from TTS.vocoder.models.melgan_generator import MelganGenerator

    return (
        type(generator) in {MelganGenerator, FullbandMelganGenerator}
        and generator.layers[1].weight.is_cpu
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


class MelGan:
    """A generator that `fits`. Inner tensors are (1, channels, 1, samples), channels last.

    Args:
        dtype: data type of all layers but the last residual block.
    """

    length_multiple = 1
    """See `Vocoder`."""

    def __init__(self, generator: Any, dtype: torch.dtype = torch.float32) -> None:
        # two input layers; three per level (activation, upsampling, residual stack); four output layers
        layers = list(generator.layers)
        self._padding = int(generator.inference_padding)
        self._reflection = int(layers[0].padding[0])
        self.dtype = dtype
        self._input = Convolution(layers[1], dtype)
        upsamplings, (*stacks, last) = layers[3:-4:3], layers[4:-4:3]
        transforms: list[SliceTransform] = [_ResidualStack(stack, dtype) for stack in stacks]
        transforms.append(_OutputStack(_ResidualStack(last, dtype, torch.float32), layers[-2]))
        self._levels = [
            _Level(upsampling, transform, dtype)
            for upsampling, transform in zip(upsamplings, transforms, strict=True)
        ]

    def inference(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (1, mels, frames) to samples (1, 1, n)."""
        x = functional.pad(mel, (self._padding, self._padding), "replicate").unsqueeze(2).to(self.dtype)
        x = _in_tiles(partial(self._read, x), x.shape[3], _TILE_FRAMES)
        for level in self._levels:
            x = level(x)
        return x.squeeze(2)

    def _read(self, mel: torch.Tensor, first: int, last: int) -> torch.Tensor:
        return self._input(
            _padded(lambda begin, end: mel[..., begin:end], mel.shape[3], first, last, self._reflection)
        )


class _Level:
    """An upsampling layer and the residual stack after it."""

    def __init__(self, upsampling: Any, stack: SliceTransform, dtype: torch.dtype) -> None:
        self._upsample = TransposedConvolution(upsampling, dtype)
        self._stack = stack
        self._tile = _TILE_NUMBERS // int(upsampling.weight.shape[1])

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.leaky_relu_(x, _SLOPE)
        length = self._upsample.length(x.shape[3])
        return _in_tiles(partial(self._stack, partial(self._upsample, x), length), length, self._tile)


def _in_tiles(compute: SliceFn, length: int, tile: int) -> torch.Tensor:
    """The whole tensor of `length` samples, computed in slices of at most `tile`."""
    tiles, done = [], 0
    while done < length:
        unit = tile // _TILE_LENGTHS
        size = min(tile, unit * math.ceil((length - done) / unit), length)
        # the last tile may overlap the one before
        begin = min(done, length - size)
        tiles.append(compute(begin, begin + size)[..., done - begin :])
        done = begin + size
    return torch.cat(tiles, 3)


class _ResidualStack:
    """A `ResidualStack`: the dilation, and with it the receptive field, grows from block to block.

    Args:
        dtype: data type of the blocks.
        last_dtype: data type of the last block, if it is another.
    """

    def __init__(self, module: Any, dtype: torch.dtype, last_dtype: torch.dtype | None = None) -> None:
        dtypes = [dtype] * (len(module.blocks) - 1) + [last_dtype or dtype]
        self._blocks = [
            (
                dtype,
                Convolution(block[2], dtype),
                PointwiseSum(block[4], shortcut, dtype),
                int(block[1].padding[0]),
            )
            for block, shortcut, dtype in zip(module.blocks, module.shortcuts, dtypes, strict=True)
        ]

    def __call__(self, given: SliceFn, length: int, first: int, last: int) -> torch.Tensor:
        """See `SliceTransform`."""
        reach = sum(padding for *_, padding in self._blocks)
        begin, end = max(0, first - reach), min(length, last + reach)
        x = given(begin, end)
        for dtype, dilated, pointwise, padding in self._blocks:
            x = x.to(dtype)
            reach -= padding
            left, right = max(0, first - reach) - begin, end - min(length, last + reach)
            # at the ends of the whole tensor, Coqui pads by reflection
            padded = _reflect(x, padding - left, padding - right)
            activated = dilated(padded, leaky_slope=_SLOPE, leaky_input=_SLOPE)
            x = pointwise(activated, x[..., left : x.shape[3] - right])
            begin, end = begin + left, end - right
        return x


class _OutputStack:
    """The last residual stack, and the convolution from many channels to one.

    A convolution with a single output would leave most lanes of a vector register unused. So each of its
    taps becomes an output of a matrix product, and these outputs are summed with their offsets.
    """

    def __init__(self, stack: SliceTransform, module: Any) -> None:
        self._stack = stack
        self._taps = module.weight.detach()[0].T.contiguous()
        self._bias = module.bias.detach()

    def __call__(self, given: SliceFn, length: int, first: int, last: int) -> torch.Tensor:
        """See `SliceTransform`."""
        x = _padded(partial(self._stack, given, length), length, first, last, len(self._taps) // 2)
        x = functional.leaky_relu_(x, _SLOPE)
        products = self._taps @ x[0, :, 0]
        samples = self._bias.repeat(last - first)
        for tap, product in enumerate(products):
            samples += product[tap : tap + last - first]
        return torch.tanh_(samples)[None, None, None]


def _padded(given: SliceFn, length: int, first: int, last: int, padding: int) -> torch.Tensor:
    """A slice with `padding` more samples on either side, reflected at the ends of the whole tensor."""
    begin, end = max(0, first - padding), min(length, last + padding)
    return _reflect(given(begin, end), padding - (first - begin), padding - (end - last))


def _reflect(x: torch.Tensor, left: int, right: int) -> torch.Tensor:
    """`x` padded by reflection, channels last."""
    if not left and not right:
        return channels_last(x)
    return channels_last(functional.pad(x, (left, right, 0, 0), "reflect"))
