"""Whisper's audio encoder, as stages of subtasks for a pool of threads.

The network is that of "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford et al., 2022).
"""

from collections.abc import Generator
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import conv1d, gelu

from src.engines.kernels import Rows
from src.engines.whisper.loop.encoder_attention import BLOCK, EncoderAttention, EncoderAttentionFloat32
from src.engines.whisper.loop.layers import LayerBuilder, Sublayer
from src.engines.whisper.row import Mel
from src.engines.worker_pool import Stage


class WhisperEncoder:
    """The encoder's weights. Keeps nothing between calls, so that several threads may use it.

    Args:
        layers: the arrays under `encoder/` in the model.
        conv_dtype: of the second convolution.
        attention: how self-attention is computed.
    """

    def __init__(
        self,
        layers: LayerBuilder,
        conv_dtype: torch.dtype = torch.float32,
        attention: type[EncoderAttention] = EncoderAttentionFloat32,
    ) -> None:
        self._attention = attention
        self._conv_dtype = conv_dtype
        first, second = (layers.tensor(f"conv{n}/weight") for n in (1, 2))
        self._conv1 = first, layers.tensor("conv1/bias")
        self._conv2 = second.to(conv_dtype), layers.tensor("conv2/bias").to(conv_dtype)
        self._positions = layers.tensor("position_encodings/encodings")
        self._heads = int(layers.tensor("num_heads"))
        self._norm = layers.layer_norm("layer_norm")
        self._layers = [
            (layers.sublayer(f"layer_{n}/self_attention"), layers.sublayer(f"layer_{n}/ffn"))
            for n in range(layers.count("layer_{}/ffn/linear_0/weight"))
        ]

    @property
    def mels(self) -> int:
        """Number of mel bands of the input."""
        return self._conv1[0].shape[1]

    def run(self, mel: Mel, window: int) -> Generator[Stage, None, Tensor]:
        """Encode one row.

        Args:
            mel: shape (mels, frames).
            window: frames that the row is cut or padded to.

        Yields:
            stages of subtasks. A layer is always divided at the same places, so that the result does not
            depend on the threads that do the work.

        Returns:
            shape (window / 2, width).
        """
        x = self._convolve(mel, window)
        # in halves: enough for two threads, and large enough for one
        halves = _divided(len(x), len(x) // 2)
        blocks = _divided(len(x), max(1, round(len(x) / 2 / BLOCK)) * BLOCK)
        memory = self._attention(len(x), self._heads, x.shape[1] // self._heads)
        for attention, feed_forward in self._layers:
            yield [partial(self._project_qkv, attention, x, memory, part) for part in blocks]
            yield [partial(self._attend, attention, feed_forward, x, memory, half) for half in halves]
        return torch.from_numpy(self._norm(x))

    def _convolve(self, mel: Mel, window: int) -> Rows:
        given = min(window, mel.shape[1])
        x = torch.zeros(1, len(mel), window)
        x[0, :, :given] = torch.from_numpy(mel[:, :given])
        x = gelu(conv1d(x, *self._conv1, padding=1))
        x = gelu(conv1d(x.to(self._conv_dtype), *self._conv2, stride=2, padding=1).float())
        x = x[0].t().contiguous() + self._positions[: x.shape[2]]
        return x.numpy()

    def _project_qkv(self, attention: Sublayer, x: Rows, memory: EncoderAttention, part: slice) -> None:
        memory.store(attention.first(attention.norm(x[part])), part.start)

    def _attend(
        self, attention: Sublayer, feed_forward: Sublayer, x: Rows, memory: EncoderAttention, part: slice
    ) -> None:
        """The rest of a layer. Each position needs of the others only their keys and values."""
        residual = x[part]
        attention.second.add_to(residual, memory.attend(part))
        feed_forward.second.add_to(residual, feed_forward.first.gelu(feed_forward.norm(residual)))


def _divided(length: int, at: int) -> list[slice]:
    """The parts before and behind `at` that are not empty."""
    return [slice(start, end) for start, end in ((0, min(at, length)), (at, length)) if start < end]
