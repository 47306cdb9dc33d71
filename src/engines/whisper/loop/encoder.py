"""Whisper's encoder, in parts that are done one by one.

The network is that of "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford et al., 2022).
Attention is done for a few positions at a time, so that their scores stay in the core's cache: the scores of
30 s are 72 MB, and writing them out and reading them back is what long windows cost elsewhere.
"""

from collections.abc import Callable, Generator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv1d, gelu

from src.engines.whisper.loop.audio import Audio, Float32
from src.engines.whisper.loop.kernels import Rows
from src.engines.whisper.loop.layers import Block, Layers
from src.engines.whisper.row import Mel

_BLOCK = 64
"""Positions whose attention is done at a time."""


Parts = Sequence[Callable[[], None]]
"""Work that may be done in any order, or at once."""


class Encoder:
    """The weights. Keeps nothing between calls, so that several threads may use it.

    Args:
        layers: what is under `encoder/` in the model.
        audio: how keys and values are kept, and attention is done.
        stored: numbers in which the second convolution is done.
    """

    def __init__(
        self, layers: Layers, audio: type[Audio] = Float32, stored: torch.dtype = torch.float32
    ) -> None:
        self._audio = audio
        self._stored = stored
        first, second = (layers.tensor(f"conv{n}/weight") for n in (1, 2))
        self._first = first, layers.tensor("conv1/bias")
        self._second = second.to(stored), layers.tensor("conv2/bias").to(stored)
        self._positions = layers.tensor("position_encodings/encodings")
        self._heads = int(layers.tensor("num_heads"))
        self._normal = layers.normal("layer_norm")
        self._layers = [
            (layers.block(f"layer_{n}/self_attention"), layers.block(f"layer_{n}/ffn"))
            for n in range(layers.count("layer_{}/ffn/linear_0/weight"))
        ]

    @property
    def mels(self) -> int:
        return self._first[0].shape[1]

    def run(self, mel: Mel, window: int) -> Generator[Parts, None, Tensor]:
        """Encode one row, filled up to `window` frames.

        Yields:
            what is to be done before it goes on, in any order or at once. It is cut up at the same places
            whoever does it, so that the outcome is the same to the bit.

        Returns:
            shape (window / 2, width).
        """
        x = self._begin(mel, window)
        # its halves: enough for two threads, and large enough for one
        halves = [slice(0, len(x) // 2), slice(len(x) // 2, len(x))]
        every = np.empty((len(x), 3, self._heads, x.shape[1] // self._heads), np.float32)
        for attention, feed_forward in self._layers:
            yield [partial(self._project, attention, x, every, half) for half in halves]
            heads = self._audio(torch.from_numpy(every[:, 1]), torch.from_numpy(every[:, 2]))
            yield [partial(self._read, attention, feed_forward, x, every, heads, half) for half in halves]
        return torch.from_numpy(self._normal(x))

    def _begin(self, mel: Mel, window: int) -> Rows:
        given = min(window, mel.shape[1])
        x = torch.zeros(1, len(mel), window)
        x[0, :, :given] = torch.from_numpy(mel[:, :given])
        x = gelu(conv1d(x, *self._first, padding=1))
        x = gelu(conv1d(x.to(self._stored), *self._second, stride=2, padding=1).float())
        x = x[0].t().contiguous() + self._positions[: x.shape[2]]
        return x.numpy()

    def _project(self, attention: Block, x: Rows, every: NDArray[np.float32], some: slice) -> None:
        made = attention.linears[0](attention.normal(x[some]))
        every[some] = made.reshape(-1, *every.shape[1:])

    def _read(
        self,
        attention: Block,
        feed_forward: Block,
        x: Rows,
        every: NDArray[np.float32],
        heads: Audio,
        some: slice,
    ) -> None:
        """The rest of a layer, in which each position needs nothing of the others but keys and values."""
        mine, asked = x[some], every[some, 0] * np.float32(every.shape[3] ** -0.5)
        seen = np.empty(asked.shape, np.float32)
        for start in range(0, len(mine), _BLOCK):
            heads.attend(asked[start : start + _BLOCK], seen[start : start + _BLOCK])
        attention.linears[1].add_to(mine, seen.reshape(mine.shape))
        up, down = feed_forward.linears
        down.add_to(mine, up.gelu(feed_forward.normal(mine)))
