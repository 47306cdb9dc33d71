"""Where in the audio the decoder looks while it writes a token: the signal of AlignAtt.

AlignAtt (Papi et al., 2023) decides from cross-attention whether a token is stable: it is if the decoder does
not look at the last moments of the audio that has come so far. The weights are made comparable as in
openai/whisper's `timing.py`: those of some heads, which follow the audio, normalised over the tokens and
smoothed over the positions.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from src.engines.kernels import Heads, Rows
from src.engines.kernels.alignment import add_median
from src.engines.whisper.loop.cross_attention import CrossAttentionCache

LayerHead = tuple[int, int]
"""A layer and one of its heads."""


class Recorder(Protocol):
    """Is told where the tokens of one row look in the audio."""

    def record(self, layer: int, query: Heads, cache: CrossAttentionCache) -> None:
        """Take the queries of new tokens in one layer, shape (tokens, heads, width), scaled already."""


class AttentionRecorder:
    """Collects the attention of one row's tokens, and tells the position of each token of the text.

    The query that predicts a token is the one of the token before it.

    Args:
        heads: the model's alignment heads, as (layer, head).
        skip: number of tokens of the prompt before the one that predicts the first token of text.
        positions: encoder positions that hold audio; those behind it are padding.
    """

    def __init__(self, heads: Sequence[LayerHead], skip: int, positions: int) -> None:
        self._heads = by_layer(heads)
        self._skip = skip
        self._positions = positions
        self._keys: dict[LayerHead, NDArray[np.float32]] = {}
        self._weights: dict[LayerHead, NDArray[np.float32]] = {}
        """Attention weights of each head, shape (tokens, encoder positions)."""

    def record(self, layer: int, query: Heads, cache: CrossAttentionCache) -> None:
        """See `Recorder`."""
        for head in self._heads.get(layer, ()):
            known = layer, head
            keys = self._keys.get(known)
            if keys is None:
                keys = self._keys[known] = cache.keys_of(head)
                self._weights[known] = np.empty((0, len(keys)), np.float32)
            queries = query[self._skip :, head] if not len(self._weights[known]) else query[:, head]
            self._weights[known] = np.concatenate([self._weights[known], attention(queries, keys)])

    def position(self, token: int, known: int) -> int:
        """The encoder position (20 ms) at which a token of the text is said.

        Args:
            token: its index.
            known: tokens of the text over which weights are normalised, more than `token`.
        """
        weights = np.stack([one[:known] for one in self._weights.values()])
        wanted = weights[:, token]
        if known > 1:
            deviation = weights.std(1)
            wanted = (wanted - weights.mean(1)) / np.maximum(deviation, 1e-6)
        smooth = np.zeros_like(wanted, order="C")
        add_median(np.ascontiguousarray(wanted), smooth)
        return int(smooth.mean(0)[: self._positions].argmax())

    def keep(self, tokens: int) -> None:
        """Forget the tokens of the text from index `tokens` on: others were written in their place."""
        self._weights = {head: weights[:tokens] for head, weights in self._weights.items()}


def by_layer(heads: Sequence[LayerHead]) -> dict[int, list[int]]:
    """The heads of each layer that has any."""
    found: dict[int, list[int]] = {}
    for layer, head in heads:
        found.setdefault(layer, []).append(head)
    return found


def attention(query: Rows, keys: Rows) -> Rows:
    """How much each query looks at each key, shape (queries, keys); the sum of a row is 1."""
    # NumPy's product would run on threads of OpenBLAS, which take the cores from the encoder
    weights: Rows = (torch.from_numpy(query) @ torch.from_numpy(keys).T).numpy()
    weights -= weights.max(1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(1, keepdims=True)
    return weights
