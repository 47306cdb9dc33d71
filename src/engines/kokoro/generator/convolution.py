"""A convolution of 8-bit integers on oneDNN, over a slice of a tensor of shape (samples, channels)."""

import numpy as np
import torch
from numpy.typing import NDArray

from src.engines.base import Audio
from src.engines.kokoro.network.weights import Integers

_PACKED_FOR = 512
"""Samples of the input that oneDNN is told of as it arranges the weights. It takes any other number, too."""


class Int8Convolution:
    """A `Conv1d` from 8 bits to float32, without padding.

    Args:
        weight: shape (outputs, inputs, taps).
        bias: shape (outputs).
    """

    def __init__(self, weight: Integers, bias: torch.Tensor, dilation: int) -> None:
        outputs, inputs, taps = weight.values.shape
        self.reach = dilation * (taps // 2)
        """Samples on either side that a sample of the output depends on."""
        self._scales = torch.full((outputs,), weight.step)
        self._zeros = torch.zeros(outputs, dtype=torch.int32)
        self._bias = bias
        self._window = ([1, 1], [0, 0], [1, dilation], 1)
        self._weight = torch.ops.onednn.qconv_prepack(
            torch.from_numpy(weight.values)[:, :, None],
            self._scales,
            1.0,
            0,
            *self._window,
            [1, inputs, 1, _PACKED_FOR],
        )

    def __call__(self, x: NDArray[np.uint8], step: float, zero: int) -> Audio:
        """The output, shape (samples - 2 x reach, outputs).

        Args:
            x: stands for `step` (x - zero); shape (samples, inputs).
        """
        made = torch.ops.onednn.qconv2d_pointwise(
            as_image(x),
            step,
            zero,
            self._weight,
            self._scales,
            self._zeros,
            self._bias,
            *self._window,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        return as_rows(made)

    def add_to(self, total: Audio, x: NDArray[np.uint8], step: float, zero: int) -> None:
        """Add the output to `total`, of its shape."""
        torch.ops.onednn.qconv2d_pointwise.binary(
            as_image(x),
            step,
            zero,
            self._weight,
            self._scales,
            self._zeros,
            as_image(total),
            self._bias,
            *self._window,
            1.0,
            0,
            torch.float32,
            1.0,
            0,
            "sum",
            1.0,
            "none",
            [],
            "",
        )


def as_image(rows: Audio | NDArray[np.uint8]) -> torch.Tensor:
    """(samples, channels) as (1, channels, 1, samples), channels last: a view of the same memory."""
    return torch.from_numpy(rows).view(1, 1, *rows.shape).permute(0, 3, 1, 2)


def as_rows(image: torch.Tensor) -> Audio:
    """(1, channels, 1, samples), channels last, as (samples, channels): a view of the same memory."""
    rows: Audio = image[0, :, 0].T.numpy()
    return rows
