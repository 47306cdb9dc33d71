"""The layers of Whisper's encoder and decoder, made from a model's arrays."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from src.engines.kernels import Rows, Vector
from src.engines.kernels.rows import layer_norm
from src.engines.linear import Linear, MatMul, from_bytes
from src.engines.whisper.loop.weights import Arrays


class LayerNorm:
    """Layer normalisation with a gain `gamma` and a bias `beta`, both of shape (width,)."""

    def __init__(self, gamma: Tensor, beta: Tensor) -> None:
        self._gamma: Vector = gamma.numpy()
        self._beta: Vector = beta.numpy()

    def __call__(self, x: Rows) -> Rows:
        out = np.empty_like(x)
        layer_norm(x, self._gamma, self._beta, out)
        return out


class Embedding:
    """Vectors of tokens, kept in the type that the file has.

    Args:
        array: shape (tokens, width).
        scale: the factors that made integers of each token's vector; None if `array` is not of integers.
    """

    def __init__(self, array: NDArray[np.generic], scale: NDArray[np.generic] | None) -> None:
        self._vectors = array.copy()
        self._scale = None if scale is None else np.broadcast_to(scale.astype(np.float32), len(array))

    def __len__(self) -> int:
        return len(self._vectors)

    def __call__(self, tokens: Sequence[int]) -> Rows:
        """The vectors of some tokens."""
        found: Rows = self._vectors[tokens].astype(np.float32)
        if self._scale is not None:
            found /= self._scale[tokens][:, None]
        return found


class Sublayer(NamedTuple):
    """A layer normalisation and two linear layers: those of an attention or of a feed-forward network."""

    norm: LayerNorm
    first: Linear
    """Queries (and keys and values) of an attention; the wider layer of a feed-forward network."""
    second: Linear
    """Writes to the residual stream."""


class LayerBuilder:
    """Makes layers of a model's arrays.

    Args:
        arrays: names and contents, as CTranslate2's converters write them.
        product: how the linear layers multiply.
    """

    def __init__(self, arrays: Arrays, product: type[MatMul]) -> None:
        self._arrays = arrays
        self._product = product

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def count(self, name: str) -> int:
        """Number of arrays whose names have 0, 1, 2... in the place of `{}`."""
        return next(number for number in itertools.count() if name.format(number) not in self)

    def tensor(self, name: str) -> Tensor:
        """An array as float32, whatever type the file has."""
        return _float(self._arrays[name], self._arrays.get(f"{name}_scale"))

    def layer_norm(self, name: str) -> LayerNorm:
        return LayerNorm(self.tensor(f"{name}/gamma"), self.tensor(f"{name}/beta"))

    def weight(self, name: str) -> Tensor:
        """A matrix for a product, in the type that the file has: see `MatMul`. Nothing is copied."""
        array, scale = self._arrays[name], self._arrays.get(f"{name}_scale")
        if array.dtype == np.int8 and scale is not None and scale.ndim == 1:
            return from_bytes(torch.from_numpy(array), 1 / torch.from_numpy(scale.astype(np.float32)))
        return torch.from_numpy(array) if scale is None else self.tensor(name)

    def embedding(self, name: str) -> Embedding:
        return Embedding(self._arrays[name], self._arrays.get(f"{name}_scale"))

    def linear(self, name: str) -> Linear:
        weight = self.weight(f"{name}/weight")
        bias = self.tensor(f"{name}/bias") if f"{name}/bias" in self else torch.zeros(len(weight))
        return Linear(self._product(weight), bias)

    def sublayer(self, name: str, first: int = 0, second: int = 1) -> Sublayer:
        """A sublayer with the linear layers of these numbers."""
        linears = (self.linear(f"{name}/linear_{number}") for number in (first, second))
        return Sublayer(self.layer_norm(f"{name}/layer_norm"), *linears)

    def output_projection(self, name: str, multiple: int) -> Linear:
        """The layer from hidden states to logits, whose weight is the token embedding.

        The number of outputs is padded to a multiple; the logits of the padding are -inf.
        """
        weight = self.weight(name)
        more = -len(weight) % multiple
        bias = torch.zeros(len(weight) + more)
        bias[len(weight) :] = float("-inf")
        if not weight.is_quantized:
            return Linear(self._product(pad(weight, (0, 0, 0, more))), bias)
        values, scale = weight.int_repr(), weight.q_per_channel_scales()
        return Linear(
            self._product(from_bytes(pad(values, (0, 0, 0, more)), pad(scale, (0, more), value=1))), bias
        )


def _float(array: NDArray[np.generic], scale: NDArray[np.generic] | None) -> Tensor:
    tensor = torch.from_numpy(array.astype(np.float32))
    if scale is None:
        return tensor
    # CTranslate2 stores the factor that made the integers
    return tensor / torch.from_numpy(scale.astype(np.float32)).reshape(-1, *[1] * (tensor.dim() - 1))
