"""The layers of a decoder step: PyTorch multiplies, compiled code does all else in one pass over the rows."""

from typing import NamedTuple

import numpy as np
import torch

from src.engines.whisper.loop import kernels
from src.engines.whisper.loop.kernels import Numbers, Rows
from src.engines.whisper.loop.linear import Layers, Product

_ONE = np.float32(1)


class Affine:
    """A product with its bias. It may overwrite the rows that it is given."""

    def __init__(self, product: Product) -> None:
        self._multiply = product.multiply
        self._scales = product.scales
        self._bias: Numbers = product.bias.numpy()

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

    def _product(self, rows: Rows) -> tuple[Rows, Numbers]:
        largest = np.ones(len(rows), np.float32)
        if self._scales:
            kernels.scale(rows, largest)
        out: Rows = self._multiply(torch.from_numpy(rows)).numpy()
        return out, largest


class Normal:
    """Layer normalisation."""

    def __init__(self, layers: Layers[Product], name: str) -> None:
        self._gamma: Numbers = layers.tensor(f"{name}/gamma").numpy()
        self._beta: Numbers = layers.tensor(f"{name}/beta").numpy()

    def __call__(self, x: Rows) -> Rows:
        out = np.empty_like(x)
        kernels.normalise(x, self._gamma, self._beta, out)
        return out


class Attention(NamedTuple):
    """The layers of an attention."""

    normal: Normal
    ask: Affine
    answer: Affine


class FeedForward(NamedTuple):
    normal: Normal
    up: Affine
    down: Affine
