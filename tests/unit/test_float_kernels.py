"""Products and convolutions in float32 for AVX2, against PyTorch's."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from src.engines import cpu
from src.engines.cpu import Level
from src.engines.kernels.half_rows import multiply_halves, packed_halves
from src.engines.kernels.time_convolution import (
    convolve,
    convolve_in_pairs,
    first_of_pairs,
    mix,
    packed_weights,
    paired_weights,
)

pytestmark = [
    pytest.mark.instructions,
    pytest.mark.skipif(cpu.in_use("Numba") < Level.AVX2, reason="the CPU has no AVX2"),
]

ONE = np.float32(1)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rows_of(x: torch.Tensor) -> np.ndarray:
    """(channels, n) as the array (n, channels) that kernels take."""
    return np.ascontiguousarray(x.T.numpy())


def close(ours: np.ndarray, theirs: torch.Tensor) -> bool:
    return bool(np.allclose(ours, theirs.T.numpy(), rtol=1e-5, atol=1e-5))


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize(
    ("inputs", "outputs", "taps", "dilation", "padding", "length"),
    [
        (16, 32, 3, 1, 1, 300),  # several blocks, the last one not whole
        (20, 16, 7, 5, 15, 97),
        (4, 16, 1, 1, 0, 5),  # less than a tile
        (8, 8, 11, 3, 15, 205),  # eight lanes
        (12, 24, 5, 1, 2, 13),
        (16, 16, 3, 9, 0, 130),  # no padding
        (32, 16, 2, 1, 40, 20),  # whole blocks of padding
    ],
)
def test_a_convolution(
    inputs: int, outputs: int, taps: int, dilation: int, padding: int, length: int, add: bool
) -> None:
    x, weight, bias = normal(inputs, length), normal(outputs, inputs, taps, seed=1), normal(outputs, seed=2)
    theirs = functional.conv1d(functional.leaky_relu(x, 0.1)[None], weight, bias, 1, padding, dilation)[0]
    base = normal(*theirs.shape, seed=3)
    theirs = base + theirs if add else functional.leaky_relu(theirs, 0.2)
    packed, out = packed_weights(weight.numpy()), np.empty((theirs.shape[1], outputs), np.float32)

    given = rows_of(x), -padding, np.float32(0.1), packed, bias.numpy(), taps, dilation
    convolve(*given, out, np.float32(0.2), rows_of(base), add)

    assert close(out, theirs)
    if add:  # in place
        out = rows_of(base)
        convolve(*given, out, np.float32(0.2), out, add)
        assert close(out, theirs)


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("dilation", [1, 2, 3, 5, 9, 27])
@pytest.mark.parametrize("length", [70, 108, 301])
def test_a_convolution_that_makes_two_samples_at_a_time(length: int, dilation: int, add: bool) -> None:
    x, weight, bias = normal(16, length), normal(32, 16, 3, seed=1), normal(32, seed=2)
    theirs = functional.conv1d(functional.leaky_relu(x, 0.1)[None], weight, bias, 1, dilation, dilation)[0]
    base = normal(*theirs.shape, seed=3)
    theirs = base + theirs if add else functional.leaky_relu(theirs, 0.2)
    out = np.empty((theirs.shape[1], 32), np.float32)

    given = rows_of(x), -dilation, np.float32(0.1), paired_weights(weight.numpy()), bias.numpy()
    convolve_in_pairs(*given, dilation, first_of_pairs(dilation), out, np.float32(0.2), rows_of(base), add)

    assert close(out, theirs)
    if add:  # in place, as residual blocks do
        out = rows_of(base)
        convolve_in_pairs(*given, dilation, first_of_pairs(dilation), out, np.float32(0.2), out, add)
        assert close(out, theirs)


@pytest.mark.parametrize("length", [1, 96, 250])
def test_two_layers_of_one_tap_as_one(length: int) -> None:
    x, other = normal(16, length), normal(24, length, seed=1)
    weight, bias = normal(32, 40, seed=2), normal(32, seed=3)
    out = np.empty((length, 32), np.float32)

    mix(rows_of(x), rows_of(other), packed_weights(weight[..., None].numpy()), bias.numpy(), out)

    assert close(out, weight @ torch.cat([x, other]) + bias[:, None])


def test_a_row_times_halves_is_the_same_to_the_bit_alone_and_in_a_batch() -> None:
    outputs = 112  # seven groups of lanes: a row alone has four at a time, and three by themselves
    weight, bias = normal(outputs, 200) * 0.07, normal(outputs, seed=1)
    rows = normal(13, 200, seed=2).numpy()
    packed, together = packed_halves(weight.numpy()), np.empty((13, outputs), np.float32)

    multiply_halves(rows, packed, bias.numpy(), together)

    assert close(together.T, torch.from_numpy(rows) @ weight.half().float().T + bias)
    for count in (1, 3, 4, 5, 8):
        out = np.empty((count, outputs), np.float32)
        multiply_halves(rows[-count:], packed, bias.numpy(), out)
        assert np.array_equal(out, together[-count:])
