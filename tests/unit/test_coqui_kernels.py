"""The kernels of Tacotron2's decoder step, against PyTorch's double precision."""

import numpy as np
import pytest
import torch

from src.engines.kernels.tacotron import apply_gates, attention_energies

pytestmark = pytest.mark.instructions


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_gates_of_an_lstm_cell() -> None:
    product, cell = normal(3, 4 * 40) * 4, normal(3, 40, seed=1)
    # numbers whose exponential overflows, in each gate
    extremes = torch.tensor([-1000.0, -100.0, -89.0, 0.0, 89.0, 100.0, 1000.0])
    for gate in range(4):
        product[0, gate * 40 + gate * 7 : gate * 40 + gate * 7 + 7] = extremes
    input_gate, forget_gate, output_gate, candidate = product.double().chunk(4, 1)
    new = forget_gate.sigmoid() * cell + input_gate.sigmoid() * candidate.tanh()
    out = np.empty((3, 40), np.float32)

    apply_gates(product.numpy(), cell.numpy(), out)

    assert (cell - new).abs().max() < 5e-7
    assert np.abs(out - (output_gate.sigmoid() * new.tanh()).numpy()).max() < 5e-7


@pytest.mark.parametrize("taps", [0, 1, 31])
def test_the_energies_of_location_sensitive_attention(taps: int) -> None:
    rows, characters, size = 3, 17, 20  # fewer characters than taps
    keys, query = normal(rows, characters, size), normal(rows, size, seed=1)
    history, location = normal(rows, 2, characters, seed=2), normal(2, taps, size, seed=3)
    value, bias = normal(size, seed=4), normal(1, seed=5)
    mask = torch.arange(characters) < torch.tensor([[17], [5], [1]])
    sums = keys.double() + query[:, None]
    for at in range(characters):
        for tap in range(taps):
            if 0 <= (other := at + tap - taps // 2) < characters:
                sums[:, at] += history[:, :, other].double() @ location[:, tap].double()
    theirs = (torch.tanh(sums) @ value.double() + bias).masked_fill(~mask, float("-inf"))
    out = np.empty((rows, characters), np.float32)

    attention_energies(
        keys.numpy(), query.numpy(), history.numpy(), location.numpy(),
        value.numpy(), bias.numpy(), mask.numpy(), out,
    )  # fmt: skip

    assert np.allclose(out, theirs.numpy(), atol=5e-6)
    alone = np.empty((1, characters), np.float32)
    attention_energies(
        keys[1:2].numpy(), query[1:2].numpy(), history[1:2].numpy(), location.numpy(),
        value.numpy(), bias.numpy(), mask[1:2].numpy(), alone,
    )  # fmt: skip
    assert np.array_equal(alone, out[1:2])
