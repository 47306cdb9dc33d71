"""A row's audio as a layer sees it: keys, values, and attention to them.

In a decoder step reading these is the most of the work: 6 MB a row and layer for 30 s in float32.
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from src.engines.whisper.loop import kernels
from src.engines.whisper.loop.intrinsics import LANES, PAIRS
from src.engines.whisper.loop.kernels import Heads

_KEYS = 64
"""Positions of a block of keys."""


class Audio(Protocol):
    def __init__(self, keys: Tensor, values: Tensor) -> None: ...

    def attend(self, asked: Heads, seen: Heads) -> None:
        """Attention of some tokens to all of it.

        Args:
            asked: their queries, already divided by the root of a head's width; (tokens, heads, width).
            seen: what comes of it, in the same shape.
        """


class Float32:
    """For any CPU.

    Args:
        keys: shape (positions, heads, width).
        values: likewise.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        positions, heads, width = keys.shape
        # products are made of blocks that fit into the core's first cache, which takes half the time
        filled = pad(keys.transpose(0, 1), (0, 0, 0, -positions % _KEYS))
        self._keys = filled.view(heads, -1, _KEYS, width).transpose(2, 3).contiguous()
        self._values = values.transpose(0, 1).contiguous()

    def attend(self, asked: Heads, seen: Heads) -> None:
        """See `Audio`. By hand: fused kernels are made for more tokens than five."""
        queries = torch.from_numpy(asked).transpose(0, 1)
        scores = torch.matmul(queries[:, None], self._keys).transpose(1, 2)
        # the last block may have been filled up
        shares = scores.flatten(2)[:, :, : self._values.shape[1]].softmax(2)
        seen[:] = torch.bmm(shares, self._values).transpose(0, 1).numpy()


class BFloat16:
    """For CPUs that multiply it themselves: half the bytes, and two products in the time of one.

    Args:
        keys: shape (positions, heads, 64), as all of Whisper's sizes have it.
        values: likewise.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self._positions, heads, width = keys.shape
        if width != LANES:
            raise ValueError(f"a head has {width} numbers, not {LANES}")
        size = 2 * PAIRS
        keys, values = (
            pad(one, (0, 0, 0, 0, 0, -self._positions % size)).to(torch.bfloat16).view(torch.uint16)
            for one in (keys, values)
        )
        # a product adds up pairs: of a key's numbers, of values at two positions
        self._keys = np.ascontiguousarray(keys.view(-1, size, heads, PAIRS, 2).permute(2, 0, 3, 1, 4).numpy())
        self._values = np.ascontiguousarray(
            values.view(-1, PAIRS, 2, heads, LANES).permute(3, 0, 1, 4, 2).numpy()
        )

    def attend(self, asked: Heads, seen: Heads) -> None:
        """See `Audio`."""
        kernels.attend_to_audio(asked, self._keys, self._values, self._positions, seen)
