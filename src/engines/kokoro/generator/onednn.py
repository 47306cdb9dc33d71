"""The generator as a whole: two levels of upsampling and residual blocks, then the inverse STFT."""

from collections.abc import Generator, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from src.engines.base import Audio
from src.engines.convolution import TransposedConvolution, channels_last
from src.engines.kernels.snake import leaky_mean
from src.engines.kokoro.frames import Frames, Statistics
from src.engines.kokoro.generator.block import Half, Normalise, Part, SnakeBlock, rows_for, shares
from src.engines.kokoro.generator.convolution import Int8Convolution, as_image, as_rows
from src.engines.kokoro.generator.normalisation import AdaInSnake, Moments, MomentsOf
from src.engines.kokoro.network.decoder import KERNELS, RATES, samples_of
from src.engines.kokoro.network.layers import DILATIONS, STYLE
from src.engines.kokoro.network.weights import Integers, integers_of, state_of
from src.engines.kokoro.onnx_file import read_graph
from src.engines.worker_pool import Stage, Task, WorkerPool

_MODULE = "decoder.generator."
_SLOPE, _LAST_SLOPE = 0.1, 0.01
"""Slopes of the leaky ReLU before an upsampling, and of the one before the last convolution."""
_WAIT_SECONDS = 0.05

State = Mapping[str, torch.Tensor]


class OneDnnGenerator:
    """See `FrameGenerator`. Call it on the thread that made it: PyTorch's thread count is one of a thread.

    Args:
        model: the ONNX file's content, whose weights it takes.
        statistics: names of the means and variances that are given and returned, in their order.
        threads: of a call.

    Raises:
        ValueError: the file has other weights than this generator.
    """

    def __init__(self, model: bytes, statistics: Sequence[str], threads: int) -> None:
        graph = read_graph(model)
        state, integers = state_of(graph, _MODULE), integers_of(graph, _MODULE)
        try:
            self._levels = [_Level(level, state, integers) for level in range(len(RATES))]
            self._output = channels_last(state["conv_post.weight"][:, :, None]), state["conv_post.bias"]
        except KeyError as missing:
            raise ValueError(f"the generator's weight {missing} is not in the file") from None
        self._statistics = _by_adain(statistics)
        self._names = tuple(statistics)
        needed = {name for level in self._levels for name in level.adain_names}
        if missing_names := needed - set(self._statistics):
            raise ValueError(f"the graph has no statistics of {', '.join(sorted(missing_names))}")
        self._threads = threads
        self._pool = WorkerPool(threads - 1, "kokoro-generator")

    def close(self) -> None:
        """See `FrameGenerator`."""
        self._pool.close()

    def samples(self, frames: Frames, statistics: Statistics | None) -> Audio:
        """See `FrameGenerator`."""
        return self._run(frames, statistics)[0]

    def samples_and_statistics(self, frames: Frames) -> tuple[Audio, Statistics]:
        """See `FrameGenerator`."""
        audio, found = self._run(frames, None)
        return audio, tuple(found[name] for name in self._names)

    def _run(self, frames: Frames, statistics: Statistics | None) -> tuple[Audio, dict[str, Audio]]:
        torch.set_num_threads(1)  # the pool's threads share the cores
        found: dict[str, Audio] = {}
        given = None if statistics is None else dict(zip(self._names, statistics, strict=True))
        task = Task(self._stages(frames, given, found))
        self._pool.submit(task)
        while not task.done:
            if not self._pool.help():
                self._pool.wait(_WAIT_SECONDS)
        if isinstance(task.outcome, Exception):
            raise task.outcome
        if task.outcome is None:
            raise RuntimeError("the generator's threads have ended")
        return task.outcome, found

    def _stages(
        self, frames: Frames, given: Mapping[str, Audio] | None, found: dict[str, Audio]
    ) -> Generator[Stage, None, Audio]:
        def normalise(adain: str, moments: Moments) -> Moments:
            of_mean, of_variance = self._statistics[adain]
            if given is not None:
                return moments.normalised_as(given[of_mean], given[of_variance])
            found[of_mean] = moments.mean.astype(np.float32)[None, :, None]
            found[of_variance] = moments.variance.astype(np.float32)[None, :, None]
            return moments

        style = np.ascontiguousarray(frames.style[0, :STYLE])
        x = channels_last(functional.leaky_relu(torch.from_numpy(frames.frames)[:, :, None], _SLOPE))
        source = channels_last(torch.from_numpy(frames.harmonics)[:, :, None])
        for level in self._levels:
            made, length = yield from level.stages(x, source, style, normalise, self._threads)
            x = as_image(made[:length])
        columns = np.empty((length, len(self._output[1])), np.float32)
        yield [partial(self._columns, x, part, columns) for part in shares(length, self._threads)]
        return samples_of(torch.from_numpy(columns).T[None]).numpy()

    def _columns(self, x: torch.Tensor, part: Part, out: Audio) -> None:
        weight, bias = self._output
        reach = weight.shape[3] // 2
        begin, end = part[0], min(part[1], len(out))
        out[begin:end] = as_rows(functional.conv2d(_window(x, begin - reach, end + reach), weight, bias))


class _Level:
    """Upsamples, adds the harmonic source, and takes the mean of three residual blocks.

    Args:
        level: number of the level.
    """

    def __init__(self, level: int, state: State, integers: Mapping[str, Integers]) -> None:
        rate = RATES[level]
        weight = state[f"ups.{level}.weight"]
        up = nn.ConvTranspose1d(weight.shape[0], weight.shape[1], 2 * rate, rate, padding=rate // 2)
        up.load_state_dict({"weight": weight, "bias": state[f"ups.{level}.bias"]})
        self._up = TransposedConvolution(up)
        self._last = level == len(RATES) - 1
        self._slope = _LAST_SLOPE if self._last else _SLOPE
        of_source = integers[f"noise_convs.{level}"]
        values = torch.from_numpy(of_source.values).float() * of_source.step
        self._source = channels_last(values[:, :, None]), state[f"noise_convs.{level}.bias"]
        self._stride = 1 if self._last else RATES[-1]
        self._source_padding = 0 if self._last else (self._stride + 1) // 2
        names = [f"noise_res.{level}"]
        names += [f"resblocks.{level * len(KERNELS) + each}" for each in range(len(KERNELS))]
        # the blocks side by side have one input, of which the graph has the statistics once
        self._of_source, *self._blocks = (
            _block(name, f"{name if name == names[0] else names[1]}.adain1.0", state, integers)
            for name in names
        )
        self.adain_names = [
            adain for block in (self._of_source, *self._blocks) for adain in block.adain_names
        ]

    def stages(
        self, x: torch.Tensor, source: torch.Tensor, style: Audio, normalise: Normalise, threads: int
    ) -> Generator[Stage, None, tuple[Audio, int]]:
        """The level's work; returns rows (samples, channels) and how many of them count.

        Args:
            x: what is upsampled, after its leaky ReLU, channels last.
            source: harmonics, channels last.
            style: shape (128).
        """
        length = self._up.length(x.shape[3]) + self._last
        parts = shares(length, threads)
        harmonic, total = np.empty((2, rows_for(length), len(self._source[1])), np.float32)
        found = [MomentsOf(harmonic.shape[1]) for _ in parts]
        yield [
            partial(self._add_source, source, length, *each, harmonic)
            for each in zip(parts, found, strict=True)
        ]
        moments = MomentsOf.joined(found)
        harmonic = yield from self._of_source.stages(harmonic, length, moments, style, normalise, threads)
        found = [MomentsOf(harmonic.shape[1]) for _ in parts]
        yield [
            partial(self._upsample, x, harmonic, length, *each, total)
            for each in zip(parts, found, strict=True)
        ]
        moments = MomentsOf.joined(found)
        made: list[Audio] = []
        for block in self._blocks:
            rows = yield from block.stages(total, length, moments, style, normalise, threads)
            made.append(rows)
        one, two, three = made
        slope = np.float32(self._slope)
        yield [
            partial(leaky_mean, one[begin:end], two[begin:end], three[begin:end], slope)
            for begin, end in parts
        ]
        return one, length

    def _add_source(
        self, source: torch.Tensor, length: int, part: Part, moments: MomentsOf, out: Audio
    ) -> None:
        weight, bias = self._source
        begin, end = part[0], min(part[1], length)
        first = begin * self._stride - self._source_padding
        last = first + (end - 1 - begin) * self._stride + weight.shape[3]
        made = functional.conv2d(_window(source, first, last), weight, bias, (1, self._stride))
        moments.add(as_rows(made), copy_to=out[begin:end])

    def _upsample(
        self, x: torch.Tensor, harmonic: Audio, length: int, part: Part, moments: MomentsOf, out: Audio
    ) -> None:
        begin, end = part[0], min(part[1], length)
        # before the last level's samples stands the second one, as reflection has it
        first = begin - self._last
        made = as_rows(self._up(x, max(0, first), end - self._last))
        if first < 0:
            np.add(made[1], harmonic[0], out=out[0])
        np.add(made, harmonic[max(begin, -first) : end], out=out[max(begin, -first) : end])
        moments.add(out[begin:end])


def _block(name: str, first_adain: str, state: State, integers: Mapping[str, Integers]) -> SnakeBlock:
    def half(kind: int, at: int, dilation: int) -> Half:
        adain, convolution = f"{name}.adain{kind}.{at}", f"{name}.convs{kind}.{at}"
        return Half(
            first_adain if (kind, at) == (1, 0) else adain,
            AdaInSnake(
                state[f"{adain}.fc.weight"].numpy(),
                state[f"{adain}.fc.bias"].numpy(),
                state[f"{name}.alpha{kind}.{at}"].numpy(),
            ),
            Int8Convolution(integers[convolution], state[f"{convolution}.bias"], dilation),
        )

    return SnakeBlock([(half(1, at, dilation), half(2, at, 1)) for at, dilation in enumerate(DILATIONS)])


def _by_adain(statistics: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Names of the mean and the variance of each AdaIN, by its name inside the generator."""
    found: dict[str, list[str]] = {}
    for name in statistics:
        inside = name.partition("/generator/")[2].rpartition("/")[0]
        found.setdefault(inside.replace("/", "."), []).append(name)
    return {adain: (names[0], names[1]) for adain, names in found.items() if len(names) == 2}


def _window(x: torch.Tensor, first: int, last: int) -> torch.Tensor:
    """The samples from `first` to `last`, with zeros where there are none."""
    inside = x[..., max(0, first) : last]
    missing = max(0, -first), max(0, last - x.shape[3])
    return channels_last(functional.pad(inside, missing) if any(missing) else inside)
