"""Compiled code against PyTorch's."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from src.engines import cpu
from src.engines.cpu import Level
from src.engines.kernels import rows as row_kernels
from src.engines.kernels import sampling
from src.engines.kernels.attention import self_attention
from src.engines.linear import MatMulInt8, MatMulInt8Tiles, from_bytes
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

pytestmark = pytest.mark.instructions

ONE = np.float32(1)
needs_vnni = pytest.mark.skipif(not cpu.multiplies_words("Numba"), reason="the CPU has no AVX512-VNNI")
needs_avx2 = pytest.mark.skipif(cpu.in_use("Numba") < Level.AVX2, reason="the CPU has no AVX2")


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def close(ours: np.ndarray, theirs: torch.Tensor, within: float = 1e-5) -> bool:
    return bool(np.allclose(ours, theirs.numpy(), rtol=within, atol=within))


def test_gelu() -> None:
    x = torch.linspace(-12, 12, 4801)[None]
    rows = x.numpy().copy()
    row_kernels.rescale_gelu(rows, np.ones(1, np.float32), np.zeros(4801, np.float32))
    assert np.abs(rows - functional.gelu(x).numpy()).max() < 2e-6


def test_gelu_makes_no_numbers_that_are_slow_to_multiply() -> None:
    """Products of subnormal numbers take a CPU a hundred times longer: an encoder took 5 s for 0.4."""
    rows = np.linspace(-100, 0, 4801, dtype=np.float32)[None]
    row_kernels.rescale_gelu(rows, np.ones(1, np.float32), np.zeros(4801, np.float32))
    assert np.abs(rows[rows != 0]).min() > 1e-30


@pytest.mark.parametrize("width", [1, 17, 512])
def test_layer_normalisation(width: int) -> None:
    x, gamma, beta = normal(5, width) * 3 + 1, normal(width, seed=1), normal(width, seed=2)
    rows = np.empty((5, width), np.float32)
    row_kernels.layer_norm(x.numpy(), gamma.numpy(), beta.numpy(), rows)
    assert close(rows, functional.layer_norm(x, (width,), gamma, beta), 2e-5)


def test_rows_are_scaled_and_what_comes_of_them_is_scaled_back() -> None:
    x = normal(3, 33) * torch.tensor([[1.0], [1e4], [0.0]])
    rows, largest = x.numpy().copy(), np.empty(3, np.float32)
    row_kernels.scale(rows, largest)
    assert np.allclose(np.abs(rows).max(1), [1, 1, 0])
    assert np.array_equal(largest[:2], x.abs().amax(1)[:2])
    bias, more = normal(33, seed=1), normal(3, 33, seed=2)
    sums = more.numpy().copy()
    row_kernels.rescale_add(sums, rows, largest, bias.numpy())
    assert close(sums, more + x + bias)
    row_kernels.rescale(rows, largest, bias.numpy(), np.float32(3))
    assert close(rows, (x + bias) * 3)


@pytest.mark.parametrize(("levels", "zero_point"), [(127, 128), (63, 64)])
def test_rows_become_the_integers_that_pytorch_makes_of_them(levels: int, zero_point: int) -> None:
    x = normal(6, 200) * torch.tensor([1e-3, 1e-2, 0.1, 1.0, 10.0, 0.0])[:, None]
    small, largest = np.empty((6, 200), np.uint8), np.empty(6, np.float32)
    row_kernels.quantize(x.numpy(), levels, zero_point, small, largest)
    most = x.abs().amax(1, keepdim=True).clamp_min(1e-12)
    theirs = torch.quantize_per_tensor(x / most, 1 / levels, zero_point, torch.quint8).int_repr().numpy()
    assert np.array_equal(largest, most[:, 0].numpy())
    # a number between two integers may go either way
    assert np.abs(small.astype(int) - theirs).max() <= 1
    assert np.mean(small != theirs) < 0.01
    assert (small[5] == zero_point).all()


@pytest.mark.parametrize(("tokens", "places"), [(1, 1), (3, 3), (5, 48)])
def test_self_attention_with_a_mask_and_a_cache(tokens: int, places: int) -> None:
    heads, size = 4, 16
    every = normal(tokens, 3, heads, size)
    store = normal(2, heads, 64, size, seed=1)
    keys, values = store.numpy().copy()
    mask = np.random.default_rng(2).random((tokens, places)) < 0.3
    mask[:, -tokens:] = np.eye(tokens, dtype=bool)
    seen = np.empty((tokens, heads * size), np.float32)
    self_attention(every.numpy().reshape(tokens, -1), keys, values, mask, seen)
    asked, new_keys, new_values = every.permute(1, 2, 0, 3)
    before = places - tokens
    theirs = functional.scaled_dot_product_attention(
        asked,
        torch.cat([store[0, :, :before], new_keys], 1),
        torch.cat([store[1, :, :before], new_values], 1),
        torch.from_numpy(mask),
    )
    assert close(seen, theirs.transpose(0, 1).reshape(tokens, -1))
    # and they are remembered
    assert np.array_equal(keys[:, before:places], new_keys.numpy())
    assert np.array_equal(values[:, before:places], new_values.numpy())


@pytest.mark.parametrize(
    ("kind", "within"),
    [
        (CrossAttentionFloat32, 1e-5),
        pytest.param(CrossAttentionInt8, 2e-2, marks=needs_vnni),
        pytest.param(CrossAttentionInt16, 3e-3, marks=needs_avx2),
    ],
)
@pytest.mark.parametrize("positions", [1, 63, 64, 65, 300])
@pytest.mark.parametrize("tokens", [1, 5, 12, 30])
def test_cross_attention(kind: type[CrossAttentionCache], within: float, positions: int, tokens: int) -> None:
    keys, values, asked = (
        normal(2, positions, 2, 64)[0],
        normal(positions, 2, 64, seed=1),
        normal(tokens, 2, 64),
    )
    seen = np.empty((tokens, 2, 64), np.float32)
    kind(keys, values).attend(asked.numpy(), seen)
    queries, heads, lines = (one.transpose(0, 1) for one in (asked, keys, values))
    theirs = functional.scaled_dot_product_attention(queries, heads, lines, scale=1.0).transpose(0, 1)
    assert np.abs(seen - theirs.numpy()).max() < within * theirs.abs().max()
    alone = np.empty((1, 2, 64), np.float32)
    kind(keys, values).attend(asked.numpy()[-1:], alone)
    assert np.array_equal(alone[0], seen[-1])  # the same to the bit alone and in a batch


@pytest.mark.parametrize(
    ("kind", "levels"),
    [
        pytest.param(CrossAttentionInt8, 127, marks=needs_vnni),
        pytest.param(CrossAttentionInt16, 5792, marks=needs_avx2),
    ],
)
@pytest.mark.parametrize("positions", [1, 63, 64, 65, 300])
def test_keys_are_within_half_a_level(
    kind: type[CrossAttentionInt8 | CrossAttentionInt16], levels: int, positions: int
) -> None:
    keys = normal(positions, 2, 64) * torch.logspace(-3, 3, positions)[:, None, None]
    cache = kind(keys, torch.zeros(positions, 2, 64))
    for head in range(2):
        level = keys[:, head].abs().amax(1, keepdim=True).numpy() / levels
        assert np.all(np.abs(cache.keys_of(head) - keys[:, head].numpy()) <= 0.501 * level)


@needs_vnni
def test_attention_in_8_bits_finds_a_single_position_exactly() -> None:
    """A query that fits one key alone, among values of very different size."""
    keys, values = torch.zeros(200, 1, 64), normal(200, 1, 64) * torch.logspace(-3, 3, 200)[:, None, None]
    keys[77, 0, 5] = 10
    asked = torch.zeros(1, 1, 64)
    asked[0, 0, 5] = 10
    seen = np.empty((1, 1, 64), np.float32)
    CrossAttentionInt8(keys, values).attend(asked.numpy(), seen)
    assert np.abs(seen[0] - values[77].numpy()).max() < 0.005 * values[77].abs().max()


@pytest.mark.parametrize("kind", [CrossAttentionInt8, CrossAttentionInt16])
def test_heads_of_another_width_are_not_taken_for_those_of_whisper(
    kind: type[CrossAttentionCache],
) -> None:
    with pytest.raises(ValueError, match="width is 32"):
        kind(torch.zeros(1, 1, 32), torch.zeros(1, 1, 32))


def test_log_probabilities() -> None:
    logits = normal(3, 256) * 5
    rows, static = logits.numpy().copy(), np.zeros(256, np.float32)
    static[7] = -np.inf
    barred = np.zeros((3, 2, 2), np.int64)
    barred[1] = [[10, 20], [30, 31]]
    sampling.masked_log_softmax(rows, static, barred, np.zeros(3, np.bool_), 200)
    logits[:, 7] = logits[1, 10:20] = logits[1, 30] = -torch.inf
    assert close(rows, logits.log_softmax(1))


@pytest.mark.parametrize("count", [1, 10])
def test_the_likeliest_are_those_that_sorting_finds(count: int) -> None:
    lines = normal(4, 10 * sampling.BLOCK)
    lines[1] = -torch.inf
    lines[1, 77] = -3
    lines[2] -= 100
    lines[3] = lines[3].sort().values  # each is likelier than the one before
    best, indexes = np.empty((4, count), np.float32), np.empty((4, count), np.int64)
    sampling.top_k(lines.numpy(), best, indexes)
    theirs = lines.topk(count, 1)
    assert np.array_equal(best, theirs.values.numpy())
    found = np.isfinite(best)
    assert np.array_equal(indexes[found], theirs.indices.numpy()[found])


def test_of_equals_the_first_is_the_likeliest() -> None:
    best, indexes = np.empty((1, 2), np.float32), np.empty((1, 2), np.int64)
    sampling.top_k(np.zeros((1, sampling.BLOCK), np.float32), best, indexes)
    assert indexes.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("kind", "within"),
    [
        (EncoderAttentionFloat32, 1e-5),
        pytest.param(
            EncoderAttentionInt16,
            3e-3,
            marks=needs_avx2,
        ),
    ],
)
@pytest.mark.parametrize("positions", [1, 63, 64, 65, 300])
@pytest.mark.parametrize("sharp", [0.1, 1.0, 8.0, 100.0])
def test_encoder_attention(kind: type[EncoderAttention], within: float, positions: int, sharp: float) -> None:
    qkv = normal(positions, 3, 2, 64)
    qkv[:, 0] *= sharp
    query, keys, values = qkv.transpose(0, 2).unbind(1)
    theirs = functional.scaled_dot_product_attention(query, keys, values).transpose(0, 1)
    memory = kind(positions, 2, 64)
    for start in range(0, positions, 64):
        memory.store(qkv[start : start + 64].reshape(-1, 3 * 2 * 64).numpy(), start)
    seen = memory.attend(slice(0, positions)).reshape(positions, 2, 64)
    # the error of a score grows with the score, and that of a weight with it
    assert np.abs(seen - theirs.numpy()).max() < within * max(1, sharp / 8) * theirs.abs().max()
    part = slice(positions // 2, positions)
    again = memory.attend(part).reshape(-1, 2, 64)
    if kind is EncoderAttentionInt16:  # PyTorch sums otherwise for another number of queries
        assert np.array_equal(again, seen[part])
    assert np.abs(again - seen[part]).max() < 1e-4 * theirs.abs().max()


@needs_avx2
def test_encoder_attention_of_the_largest_numbers_does_not_overflow() -> None:
    qkv = torch.full((200, 3, 1, 64), 50.0)
    qkv[:, 2] = -3
    memory = EncoderAttentionInt16(200, 1, 64)
    memory.store(qkv.reshape(200, -1).numpy(), 0)
    assert np.abs(memory.attend(slice(0, 200)) + 3).max() < 1e-5


@needs_avx2
def test_encoder_attention_is_given_heads_of_whispers_width() -> None:
    with pytest.raises(ValueError, match="head width"):
        EncoderAttentionInt16(10, 2, 32)


def bytes_of(outputs: int, inputs: int) -> torch.Tensor:
    """A weight of signed bytes of all sizes."""
    values = np.random.default_rng(outputs).integers(-127, 128, (outputs, inputs)).astype(np.int8)
    return from_bytes(torch.from_numpy(values), normal(outputs).abs() / 100 + 1e-3)


@needs_avx2
@pytest.mark.parametrize(("outputs", "inputs"), [(64, 4), (256, 5), (96, 64), (1536, 512), (512, 2048)])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 11, 40, 173])
def test_products_of_bytes_are_those_of_fbgemm_to_the_bit(rows: int, outputs: int, inputs: int) -> None:
    weight = bytes_of(outputs, inputs)
    x = (normal(rows, inputs) * torch.logspace(-3, 3, rows)[:, None]).numpy()
    ours, theirs = (kind(weight)(x.copy()) for kind in (MatMulInt8Tiles, MatMulInt8))
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(one, other)


@needs_vnni
def test_products_of_the_largest_bytes_do_not_overflow() -> None:
    """Two such products do not fit 16 bits, in which CPUs without VNNI add them up."""
    values = np.full((64, 2048), 127, np.int8)
    values[1] = -127
    rows = np.ones((5, 2048), np.float32)
    rows[1] = -1
    rows[2] = 0
    out, _ = MatMulInt8Tiles(from_bytes(torch.from_numpy(values), torch.ones(64)))(rows.copy())
    assert np.allclose(out[0], values.astype(np.float64).sum(1))
    assert np.array_equal(out[1], -out[0])
    assert not out[2].any()


@needs_avx2
def test_a_row_has_the_same_product_alone_and_among_others() -> None:
    product = MatMulInt8Tiles(bytes_of(1536, 512))
    x = normal(13, 512).numpy()
    all_rows, _ = product(x.copy())
    for number, row in enumerate(x):
        assert np.array_equal(product(row[None].copy())[0][0], all_rows[number])
