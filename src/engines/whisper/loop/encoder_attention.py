"""Self-attention of the encoder: of one row, in one layer at a time.

The scores of 30 s are 9 MB for each head. Writing them to memory and reading them back is what long windows
cost elsewhere. So both kinds compute attention for a few positions at a time, whose scores stay in the core's
cache, as in "FlashAttention" (Dao et al., 2022).
"""

from typing import Protocol

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from src.engines.kernels import Rows
from src.engines.kernels.encoder_attention import QUERIES, attend, pack_keys, pack_queries, pack_values
from src.engines.kernels.tiles import AT_ONCE, LANES
from src.engines.kernels.word_tiles import PAIRS

BLOCK = LANES
"""`EncoderAttention.store` is given positions from a multiple of this on."""


class EncoderAttention(Protocol):
    """Queries, keys and values of a row in a layer. Threads may store, and then attend, at the same time.

    Args:
        positions: of the row.
        heads: of the layer.
        width: of a head.
    """

    def __init__(self, positions: int, heads: int, width: int) -> None: ...

    def store(self, qkv: Rows, start: int) -> None:
        """Take queries, keys and values of some positions.

        Args:
            qkv: of the positions from `start` on, side by side; shape (positions, 3 x heads x width).
            start: a multiple of `BLOCK`.
        """

    def attend(self, part: slice) -> Rows:
        """Attention of some positions to all, shape (positions of `part`, heads x width)."""


class EncoderAttentionFloat32:
    """PyTorch's attention in float32, for any CPU. See `EncoderAttention`."""

    def __init__(self, positions: int, heads: int, width: int) -> None:
        # a head's keys are contiguous: where other heads lie between them, attention is a sixth slower
        self._qkv = np.empty((3, heads, positions, width), np.float32)

    def store(self, qkv: Rows, start: int) -> None:
        """See `EncoderAttention`."""
        _, heads, _, width = self._qkv.shape
        made = qkv.reshape(-1, 3, heads, width).transpose(1, 2, 0, 3)
        self._qkv[:, :, start : start + len(qkv)] = made

    def attend(self, part: slice) -> Rows:
        """See `EncoderAttention`."""
        query, keys, values = torch.from_numpy(self._qkv).unsqueeze(1)
        out = scaled_dot_product_attention(query[:, :, part], keys, values)[0].transpose(0, 1)
        made: Rows = out.reshape(len(out), -1).numpy()
        return made


class EncoderAttentionInt16:
    """Products of 16-bit integers, for CPUs with AVX512-VNNI or AVX2. See `EncoderAttention`.

    It takes 0.55 to 0.7 of the time of float32, and is five times nearer to it than bfloat16 is.

    Raises:
        ValueError: the head width is not 64. All released Whisper models have 64.
    """

    def __init__(self, positions: int, heads: int, width: int) -> None:
        if width != LANES:
            raise ValueError(f"the head width is {width}, not {LANES}")
        blocks = -(-positions // BLOCK)
        self._positions = positions
        # PyTorch's memory begins with a cache line, NumPy's does not
        self._queries = torch.empty(heads, positions, width, dtype=torch.int16).numpy()
        self._query_scales = np.empty((heads, positions), np.float32)
        self._keys, self._values = (
            torch.empty(heads, blocks, LANES // AT_ONCE, PAIRS, AT_ONCE, dtype=torch.int32).numpy()
            for _ in range(2)
        )
        self._key_scales, self._value_scales = (
            np.empty((heads, blocks, LANES), np.float32) for _ in range(2)
        )

    def store(self, qkv: Rows, start: int) -> None:
        """See `EncoderAttention`."""
        made = qkv.reshape(len(qkv), 3, len(self._queries), LANES)
        pack_queries(made, 0, start, self._queries, self._query_scales)
        pack_keys(made, 1, start, self._keys, self._key_scales)
        pack_values(made, 2, start, self._values, self._value_scales)

    def attend(self, part: slice) -> Rows:
        """See `EncoderAttention`."""
        heads, blocks = self._keys.shape[:2]
        out = np.empty((part.stop - part.start, heads, LANES), np.float32)
        attend(
            self._queries,
            self._query_scales,
            self._keys.view(np.int16).reshape(-1),
            self._key_scales.reshape(-1),
            self._values.view(np.int16).reshape(-1),
            self._value_scales.reshape(-1),
            self._positions,
            part.start,
            out,
            torch.empty(QUERIES, blocks * BLOCK).numpy(),
            torch.empty(QUERIES, blocks * BLOCK, dtype=torch.int16).numpy(),
            torch.empty(QUERIES, LANES).numpy(),
        )
        return out.reshape(len(out), -1)
