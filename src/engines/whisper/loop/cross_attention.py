"""Cross-attention: a layer's keys and values of the encoder's output, and attention of tokens to them.

Reading them is much of a decoder step's work. 30 s of audio for `base` are 6 MB a layer in float32.
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from src.engines.kernels import Heads, Rows
from src.engines.kernels import encoder_attention as words
from src.engines.kernels.byte_attention import attend, pack
from src.engines.kernels.byte_tiles import QUAD
from src.engines.kernels.tiles import AT_ONCE, LANES
from src.engines.kernels.word_tiles import PAIRS, ROWS

_KEYS = 64
"""Number of encoder positions in a block of keys."""


class CrossAttentionCache(Protocol):
    """Keys and values of one row's audio in one layer.

    Args:
        keys: shape (positions, heads, head width).
        values: likewise.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None: ...

    def attend(self, query: Heads, out: Heads) -> None:
        """Attention of some tokens to all encoder positions.

        Args:
            query: queries, already divided by the square root of the head width; (tokens, heads, width).
            out: the result, in the same shape.
        """

    def keys_of(self, head: int) -> Rows:
        """A copy of one head's keys in float32, shape (positions, head width)."""


class CrossAttentionFloat32:
    """Keys and values in float32, for any CPU. See `CrossAttentionCache`."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        positions, heads, width = keys.shape
        # a block of keys fits into the first-level cache, which halves the time of the product
        filled = pad(keys.transpose(0, 1), (0, 0, 0, -positions % _KEYS))
        self._keys = filled.view(heads, -1, _KEYS, width).transpose(2, 3).contiguous()
        self._values = values.transpose(0, 1).contiguous()

    def attend(self, query: Heads, out: Heads) -> None:
        """See `CrossAttentionCache`. PyTorch's fused kernels are slower for a beam's five tokens."""
        queries = torch.from_numpy(query).transpose(0, 1)
        scores = torch.matmul(queries[:, None], self._keys).transpose(1, 2)
        # without the padding of the last block
        weights = scores.flatten(2)[:, :, : self._values.shape[1]].softmax(2)
        out[:] = torch.bmm(weights, self._values).transpose(0, 1).numpy()

    def keys_of(self, head: int) -> Rows:
        """See `CrossAttentionCache`."""
        positions, width = self._values.shape[1:]
        keys: Rows = self._keys[head].transpose(1, 2).reshape(-1, width)[:positions].numpy()
        return keys


class CrossAttentionInt8:
    """Keys and values in 8 bits, for CPUs with AVX512-VNNI: a quarter of the bytes.

    See `CrossAttentionCache`.

    Raises:
        ValueError: the head width is not 64. All released Whisper models have 64.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self._positions, heads, width = keys.shape
        if width != LANES:
            raise ValueError(f"the head width is {width}, not {LANES}")
        blocks = -(-self._positions // LANES)
        # PyTorch's memory begins with a cache line, NumPy's does not
        self._keys = torch.empty(heads, blocks, LANES // QUAD, LANES, QUAD, dtype=torch.int8).numpy()
        self._values = torch.empty(heads, blocks * LANES // QUAD, LANES, QUAD, dtype=torch.int8).numpy()
        self._key_offsets = np.empty((heads, blocks * LANES), np.int32)
        self._key_scales, self._value_scales = (
            np.empty((heads, blocks * LANES), np.float32) for _ in range(2)
        )
        pack(
            keys.numpy(),
            values.numpy(),
            self._keys,
            self._key_offsets,
            self._key_scales,
            self._values,
            self._value_scales,
        )

    def attend(self, query: Heads, out: Heads) -> None:
        """See `CrossAttentionCache`."""
        attend(
            query,
            self._keys.reshape(-1),
            self._key_offsets,
            self._key_scales,
            self._values.reshape(-1),
            self._value_scales,
            self._positions,
            out,
        )

    def keys_of(self, head: int) -> Rows:
        """See `CrossAttentionCache`."""
        levels = self._keys[head].transpose(0, 2, 1, 3).reshape(-1, LANES)[: self._positions]
        keys: Rows = levels * self._key_scales[head, : self._positions, None]
        return keys


class CrossAttentionInt16:
    """Keys and values in 16 bits, for CPUs with AVX2 alone: half the bytes, and the encoder's kernels.

    See `CrossAttentionCache`.

    Raises:
        ValueError: as `CrossAttentionInt8`.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self._positions, heads, width = keys.shape
        if width != LANES:
            raise ValueError(f"the head width is {width}, not {LANES}")
        blocks = -(-self._positions // LANES)
        # PyTorch's memory begins with a cache line, NumPy's does not
        self._keys, self._values = (
            torch.empty(heads, blocks, LANES // AT_ONCE, PAIRS, AT_ONCE, dtype=torch.int32).numpy()
            for _ in range(2)
        )
        self._key_scales, self._value_scales = (
            np.empty((heads, blocks, LANES), np.float32) for _ in range(2)
        )
        both = torch.stack([keys, values], 1).numpy()
        words.pack_keys(both, 0, 0, self._keys, self._key_scales)
        words.pack_values(both, 1, 0, self._values, self._value_scales)

    def attend(self, query: Heads, out: Heads) -> None:
        """See `CrossAttentionCache`."""
        tokens, heads, _ = query.shape
        slots, rows = self._keys.shape[1] * LANES, min(-(-tokens // ROWS) * ROWS, words.QUERIES)
        queries, scales = np.empty((heads, tokens, LANES), np.int16), np.empty((heads, tokens), np.float32)
        words.pack_queries(query[:, None], 0, 0, queries, scales)
        # the kernel divides the scores, as the queries are divided already
        scales *= np.float32(LANES**0.5)
        words.attend(
            queries,
            scales,
            self._keys.view(np.int16).reshape(-1),
            self._key_scales.reshape(-1),
            self._values.view(np.int16).reshape(-1),
            self._value_scales.reshape(-1),
            self._positions,
            0,
            out,
            np.empty((rows, slots), np.float32),
            np.empty((rows, slots), np.int16),
            np.empty((rows, LANES), np.float32),
        )

    def keys_of(self, head: int) -> Rows:
        """See `CrossAttentionCache`."""
        pairs = self._keys[head].view(np.int16).reshape(-1, PAIRS, AT_ONCE, 2)
        levels = pairs.transpose(0, 2, 1, 3).reshape(-1, LANES)[: self._positions]
        keys: Rows = levels * self._key_scales[head].reshape(-1)[: self._positions, None]
        return keys
