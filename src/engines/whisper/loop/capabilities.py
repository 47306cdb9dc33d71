"""Which of the loop's operations this machine can do.

The loop uses operations of PyTorch that are not part of its public interface, and instructions that not every
CPU has. They are tried here once, on small inputs, and their results are compared with plain float32. What
does not work is replaced by something slower, or the loop is not used at all: CTranslate2 then decodes.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from src.engines import cpu
from src.engines.linear import (
    Linear,
    MatMul,
    MatMulFloat32,
    MatMulInt8,
    MatMulInt8OneDnn,
    MatMulInt8Tiles,
)
from src.engines.whisper.loop import weights
from src.engines.whisper.loop.cross_attention import (
    CrossAttentionCache,
    CrossAttentionFloat32,
    CrossAttentionInt8,
    CrossAttentionInt16,
)
from src.engines.whisper.loop.encoder_attention import (
    EncoderAttention,
    EncoderAttentionFloat32,
    EncoderAttentionInt16,
)

log = logging.getLogger(__name__)

_Kind = TypeVar("_Kind", bound=type)

_COMPUTE_TYPES = ("int8", "int8_float32", "float32")
_TOLERANCE = 0.05
"""Largest error relative to the largest result: several times that of 8-bit products of random numbers."""


class Unsupported(Exception):
    """The loop cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The operations that the loop uses."""

    few_rows: type[MatMul]
    """Products of the few rows of a decoder step."""
    many_rows: type[MatMul]
    """Products of the hundreds of rows of the encoder."""
    cross_attention: type[CrossAttentionCache]
    encoder_attention: type[EncoderAttention]
    conv_dtype: torch.dtype
    """Type of the encoder's second convolution."""

    def __str__(self) -> str:
        kinds = self.few_rows, self.many_rows, self.cross_attention, self.encoder_attention
        return ", ".join([*dict.fromkeys(kind.__name__ for kind in kinds), str(self.conv_dtype)])


def is_meant_for(device: str, compute_type: str) -> bool:
    """Whether the loop is the usual choice for this device and compute type of CTranslate2."""
    engines = torch.backends.quantized.supported_engines
    return device == "cpu" and compute_type in _COMPUTE_TYPES and "fbgemm" in engines


def probe(compute_type: str, folder: Path) -> Capabilities:
    """Find the fastest operations that work here.

    Args:
        compute_type: one that `is_meant_for` accepts.
        folder: the model's folder; the format of its weights must be known. Some kinds of attention are made
            for one width of a head, and so are not used for a model that has another.

    Raises:
        Unsupported: the loop cannot be used on this machine or with these weights.
    """
    version = weights.version(folder)
    if version != weights.VERSION:
        raise Unsupported(f"the weights have CTranslate2's format {version}, not {weights.VERSION}")
    exact: list[type[MatMul]] = [MatMulFloat32]
    if compute_type == "float32":
        product = _first_working(exact, _check_product)
        return Capabilities(product, product, CrossAttentionFloat32, EncoderAttentionFloat32, torch.float32)
    has_vnni, has_avx2 = cpu.multiplies_words("Numba"), cpu.has_avx2_alone()
    for_few: list[type[MatMul]] = [MatMulInt8]
    for_many: list[type[MatMul]] = [MatMulInt8OneDnn, MatMulInt8]
    if has_vnni or has_avx2:
        for_few.insert(0, MatMulInt8Tiles)
    if has_avx2:
        for_many.insert(0, MatMulInt8Tiles)
    few, many = (_first_working(kinds, _check_product) for kinds in (for_few, for_many))
    for_steps: list[type[CrossAttentionCache]] = [CrossAttentionFloat32]
    if has_vnni:
        for_steps.insert(0, CrossAttentionInt8)
    elif has_avx2:
        for_steps.insert(0, CrossAttentionInt16)
    encoder_width, decoder_width = weights.head_widths(folder)
    attention = _first_working(for_steps, partial(_check_attention, width=decoder_width))
    for_encoder: list[type[EncoderAttention]] = [EncoderAttentionFloat32]
    if has_vnni or has_avx2:
        for_encoder.insert(0, EncoderAttentionInt16)
    encoder_attention = _first_working(for_encoder, partial(_check_encoder_attention, width=encoder_width))
    bfloat16 = cpu.multiplies_bfloat16("oneDNN") and _convolves_bfloat16()
    conv_dtype = torch.bfloat16 if bfloat16 else torch.float32
    return Capabilities(few, many, attention, encoder_attention, conv_dtype)


def _first_working(kinds: Sequence[_Kind], check: Callable[[_Kind], float]) -> _Kind:
    """The first kind whose error is within the tolerance."""
    problem = ""
    for kind in kinds:
        try:
            error = check(kind)
        except Exception as raised:
            problem = f"{kind.__name__} does not work here: {raised!r}"
        else:
            if error < _TOLERANCE:
                return kind
            problem = f"{kind.__name__} is wrong by {error:.0%} here"
        log.warning(problem)
    raise Unsupported(problem)


def _check_product(kind: type[MatMul]) -> float:
    weight, bias, rows = _normal(96, 64), _normal(96), _normal(5, 64)
    out = Linear(kind(weight), bias)(rows.numpy().copy())
    return _error(torch.from_numpy(out), rows @ weight.t() + bias)


def _check_attention(kind: type[CrossAttentionCache], width: int) -> float:
    keys, values, query = _normal(100, 2, width), _normal(100, 2, width), _normal(5, 2, width) * width**-0.5
    out = np.empty((5, 2, width), np.float32)
    kind(keys, values).attend(query.numpy(), out)
    weights = torch.einsum("qhd,khd->hqk", query, keys).softmax(2)
    return _error(torch.from_numpy(out), torch.einsum("hqk,khd->qhd", weights, values))


def _check_encoder_attention(kind: type[EncoderAttention], width: int) -> float:
    qkv = _normal(100, 3, 2, width)
    memory = kind(100, 2, width)
    memory.store(qkv.reshape(100, -1).numpy().copy(), 0)
    query, keys, values = qkv.unbind(1)
    weights = torch.einsum("qhd,khd->hqk", query * width**-0.5, keys).softmax(2)
    expected = torch.einsum("hqk,khd->qhd", weights, values).reshape(100, -1)
    return _error(torch.from_numpy(memory.attend(slice(0, 100))), expected)


def _convolves_bfloat16() -> bool:
    x, weight = _normal(1, 8, 32), _normal(8, 8, 3)
    try:
        made = torch.nn.functional.conv1d(x.bfloat16(), weight.bfloat16(), stride=2, padding=1).float()
    except RuntimeError as error:
        log.warning("bfloat16 convolutions do not work here: %r", error)
        return False
    return _error(made, torch.nn.functional.conv1d(x, weight, stride=2, padding=1)) < _TOLERANCE


def _normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


def _error(ours: torch.Tensor, exact: torch.Tensor) -> float:
    """Largest difference, relative to the largest exact number; infinite if a number is not finite."""
    if not bool(torch.isfinite(ours).all()):
        return float("inf")
    return float((ours - exact).abs().max() / exact.abs().max())
