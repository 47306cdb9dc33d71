"""Products of bytes against float32, as CPUs with VNNI make them and as others do."""

import numpy as np
import pytest
import torch
from torch.nn.functional import gelu

from src.engines import cpu, linear
from src.engines.cpu import Level
from src.engines.linear import (
    Linear,
    MatMul,
    MatMulFloat32,
    MatMulInt8,
    MatMulInt8OneDnn,
    MatMulInt8Tiles,
    from_bytes,
)

pytestmark = [
    pytest.mark.instructions,
    pytest.mark.parametrize(
        "kind",
        [
            MatMulInt8,
            MatMulInt8OneDnn,
            pytest.param(
                MatMulInt8Tiles,
                marks=pytest.mark.skipif(cpu.in_use("Numba") < Level.AVX2, reason="the CPU has no AVX2"),
            ),
        ],
    ),
    pytest.mark.parametrize(
        "vnni",
        [
            pytest.param(
                True,
                marks=pytest.mark.skipif(
                    not (cpu.multiplies_bytes() and cpu.multiplies_words("Numba")),
                    reason="the CPU has no VNNI: sums would overflow",
                ),
            ),
            False,
        ],
    ),
]


@pytest.fixture(autouse=True)
def weights_for_this_kind_of_cpu(vnni: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "_EXACT", vnni)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def as_bytes(weight: torch.Tensor) -> torch.Tensor:
    """The weight as an int8 model has it: each output's largest number is 127."""
    scale = weight.abs().amax(1) / 127
    return from_bytes((weight / scale[:, None]).round().to(torch.int8), scale)


def errors(kind: type[MatMul], weight: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Of each row, the length of the error over the length of the result."""
    bias = torch.zeros(len(weight))
    ours, exact = (
        torch.from_numpy(Linear(one(weight), bias)(rows.numpy().copy())) for one in (kind, MatMulFloat32)
    )
    error, whole = (torch.linalg.vector_norm(one, dim=1) for one in (ours - exact, exact))
    share: torch.Tensor = error / whole
    return share


def test_rows_of_any_size_are_close_to_float32(kind: type[MatMul]) -> None:
    weight, bias = normal(96, 64), normal(96, seed=1)
    rows = normal(5, 64, seed=2) * torch.tensor([1e-6, 0.1, 1.0, 10.0, 1e4])[:, None]
    assert (errors(kind, weight, rows) < 0.015).all()
    nothing = Linear(kind(weight), bias)(np.zeros((1, 64), np.float32))
    assert np.array_equal(nothing, bias[None].numpy())


def test_numbers_behind_gelu_keep_eight_bits(kind: type[MatMul]) -> None:
    """Most of them are near zero, and a few are large. In 7 bits the error was 3 %."""
    rows = gelu(normal(20, 2048, seed=3) * 2 - 1)
    assert errors(kind, normal(96, 2048), rows).mean() < 0.02


@pytest.mark.parametrize("inputs", [512, 7])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_of_the_largest_products_do_not_overflow(kind: type[MatMul], sign: int, inputs: int) -> None:
    weight = sign * torch.ones(64, inputs)
    weight[1::4] = sign * normal(16, inputs).abs()
    weight[2::4, 1::2] *= -1  # neighbours of two signs
    weight[3::4] = 0
    weight[3::4, inputs // 2 : inputs // 2 + 2] = sign
    rows = torch.stack([torch.ones(inputs), -torch.ones(inputs), torch.ones(inputs)])
    rows[2, 1::2] *= -1
    exact = rows @ weight.t()
    most = rows.abs() @ weight.abs().t()
    for one in (weight, as_bytes(weight)):
        ours = Linear(kind(one), torch.zeros(64))(rows.numpy().copy())
        assert ((torch.from_numpy(ours) - exact).abs() < 0.015 * most).all()
