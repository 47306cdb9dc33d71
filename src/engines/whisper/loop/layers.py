"""What the network is made of: PyTorch multiplies, and compiled code does all else in one pass."""

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from src.engines.whisper.loop import kernels
from src.engines.whisper.loop.kernels import Numbers, Rows
from src.engines.whisper.loop.products import Product
from src.engines.whisper.loop.weights import Arrays

_ONE = np.float32(1)


class Affine:
    """A product and its bias. May overwrite the rows that it is given."""

    def __init__(self, product: Product, bias: Tensor) -> None:
        self._product = product
        self._bias: Numbers = bias.numpy()

    def __call__(self, rows: Rows, factor: np.float32 = _ONE) -> Rows:
        """Times `factor`."""
        out, largest = self._product(rows)
        kernels.unscale(out, largest, self._bias, factor)
        return out

    def gelu(self, rows: Rows) -> Rows:
        """And the Gaussian error linear unit."""
        out, largest = self._product(rows)
        kernels.gelu(out, largest, self._bias)
        return out

    def add_to(self, x: Rows, rows: Rows) -> None:
        """Added to `x`."""
        out, largest = self._product(rows)
        kernels.add(x, out, largest, self._bias)


class Normal:
    """Layer normalisation."""

    def __init__(self, gamma: Tensor, beta: Tensor) -> None:
        self._gamma: Numbers = gamma.numpy()
        self._beta: Numbers = beta.numpy()

    def __call__(self, x: Rows) -> Rows:
        out = np.empty_like(x)
        kernels.normalise(x, self._gamma, self._beta, out)
        return out


class Block:
    """A normalisation and the linear layers after it: of an attention or a feed-forward network."""

    def __init__(self, normal: Normal, linears: list[Affine]) -> None:
        self.normal = normal
        self.linears = linears


class Layers:
    """Makes layers of a model's arrays.

    Args:
        product: of the linear ones.
    """

    def __init__(self, arrays: Arrays, product: type[Product]) -> None:
        self._arrays = arrays
        self._product = product

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def count(self, name: str) -> int:
        """How many of the names there are that have 0, 1, 2... in the place of `{}`."""
        return next(number for number in itertools.count() if name.format(number) not in self)

    def tensor(self, name: str) -> Tensor:
        """float32, whatever the file has."""
        return _float(self._arrays[name], self._arrays.get(f"{name}_scale"))

    def normal(self, name: str) -> Normal:
        return Normal(self.tensor(f"{name}/gamma"), self.tensor(f"{name}/beta"))

    def linear(self, name: str) -> Affine:
        weight = self.tensor(f"{name}/weight")
        bias = self.tensor(f"{name}/bias") if f"{name}/bias" in self else weight.new_zeros(len(weight))
        return Affine(self._product(weight), bias)

    def block(self, name: str, first: int = 0, second: int = 1) -> Block:
        """With two of its linear layers."""
        linears = [self.linear(f"{name}/linear_{number}") for number in (first, second)]
        return Block(self.normal(f"{name}/layer_norm"), linears)

    def projection(self, name: str, multiple: int) -> Affine:
        """The layer whose weight is an embedding; what is added to make its outputs a multiple is -inf."""
        weight = self.tensor(name)
        more = -len(weight) % multiple
        bias = torch.zeros(len(weight) + more)
        bias[len(weight) :] = float("-inf")
        return Affine(self._product(torch.nn.functional.pad(weight, (0, 0, 0, more))), bias)


def _float(array: NDArray[np.generic], scale: NDArray[np.generic] | None) -> Tensor:
    tensor = torch.from_numpy(array.astype(np.float32))
    if scale is None:
        return tensor
    # CTranslate2 keeps the factor that made the integers
    return tensor / torch.from_numpy(scale.astype(np.float32)).reshape(-1, *[1] * (tensor.dim() - 1))
