"""When each token of a finished text is said, by dynamic time warping over cross-attention.

The method is that of openai/whisper's `timing.py`, as CTranslate2 does it: the decoder is given the whole
text, without timestamps. The attention of some heads, which follow the audio, is normalised over the tokens,
smoothed over the positions and averaged.
"""

from collections.abc import Sequence

import numpy as np
import torch

from src.engines.kernels import Heads, Rows
from src.engines.kernels.alignment import add_median, warping_path
from src.engines.whisper.loop.attention_recorder import LayerHead, attention, by_layer
from src.engines.whisper.loop.cross_attention import CrossAttentionCache
from src.engines.whisper.row import Alignment

_LEAST_DEVIATION = 1e-9


class TextAligner:
    """Aligns one row's text. A decoder step must be given all of `tokens` at once.

    Args:
        heads: the model's alignment heads, as (layer, head).
        start: the prompt, without previous text.
        no_timestamps: the token that follows it.
        text: tokens of the text, without timestamps.
        end: the token that ends a text. Tokens from it on are no text.
        positions: encoder positions that hold audio; those behind it are padding, and left out.
        probabilities: whether those of the tokens are wanted, too. They cost as much as all layers.
    """

    def __init__(
        self,
        heads: Sequence[LayerHead],
        start: Sequence[int],
        no_timestamps: int,
        text: Sequence[int],
        end: int,
        positions: int,
        *,
        probabilities: bool = True,
    ) -> None:
        self.tokens = [*start, no_timestamps, *text, end]
        """What the decoder is given."""
        self._heads = by_layer(heads)
        self._start = len(start)
        self._text = list(text)
        self._end = end
        self._probabilities = probabilities
        self._positions = positions
        self._sum: Rows = np.zeros((len(self.tokens), positions), np.float32)

    @property
    def wanted(self) -> range:
        """Indexes of the tokens whose logits tell the probability of the text; none if nobody wants it."""
        if not self._probabilities:
            return range(0)
        return range(self._start, self._start + len(self._text))

    def record(self, layer: int, query: Heads, cache: CrossAttentionCache) -> None:
        """See `Recorder`."""
        if not self._positions:
            return
        for head in self._heads.get(layer, ()):
            weights = attention(query[:, head], cache.keys_of(head)[: self._positions])
            weights -= weights.mean(0)
            weights /= np.maximum(weights.std(0), _LEAST_DEVIATION)
            add_median(weights, self._sum)

    def result(self, logits: Rows) -> Alignment:
        """The alignment, given the logits of `wanted`."""
        probabilities = [
            float(torch.from_numpy(line[: self._end]).softmax(0)[token])
            for line, token in zip(logits, self._text[: len(self.wanted)], strict=True)
        ]
        if not self._positions:
            return Alignment((), tuple(probabilities))
        # a token's time is when the one before it has been read; the last row is that of the end mark
        path = warping_path(self._sum[self._start : -1])
        return Alignment(tuple((token, place) for token, place in path.tolist()), tuple(probabilities))


def warm() -> None:
    """Compile the kernels."""
    rows = np.ones((2, 4), np.float32)
    add_median(rows, np.zeros_like(rows))
    warping_path(rows)
