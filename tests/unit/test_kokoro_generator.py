"""The generator's 8-bit arithmetic on oneDNN, without a model: against the same in float."""

from collections.abc import Generator
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pytest
import torch
from torch.nn import functional

from src.engines import cpu
from src.engines.base import Audio
from src.engines.kernels.snake import leaky_mean, quantize_snake
from src.engines.kokoro.generator.block import Half, SnakeBlock, rows_for, shares, tiles
from src.engines.kokoro.generator.convolution import Int8Convolution
from src.engines.kokoro.generator.normalisation import AdaInSnake, Moments, MomentsOf
from src.engines.kokoro.network import layers
from src.engines.kokoro.network.weights import Integers
from src.engines.worker_pool import Stage

pytestmark = [
    pytest.mark.instructions,
    pytest.mark.skipif(cpu.in_use("oneDNN") < cpu.Level.AVX2, reason="onnxruntime runs Kokoro here"),
]

CHANNELS, KERNEL = 128, 7
T = TypeVar("T")


def test_a_snake_is_quantised_as_its_formula_says() -> None:
    random = np.random.default_rng(0)
    x = random.normal(0, 3, (37, CHANNELS)).astype(np.float32)
    scale, shift, turns, phase, height = (
        random.uniform(low, high, CHANNELS).astype(np.float32)
        for low, high in ((-60, 60), (100, 150), (-9, 9), (-9, 9), (0, 80))
    )
    out = np.empty(x.shape, np.uint8)
    quantize_snake(x, scale, shift, turns, phase, height, out)
    exact = (
        scale * np.float64(x) + shift + height * np.square(np.sin(np.pi * (turns * np.float64(x) + phase)))
    )
    assert (exact < 0).any()
    assert (exact > 255).any()
    assert np.abs(out - exact.clip(0, 255)).max() < 0.51


def test_moments_of_slices_are_those_of_the_whole() -> None:
    x = np.random.default_rng(1).normal(2, 3, (1000, CHANNELS)).astype(np.float32)
    parts = [MomentsOf(CHANNELS), MomentsOf(CHANNELS)]
    copied = np.zeros_like(x[:300])
    parts[0].add(x[:300], copy_to=copied)
    parts[0].add(x[300:500])
    parts[1].add(x[500:])
    found = MomentsOf.joined(parts)
    np.testing.assert_array_equal(copied, x[:300])
    np.testing.assert_allclose(found.mean, x.mean(0, np.float64), rtol=1e-5)
    np.testing.assert_allclose(found.variance, x.var(0, np.float64), rtol=1e-4)
    np.testing.assert_array_equal(found.lowest, x.min(0))
    np.testing.assert_array_equal(found.highest, x.max(0))


@pytest.mark.parametrize("dilation", [1, 5])
def test_a_convolution_of_integers_is_exact(dilation: int) -> None:
    random = np.random.default_rng(2)
    # without VNNI, oneDNN adds two products up in 16 bits: these fit
    values = random.integers(-64, 65, (CHANNELS, CHANNELS, KERNEL)).astype(np.int8)
    x = random.integers(0, 256, (200, CHANNELS)).astype(np.uint8)
    bias = torch.from_numpy(random.normal(0, 1, CHANNELS).astype(np.float32))
    layer = Int8Convolution(Integers(values, 0.25), bias, dilation)
    image = torch.from_numpy((np.float64(x) - 99) * 0.5).T[None]
    weight = torch.from_numpy(values).double() * 0.25
    expected = functional.conv1d(image, weight, bias.double(), dilation=dilation)[0].T.numpy()

    assert len(expected) == 200 - 2 * layer.reach
    np.testing.assert_allclose(layer(x, 0.5, 99), expected, rtol=1e-5, atol=1e-2)
    rows = np.ones((400, CHANNELS), np.float32)
    layer.add_to(rows[100 : 100 + len(expected)], x, 0.5, 99)
    np.testing.assert_allclose(rows[100 : 100 + len(expected)], expected + 1, rtol=1e-5, atol=1e-2)
    assert (rows[:100] == 1).all()
    assert (rows[100 + len(expected) :] == 1).all()


def _quantised(convolution: torch.nn.Conv1d) -> Integers:
    """Round a layer's weight to seven bits, and give its integers."""
    weight = convolution.weight
    step = float(weight.abs().max()) / 63
    integers = torch.round(weight / step)
    convolution.weight = torch.nn.Parameter(integers * step)
    return Integers(integers.to(torch.int8).numpy(), step)


def _ours(block: layers.SnakeBlock) -> SnakeBlock:
    def half(kind: int, at: int) -> Half:
        norm = getattr(block, f"adain{kind}")[at].fc
        convolution = getattr(block, f"convs{kind}")[at]
        alpha = getattr(block, f"alpha{kind}")[at].numpy()
        snake = AdaInSnake(norm.weight.numpy(), norm.bias.numpy(), alpha)
        integers = _quantised(convolution)
        return Half(
            f"{kind}.{at}", snake, Int8Convolution(integers, convolution.bias, convolution.dilation[0])
        )

    return SnakeBlock([(half(1, at), half(2, at)) for at in range(3)])


def _done(stages: Generator[Stage, None, T]) -> T:
    while True:
        try:
            subtasks = next(stages)
        except StopIteration as end:
            outcome: T = end.value
            return outcome
        for subtask in reversed(subtasks):
            subtask()


@pytest.mark.parametrize("threads", [1, 3])
def test_a_block_differs_from_float32_by_its_eight_bits(threads: int) -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        block = layers.SnakeBlock(CHANNELS, KERNEL)
        for parameter in [*block.alpha1, *block.alpha2]:
            parameter.uniform_(0.3, 3)
        ours = _ours(block)
        length = 1700  # no multiple of a tile's
        x = np.full((rows_for(length), CHANNELS), np.nan, np.float32)
        x[:length] = torch.randn(length, CHANNELS).cumsum(0).numpy() / 10
        given = x.copy()
        style = torch.randn(layers.STYLE)
        expected = block(torch.from_numpy(x[:length]).T[None], style[None])[0].T.numpy()
        moments = MomentsOf(CHANNELS)
        moments.add(x[:length])
        whole = MomentsOf.joined([moments])
        names: list[str] = []

        def own(name: str, moments: Moments) -> Moments:
            names.append(name)
            return moments

        made = _done(ours.stages(x, length, whole, style.numpy(), own, threads))[:length]
    assert names == ours.adain_names == ["1.0", "2.0", "1.1", "2.1", "1.2", "2.2"]
    np.testing.assert_array_equal(x, given)
    noise = np.square(made - expected).sum()
    assert 10 * np.log10(np.square(expected - x[:length]).sum() / noise) > 25


def test_threads_share_all_rows_in_whole_tiles() -> None:
    for length in (1, 63, 64, 65, 1000, 44161):
        for threads in (1, 2, 5):
            parts = [tile for part in shares(length, threads) for tile in tiles(*part, CHANNELS)]
            assert len(shares(length, threads)) <= threads
            assert parts[0][0] == 0
            assert parts[-1][1] == rows_for(length) >= length
            assert all(one[1] == two[0] for one, two in pairwise(parts))
            assert all(end - begin in range(64, 1025, 64) for begin, end in parts)


def test_the_mean_of_three_goes_through_a_leaky_relu() -> None:
    one, two, three = np.random.default_rng(3).normal(0, 1, (3, 10, CHANNELS)).astype(np.float32)
    mean = (one + two + three) / 3
    leaky_mean(one, two, three, np.float32(0.1))
    np.testing.assert_allclose(one, np.where(mean > 0, mean, 0.1 * mean), rtol=1e-5, atol=1e-6)


def test_mean_and_variance_can_be_given() -> None:
    nothing = np.zeros(CHANNELS)
    own = Moments(nothing, nothing + 1, nothing - 2, nothing + 2)
    given = own.normalised_as(np.ones((1, CHANNELS, 1), np.float32), np.full((1, CHANNELS, 1), 4, np.float32))
    snake = AdaInSnake(
        np.zeros((2 * CHANNELS, layers.STYLE), np.float32),
        np.zeros(2 * CHANNELS, np.float32),
        np.full(CHANNELS, 1e-3, np.float32),
    )
    style: Audio = np.zeros(layers.STYLE, np.float32)
    x = np.linspace(-2, 2, 9, dtype=np.float32)[:, None].repeat(CHANNELS, 1)
    for moments, expected in ((own, x), (given, (x - 1) / 2)):
        found = snake.quantisation(moments, style)
        values = (found.rows(x, len(x), 0, len(x)).astype(np.float32) - found.zero) * found.step
        assert np.abs(values - expected).max() < 0.6 * found.step + 0.01
        padded = found.rows(x, len(x), -2, len(x) + 3)
        assert (padded[:2] == found.zero).all()
        assert (padded[-3:] == found.zero).all()
